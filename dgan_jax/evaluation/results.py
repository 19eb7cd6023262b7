"""What the runs of an evaluation found, and its tables in Markdown."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dgan_jax import metrics
from dgan_jax import schema as schema_lib
from dgan_jax.evaluation import annotated_samples, label_quality
from dgan_jax.evaluation import plan as plan_lib
from dgan_jax.visualize import frequencies


class Outcome:
  """All that a plan's runs found."""

  def __init__(
    self,
    plan: plan_lib.Plan,
    found: Mapping[plan_lib.Run, Mapping[str, Any]],
    truth: annotated_samples.Truth,
    schema: schema_lib.Schema,
  ):
    """`found` has what `label_quality.summary` gave for every run of the plan,
    by the `truth`, whose labels are of the `schema`."""
    self.plan = plan
    self.found = found
    self.classes = schema.classes
    self.counts = metrics.ClassCounts.of(truth.masks, schema.num_classes)

  def values(
    self,
    *path: Any,
    annotated: int | None = None,
    candidates: int | None = None,
    voting: str | None = None,
    **changes: Any,
  ) -> np.ndarray:
    """One figure of the reference, or of what differs from it, by seed; `path`
    says where the figure is in what was found with a voting."""
    values = []
    for seed in self.plan.seeds:
      run = self.plan.run(seed, annotated, candidates, **changes)
      found: Any = self.found[run]
      for step in (voting or self.plan.voting, *path):
        found = found[step]
      values.append(found)
    return np.array(values)

  def by_count(self, name: str, mode: str) -> np.ndarray:
    """A figure over the numbers of annotated samples of the mode, [counts,
    seeds]."""
    counts = self.plan.counts(mode)
    return np.stack([self.values(name, annotated=n, mode=mode) for n in counts])

  def by_dropped(self, name: str, mode: str) -> np.ndarray:
    """A figure of the reference, [shares of `label_quality.DROPPED`, seeds]."""
    places = range(len(label_quality.DROPPED))
    return np.stack([self.values('kept', i, name, mode=mode) for i in places])

  def to_json(self) -> dict[str, Any]:
    """All of it, as what JSON can hold."""
    shares = self.counts.pixel_shares.tolist()
    return {
      'pixel_shares': dict(zip(self.classes, shares, strict=True)),
      'runs': [
        {'run': dataclasses.asdict(run), 'found': found}
        for run, found in self.found.items()
      ],
    }


def markdown(outcome: Outcome) -> str:
  """All tables."""
  plan = outcome.plan
  seeds = ', '.join(map(str, plan.seeds))
  spread = (
    f' Figures are means, ± half the range, over the seeds {seeds}.'
    if len(plan.seeds) > 1
    else f' Seed {seeds}.'
  )
  reference = f'{plan.reference} annotated samples'
  mode = f'{plan.options.mode} mode'
  shares = [f'{100 * share:g} %' for share in label_quality.DROPPED]
  present = np.count_nonzero(outcome.counts.pixels)
  shortfall = []
  if plan.ceiling:
    most = outcome.values('mean_iou', annotated=plan.ceiling)
    lacking = 100 * (most - outcome.values('mean_iou')).mean()
    shortfall.append(
      f'Points of mean IoU that {plan.reference} annotated samples lack of '
      f'{plan.ceiling} ({mode}): {lacking:.1f}.'
    )
  parts = [
    f'{outcome.counts.num_images:,} fresh samples against the simulated '
    f'annotator; mean IoU is over the {present} classes that it paints there. '
    f'{plan.options.members} members, {plan.voting} vote, annotated samples '
    f'{plan.run(0).choice} where nothing else is said.{spread}',
    '### Annotated samples',
    _by_mode(
      outcome, 'annotated samples', map(str, plan.counts()), outcome.by_count
    ),
    *shortfall,
    f'### Vote, dropout and choice, {reference}',
    _by_voting(outcome),
    f'### The most uncertain samples left out, {reference}',
    _by_mode(outcome, 'left out', shares, outcome.by_dropped),
    f'### Pixels by certainty, {reference}, {mode}, majority vote',
    _by_certainty(outcome),
    f'### IoU of the classes, {mode}',
    _by_class(outcome),
  ]
  return '\n\n'.join(parts) + '\n'


def _by_mode(
  outcome: Outcome,
  head: str,
  names: Iterable[str],
  figures: Callable[[str, str], np.ndarray],
) -> str:
  """Mean IoU and accuracy of both modes; `figures` gives one of them of one
  mode as [rows, seeds], the last rows of some modes missing."""
  columns = list(
    itertools.product(outcome.plan.all_modes, ('mean_iou', 'accuracy'))
  )
  heads = [head]
  for mode in outcome.plan.all_modes:
    heads += [f'{mode} mode: mean IoU', 'accuracy']
  cells = [map(_figure, figures(name, mode)) for mode, name in columns]
  return _table(heads, itertools.zip_longest(names, *cells, fillvalue=''))


def _by_voting(outcome: Outcome) -> str:
  plan = outcome.plan
  variants: list[dict[str, Any]] = [{'mode': mode} for mode in plan.all_modes]
  others = [x for x in plan.dropouts if x != plan.options.dropout]
  variants += [{'dropout': dropout} for dropout in others]
  if plan.candidates:
    variants.append({'candidates': 0})
  heads = ['mode', 'dropout', 'samples']
  for voting in label_quality.VOTINGS:
    heads += [f'{voting} vote: mean IoU', 'accuracy']
  rows = []
  for changes in variants:
    run = plan.run(plan.seeds[0], **changes)
    options = run.options
    row = [options.mode, f'{options.dropout:g}', run.choice]
    for voting in label_quality.VOTINGS:
      for name in ('mean_iou', 'accuracy'):
        row.append(_figure(outcome.values(name, voting=voting, **changes)))
    rows.append(row)
  return _table(heads, rows)


def _by_certainty(outcome: Outcome) -> str:
  plan = outcome.plan
  found = [outcome.found[plan.run(seed)] for seed in plan.seeds]
  accuracies = np.array([one['accuracy_by_certainty'] for one in found])
  heads = ['tenth, most certain first', *map(str, range(1, 11))]
  return _table(heads, [['accuracy', *map(_figure, accuracies.T)]])


def _by_class(outcome: Outcome) -> str:
  """Of every number of annotated samples; of classes that occur."""
  counts = outcome.plan.counts()
  shares = outcome.counts.pixel_shares
  rows = []
  for name, share in zip(outcome.classes, shares, strict=True):
    if share:
      ious = [outcome.values('iou', name, annotated=n) for n in counts]
      rows.append([name, frequencies.percent(share), *map(_figure, ious)])
  heads = ['class', 'of pixels', *(f'{count} annotated' for count in counts)]
  return _table(heads, rows)


def _figure(values: np.ndarray) -> str:
  """0.725, or 0.725 ± 0.004 of several seeds."""
  if len(values) == 1:
    return f'{values[0]:.3f}'
  return f'{values.mean():.3f} ± {np.ptp(values) / 2:.3f}'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  lines = [heads, ['---', *['---:'] * (len(heads) - 1)], *rows]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)
