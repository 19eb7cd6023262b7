"""What an evaluation found, as a chart, and a sheet of samples."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from PIL import Image

from dgan_jax import parallel
from dgan_jax.evaluation import annotated_samples, label_quality
from dgan_jax.evaluation import results as outcome_lib
from dgan_jax.interpreter import ensemble
from dgan_jax.visualize import charts, sheets

# Of the worst, the median and the best each.
_SHOWN = 4


def chart(outcome: outcome_lib.Outcome) -> bytes:
  """Mean IoU over annotated samples and over what is left out, as a PNG."""
  dropped = tuple(100 * share for share in label_quality.DROPPED)
  return charts.png(
    charts.LineChart(
      **_lines(outcome, outcome.plan.counts, outcome.by_count),
      title='More annotated samples',
      x_label='annotated samples',
      y_label='mean IoU',
      log_x=True,
    ),
    charts.LineChart(
      **_lines(outcome, lambda _: dropped, outcome.by_dropped),
      title=f'Uncertain samples left out, {outcome.plan.reference} annotated',
      x_label='percent left out, most uncertain first',
      y_label='mean IoU of the rest',
    ),
  )


def _lines(
  outcome: outcome_lib.Outcome,
  x: Callable[[str], Sequence[float]],
  figures: Callable[[str, str], np.ndarray],
) -> dict[str, Any]:
  """A line for each mode, with the range of several seeds; `x` and `figures`
  are functions of it."""
  series, bands = {}, {}
  for mode in outcome.plan.all_modes:
    values = figures('mean_iou', mode)
    series[f'{mode} mode'] = (x(mode), values.mean(1))
    if values.shape[1] > 1:
      bands[f'{mode} mode'] = (values.min(1), values.max(1))
  return {'series': series, 'bands': bands}


def sheet(
  setup: annotated_samples.Setup,
  interpreter: ensemble.Interpreter,
  measured: label_quality.Measured,
  truth: annotated_samples.Truth,
  voting: str,
) -> Image.Image:
  """The samples with the fewest and with the most pixels labelled right, and
  those in the middle."""
  accuracies = measured.accuracies(voting)
  order = np.argsort(accuracies, kind='stable')
  shown = min(_SHOWN, len(order))
  middle = (len(order) - shown) // 2
  groups = {
    'worst': order[:shown],
    'median': order[middle : middle + shown],
    'best': order[::-1][:shown],
  }
  chosen = np.concatenate(list(groups.values()))
  keys = np.asarray(jax.random.key_data(truth.keys[chosen]))
  drawn = parallel.collect(label_quality.label(setup, interpreter)(keys))
  masks = truth.masks[chosen]
  maximum = sheets.uncertainty_maximum(drawn['uncertainty'])
  schema = measured.schema
  strips = [
    [
      image,
      sheets.overlay(image, mask, schema),
      sheets.overlay(image, found, schema),
      sheets.difference_image(image, mask, found),
      sheets.uncertainty_image(divergence, maximum),
    ]
    for image, mask, found, divergence in zip(
      drawn['image'], masks, drawn[voting], drawn['uncertainty'], strict=True
    )
  ]
  names = [name for name, places in groups.items() for _ in places]
  captions = [
    f'{name}: {100 * accuracies[place]:.1f} % right, score '
    f'{measured.scores[place]:.3f}'
    for name, place in zip(names, chosen, strict=True)
  ]
  return sheets.strip_sheet(
    strips,
    ['image', 'annotator', 'interpreter', 'different', 'uncertainty'],
    captions,
    columns=2,
    legend=sheets.class_legend(
      schema, np.unique(np.concatenate([masks, drawn[voting]]))
    ),
    maximum=maximum,
  )
