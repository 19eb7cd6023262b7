"""How far an interpreter's labels agree with the truth, and how sure it is."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Mapping
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import metrics, parallel, progress, rng
from dgan_jax import pyramid as pyramid_lib
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.evaluation import annotated_samples
from dgan_jax.evaluation import plan as plan_lib
from dgan_jax.factory import labeller, splits
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, labelling, training
from dgan_jax.segmentation import quality_report
from dgan_jax.tasks import part_segmentation

# How members agree on a label: by `PartSegmentation.soft_voting`.
VOTINGS = ('majority', 'soft')

# Shares of the samples left out, the most uncertain first.
DROPPED = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5)

# (what is counted) -> context of an `on_progress` that shows it.
Show = Callable[[str], contextlib.AbstractContextManager[progress.OnProgress]]

# A float16 that is not negative is in the order of its bits; infinity is this.
_FLOAT16_VALUES = 0x7C01


def label(
  setup: annotated_samples.Setup, interpreter: ensemble.Interpreter
) -> Any:
  """A function that draws and labels samples on all devices.

  Returns:
    Key data uint32 [n, 2] -> iterator over (number of samples, arrays with at
    least that many rows): 'image' uint8 [n, height, width, 3]; for each of
    `VOTINGS` labels uint8 [n, height, width]; 'uncertainty' float16 [n, height,
    width] in nats; 'score' float32 [n].
  """
  canvas = setup.sampling.canvas(setup.generator.architecture)
  return parallel.map_items(
    _label_block,
    (setup.generator, interpreter),
    annotated_samples.BLOCK_SIZE,
    static=(setup.sampling, canvas, labeller.tile_size(canvas)),
  )


def _label_block(
  sampling: generators.Sampling,
  canvas: pyramid_lib.Canvas,
  tile_pixels: int,
  state: tuple[generators.Generator, ensemble.Interpreter],
  keys: chex.Array,
) -> dict[str, chex.Array]:
  generator, interpreter = state
  _, image, pyramid = generators.sample(
    generator, rng.key_from_data(keys), sampling
  )

  def one(pyramid: pyramid_lib.FeaturePyramid) -> dict[str, chex.Array]:
    statistics = labelling.image_statistics(
      interpreter, pyramid, canvas, tile_pixels
    )
    divergence = part_segmentation.uncertainty(
      statistics, interpreter.spec.members
    )
    return {
      'majority': part_segmentation.votes_to_mask(statistics, False),
      'soft': part_segmentation.votes_to_mask(statistics, True),
      'uncertainty': divergence.astype(jnp.float16),
      'score': part_segmentation.score(divergence),
    }

  return {'image': image, **jax.lax.map(one, pyramid)}


@dataclasses.dataclass(frozen=True)
class Measured:
  """An interpreter's labels of all samples, counted."""

  schema: schema_lib.Schema
  # By voting, of every sample, int64 [n, classes, classes]; see
  # `metrics.confusion_matrix`.
  confusions: Mapping[str, np.ndarray]
  scores: np.ndarray  # float32 [n], high where the members disagree
  # By uncertainty, least first: int64 [2, values], pixels and those that the
  # majority labels right.
  pixels: np.ndarray

  def accuracies(self, voting: str) -> np.ndarray:
    """Share of each sample's pixels labelled right, float64 [n]."""
    confusions = self.confusions[voting]
    right = np.trace(confusions, axis1=1, axis2=2)
    return right / confusions.sum((1, 2))


def measure(
  setup: annotated_samples.Setup,
  interpreter: ensemble.Interpreter,
  truth: annotated_samples.Truth,
  *,
  on_progress: progress.OnProgress | None = None,
) -> Measured:
  """Labels samples and compares them with the truth, a few at a time."""
  schema = setup.annotator.schema
  count, classes = len(truth.masks), schema.num_classes
  confusions: dict[str, list[np.ndarray]] = {voting: [] for voting in VOTINGS}
  scores = np.zeros(count, np.float32)
  pixels = np.zeros((2, _FLOAT16_VALUES), np.int64)
  done = 0
  run = label(setup, interpreter)
  for size, arrays in run(np.asarray(jax.random.key_data(truth.keys))):
    masks = truth.masks[done : done + size]
    for voting, confused in confusions.items():
      for pair in zip(masks, arrays[voting], strict=False):
        confused.append(metrics.confusion_matrix(*pair, classes))
    scores[done : done + size] = arrays['score'][:size]
    divergence = arrays['uncertainty'][:size].view(np.uint16)
    right = masks == arrays['majority'][:size]
    pixels[0] += np.bincount(divergence.ravel(), minlength=_FLOAT16_VALUES)
    pixels[1] += np.bincount(divergence[right], minlength=_FLOAT16_VALUES)
    done += size
    if on_progress:
      on_progress(done, count, {})
  stacked = {voting: np.stack(found) for voting, found in confusions.items()}
  return Measured(schema, stacked, scores, pixels)


def train_and_measure(
  setup: annotated_samples.Setup,
  run: plan_lib.Run,
  annotated: annotations_lib.Annotations,
  truth: annotated_samples.Truth,
  show: Show,
) -> tuple[ensemble.Interpreter, Measured, dict[str, float]]:
  """Trains as launch.train_interpreter does, then labels what is measured on.

  Returns:
    The interpreter, what it was worth, and the seconds that both took.
  """
  start = time.monotonic()
  with show('steps') as on_progress:
    interpreter = training.train(
      setup.generator,
      annotated,
      setup.sampling,
      run.options,
      key=rng.stream(rng.root_key(run.seed), 'interpreter'),
      on_progress=on_progress,
    )
  trained = time.monotonic()
  with show('samples') as on_progress:
    measured = measure(setup, interpreter, truth, on_progress=on_progress)
  seconds = {
    'training_seconds': trained - start,
    'measuring_seconds': time.monotonic() - trained,
  }
  return interpreter, measured, seconds


def summary(measured: Measured) -> dict[str, Any]:
  """What JSON can hold of it, shares 0 to 1.

  Returns:
    For each of `VOTINGS` what `quality_report.scores` gives and 'kept', a
    list of the 'mean_iou' and 'accuracy' of what is left of the samples
    without the share 'dropped'. 'accuracy_by_certainty': the majority's, of
    the ten tenths of the pixels, most certain first.
  """
  found: dict[str, Any] = {}
  for voting, confusions in measured.confusions.items():
    kept = []
    for share in DROPPED:
      left, _ = splits.split_by_uncertainty(measured.scores, share)
      confusion = confusions[left].sum(0)
      kept.append(
        {
          'dropped': share,
          'mean_iou': metrics.mean_iou(confusion),
          'accuracy': metrics.pixel_accuracy(confusion),
        }
      )
    scores = quality_report.scores(confusions.sum(0), measured.schema)
    found[voting] = {**scores, 'kept': kept}
  found['accuracy_by_certainty'] = _by_tenths(measured.pixels)
  return found


def _by_tenths(pixels: np.ndarray) -> list[float]:
  """Accuracy of the tenths of `Measured.pixels`; equal pixels are shared out
  evenly."""
  total, right = np.pad(pixels.cumsum(1), ((0, 0), (1, 0)))
  occurs = np.r_[True, np.diff(total) > 0]
  edges = np.linspace(0, total[-1], 11)
  reached = np.interp(edges, total[occurs], right[occurs])
  return (np.diff(reached) / np.diff(edges)).tolist()
