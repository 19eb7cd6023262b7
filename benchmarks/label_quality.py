"""How good the labels of a trained interpreter are, class by class.

Trains on the 16 bundled samples and compares with the masks of the 256 others,
by majority vote and by mean softmax; then asks whether uncertainty finds the
bad ones: all images, those kept, and the most uncertain tenth. The cars are
rendered and the annotator is simulated, see the README of the assets.

  python -m benchmarks.label_quality
  python -m benchmarks.label_quality --mode=release --members=3
"""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks import common, models
from dgan_jax import metrics, rng
from dgan_jax.factory import filtering
from dgan_jax.interpreter import training


def measure(options: training.TrainingOptions, seed: int) -> dict[str, Any]:
  """Trains and measures."""
  cars = models.BundledCars.load()
  interpreter, measured = common.measure(
    lambda: training.train(
      cars.generator,
      cars.annotated,
      cars.sampling,
      options,
      key=rng.root_key(seed),
    )
  )
  voting = {}
  for name, soft in (('majority', False), ('soft', True)):
    spec = dataclasses.replace(interpreter.spec, soft_voting=soft)
    predicted, scores = cars.label(interpreter.replace(spec=spec))
    voting[name] = _quality(cars, predicted) | {
      'by_uncertainty': _by_uncertainty(cars, predicted, scores)
    }
  classes = cars.annotated.schema.classes
  counts = metrics.ClassCounts.of(cars.masks, len(classes))
  return {
    'machine': common.machine(),
    'options': options,
    'seed': seed,
    'training': measured,
    'classes': classes,
    'pixel_shares': counts.pixel_shares.tolist(),
    'voting': voting,
  }


def _quality(
  cars: models.BundledCars,
  predicted: np.ndarray,
  images: np.ndarray | slice = slice(None),
) -> dict[str, Any]:
  confusion = cars.confusion(predicted, images)
  return {
    'mean_iou': metrics.mean_iou(confusion),
    'accuracy': metrics.pixel_accuracy(confusion),
    'class_iou': metrics.class_iou(confusion).tolist(),
  }


def _by_uncertainty(
  cars: models.BundledCars, predicted: np.ndarray, scores: np.ndarray
) -> dict[str, Any]:
  kept, uncertain = filtering.split_by_uncertainty(scores)
  return {
    'kept': _quality(cars, predicted, kept),
    'uncertain': _quality(cars, predicted, uncertain),
  }


def _format(result: dict[str, Any]) -> str:
  majority, soft = (result['voting'][name] for name in ('majority', 'soft'))
  classes = [['class', 'pixels', 'IoU, majority', 'IoU, soft']]
  for name, share, *ious in zip(
    result['classes'],
    result['pixel_shares'],
    majority['class_iou'],
    soft['class_iou'],
    strict=True,
  ):
    iou_cells = [f'{iou:.3f}' if share else 'absent' for iou in ious]
    classes.append([name, f'{100 * share:.2f} %', *iou_cells])
  images = [['images', 'voting', 'mean IoU', 'accuracy']]
  for part, name in itertools.product(
    ('all', 'kept', 'uncertain'), ('majority', 'soft')
  ):
    voting = result['voting'][name]
    quality = voting if part == 'all' else voting['by_uncertainty'][part]
    images.append(
      [part, name, f'{quality["mean_iou"]:.4f}', f'{quality["accuracy"]:.4f}']
    )
  members = result['options'].members
  trained = f'{members} members trained in {result["training"].seconds:.1f} s.'
  return '\n\n'.join([common.table(classes), common.table(images), trained])


def main(argv: Sequence[str] | None = None) -> None:
  parser = common.parser(__doc__)
  common.add_training_options(parser)
  args = parser.parse_args(argv)
  result = measure(common.training_options(args), args.seed)
  common.report(result, _format(result), as_json=args.json)


if __name__ == '__main__':
  main()
