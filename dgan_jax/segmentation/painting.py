"""Painting the masks of a folder in place of a person, and saying so.

masks/NAME.png   as a painting program would save them
annotator.json   that the annotator was simulated, and which one it was
"""

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dgan_jax import errors, storage
from dgan_jax.annotations import entries, files, manifest, masks
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import predict

NOTE = 'annotator.json'
WORDS = (
  'The annotator was simulated: a segmentation network trained on rendered '
  'images painted these masks, not a person.'
)


def paint(
  folder: storage.PathLike,
  annotator: annotator_lib.Annotator,
  *,
  facts: Mapping[str, Any] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
  """Paints the images/NAME.png that a folder's manifest lists; `facts` about
  the annotator go into the note.

  Returns:
    Images uint8 [n, height, width, 3] and masks uint8 [n, height, width].

  Raises:
    errors.UserError: an image is missing or of another size, the folder asks
      for other classes, or somebody else has painted a mask already.
  """
  folder = storage.path(folder)
  names = manifest.read(folder).names
  schema = entries.read_schema(folder, annotator.schema)
  images = _read(folder, names)
  painted, confidence = predict.annotate(annotator, images)
  encoded = {
    name: masks.encode(mask, schema)
    for name, mask in zip(names, painted, strict=True)
  }
  _refuse_masks_of_others(folder, encoded)
  (folder / 'masks').mkdir(exist_ok=True)
  # First, so that no mask is ever taken for a person's.
  storage.write_json(
    folder / NOTE,
    {
      'annotator': WORDS,
      'network': annotator_lib.checksum(annotator),
      'facts': dict(facts or {}),
      'mean_confidence': float(confidence.mean()),
      'masks': {name: storage.sha256(data) for name, data in encoded.items()},
    },
  )
  for name, data in encoded.items():
    storage.write_bytes(folder / 'masks' / f'{name}.png', data)
  return images, painted


def _read(folder: pathlib.Path, names: Sequence[str]) -> np.ndarray:
  images: list[np.ndarray] = []
  for name in names:
    path = folder / 'images' / f'{name}.png'
    images.append(np.asarray(files.open_image(path).convert('RGB')))
    size, first = images[-1].shape[:2], images[0].shape[:2]
    if size != first:
      raise errors.UserError(
        f'{path} is {size[0]} x {size[1]} (height x width); {names[0]}.png is '
        f'{first[0]} x {first[1]}.'
      )
  return np.stack(images)


def _refuse_masks_of_others(
  folder: pathlib.Path, encoded: Mapping[str, bytes]
) -> None:
  """A mask may be written over if an annotator painted it."""
  note = folder / NOTE
  ours = storage.read_json(note).get('masks', {}) if note.exists() else {}
  for name, data in encoded.items():
    for ending in ('.png', '.npy'):
      path = folder / 'masks' / f'{name}{ending}'
      if not path.exists():
        continue
      if storage.sha256(path.read_bytes()) not in (
        ours.get(name),
        storage.sha256(data),
      ):
        raise errors.UserError(
          f'Somebody else has painted {path}; move it away to have the '
          'simulated annotator paint it.'
        )
