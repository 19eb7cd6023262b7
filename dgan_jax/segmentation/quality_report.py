"""How well an annotator paints, to read and to look at."""

from typing import Any

import numpy as np
from PIL import Image

from dgan_jax import metrics, storage
from dgan_jax import schema as schema_lib
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import pairs as pairs_lib
from dgan_jax.segmentation import predict
from dgan_jax.visualize import frequencies, sheets


def write(
  folder: storage.PathLike,
  annotator: annotator_lib.Annotator,
  held_out: pairs_lib.Pairs,
  *,
  shown: int = 16,
) -> tuple[str, dict[str, Any]]:
  """Measures an annotator on pairs that it never saw; `folder` gets the table,
  held_out.txt, and a picture of those first `shown`, held_out.png.

  Returns:
    The table and the scores.
  """
  folder, schema = storage.path(folder), annotator.schema
  images, masks = held_out
  found, _ = predict.annotate(annotator, images)
  confusion = metrics.confusion_matrix(
    masks, found, schema.num_classes, schema.ignore_label
  )
  lines = table(confusion, schema)
  picture = sheet(images[:shown], masks[:shown], found[:shown], schema)
  folder.mkdir(parents=True, exist_ok=True)
  storage.write_text(folder / 'held_out.txt', f'{lines}\n')
  storage.write_bytes(folder / 'held_out.png', sheets.png(picture))
  return lines, {'pairs': len(images), **scores(confusion, schema)}


def scores(confusion: np.ndarray, schema: schema_lib.Schema) -> dict[str, Any]:
  """What JSON can hold of a confusion [classes, classes], shares 0 to 1:
  'mean_iou', 'accuracy', and by class that occurs 'iou' and
  'class_accuracy'."""
  occurs = confusion.sum(1) > 0
  found = zip(
    schema.classes,
    occurs,
    metrics.class_iou(confusion),
    metrics.class_accuracy(confusion),
    strict=True,
  )
  present = [(name, iou, right) for name, there, iou, right in found if there]
  return {
    'mean_iou': metrics.mean_iou(confusion),
    'accuracy': metrics.pixel_accuracy(confusion),
    'iou': {name: float(iou) for name, iou, _ in present},
    'class_accuracy': {name: float(right) for name, _, right in present},
  }


def table(confusion: np.ndarray, schema: schema_lib.Schema) -> str:
  """The same as lines of text, for a terminal; '-' for what doesn't occur."""
  found = scores(confusion, schema)
  shares = confusion.sum(1) / confusion.sum()
  rows = [['class', 'IoU', 'accuracy', 'of pixels']]
  for name, share in zip(schema.classes, shares, strict=True):
    values = (found[key].get(name) for key in ('iou', 'class_accuracy'))
    rows.append([name, *map(_percent, values), frequencies.percent(share)])
  rows.append(['all', _percent(found['mean_iou']), _percent(found['accuracy'])])
  return frequencies.aligned(rows)


def sheet(
  images: np.ndarray,
  masks: np.ndarray,
  found: np.ndarray,
  schema: schema_lib.Schema,
) -> Image.Image:
  """Every image uint8 [n, height, width, 3] with its true labels uint8 [n,
  height, width], beside it with those that the annotator found."""
  captions = []
  for mask, painted in zip(masks, found, strict=True):
    counted = mask != schema.ignore_label
    right = (mask == painted)[counted].mean()
    captions += ['truth', f'annotator, {frequencies.percent(right)} right']
  return sheets.contact_sheet(
    images.repeat(2, axis=0),
    np.stack([masks, found], axis=1).reshape(-1, *masks.shape[1:]),
    schema=schema,
    captions=captions,
    columns=4,
  )


def _percent(share: float | None) -> str:
  return '-' if share is None else f'{100 * share:.1f} %'
