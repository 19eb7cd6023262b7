"""The labelled handful: painted masks and the latents of their images.

A folder holds

  manifest.json   a name per entry, its key, and what the images were made
                  with; see `manifest.py`
  masks/NAME.png  labels, or the colours of the schema; or masks/NAME.npy
  images/NAME.png what was painted on (optional; compared with what the
                  generator draws, see `drawn.py`)
  latents.npy     [entries, latent_size], if entries have no key
  schema.json     what the labels mean

or, in the layout of DatasetGAN's release, image_mask{k}.npy with one
latent*.npy [>= masks, latent_size], and perhaps image_{k}.png or .jpg.
"""

import dataclasses
import pathlib
import re
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from absl import logging

from dgan_jax import errors, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import entries, files, manifest
from dgan_jax.annotations import masks as masks_lib

_PICTURES = ('.png', '.jpg', '.jpeg')
_OF_WINDOWS = ('desktop.ini', 'Thumbs.db')  # hidden there, though by no dot


@dataclasses.dataclass(frozen=True, kw_only=True)
class Annotations(entries.Entries):
  """Masks, and where their images come from."""

  masks: np.ndarray  # uint8 [n, height, width]

  task: ClassVar[str] = 'part_segmentation'

  @property
  def size(self) -> tuple[int, int]:
    """(height, width) of the masks."""
    return self.masks.shape[1], self.masks.shape[2]


def missing_classes(annotations: Annotations) -> tuple[str, ...]:
  """Names of the classes that no mask has a pixel of."""
  present = set(np.unique(annotations.masks))
  classes = enumerate(annotations.schema.classes)
  return tuple(name for label, name in classes if label not in present)


def load(
  folder: storage.PathLike,
  *,
  schema: schema_lib.Schema | None = None,
  size: tuple[int, int] | None = None,
  latent_size: int | None = None,
  num_ws: int | None = None,
) -> Annotations:
  """Reads a folder of annotations and checks all of it.

  A class that is never annotated is logged as a warning.

  Args:
    folder: of this module's layout, or of the release's.
    schema: what the labels mean; None: the folder's schema.json. Where both
      are there they must have the same classes.
    size: (height, width) of the masks; None: those of the first.
    latent_size: of the generator; None: what the folder says.
    num_ws: rows of w of the generator; None: what the folder says.

  Raises:
    errors.UserError: something does not fit; see `masks_lib.read_masks` too.
  """
  folder = storage.path(folder)
  if not folder.is_dir():
    raise errors.UserError(
      f'There is no folder {folder}; annotations are a folder with '
      f'{manifest.FILENAME} and masks/.'
    )
  schema = entries.read_schema(folder, schema)
  expected = (num_ws, latent_size)
  if (folder / manifest.FILENAME).exists():
    listed = manifest.read(folder)
    annotations = Annotations(
      masks=_read_masks(folder, listed.names, schema, size),
      **entries.read(folder, listed, schema, expected),
    )
  elif any(folder.glob('image_mask*.npy')):
    annotations = _load_release(folder, schema, size, expected)
  else:
    raise errors.UserError(
      f'{folder} has neither a {manifest.FILENAME} nor image_mask0.npy; '
      'launch.sample writes folders to paint.'
    )
  if missing := missing_classes(annotations):
    logging.warning(
      '%s: no pixel is annotated as %s; these will never be predicted.',
      folder,
      ', '.join(missing),
    )
  return annotations


def _read_masks(
  folder: pathlib.Path,
  names: Sequence[str],
  schema: schema_lib.Schema,
  size: tuple[int, int] | None,
) -> np.ndarray:
  """uint8 [n, height, width], after matching files and entries."""
  listed = folder / manifest.FILENAME
  paths: dict[str, pathlib.Path] = {}
  for path in sorted((folder / 'masks').glob('[!.]*')):
    if path.name in _OF_WINDOWS:
      continue
    if path.is_dir():
      raise errors.UserError(
        f'{path} is a folder; masks lie in {path.parent} itself, each by the '
        'name of its entry.'
      )
    if path.suffix.lower() not in masks_lib.ENDINGS:
      raise errors.UserError(
        f'{path} is neither .png nor .npy; save it as one, or take it away.'
      )
    if path.stem in paths:
      raise errors.UserError(
        f'{paths[path.stem]} and {path} are both masks of {path.stem!r}; '
        'take one away.'
      )
    paths[path.stem] = path
  for name in names:
    if name not in paths:
      raise errors.UserError(
        f'{listed} has the entry {name!r}, but there is no '
        f'{folder / "masks" / name}.png or .npy: paint it, or take it out.'
      )
  for name, path in paths.items():
    if name not in names:
      raise errors.UserError(
        f'Mask {path} has no entry in {listed}, so its image is unknown: add '
        'one, or take the mask away.'
      )
  painted = masks_lib.read_masks([paths[name] for name in names], schema, size)
  for name in names:
    image = folder / 'images' / f'{name}.png'
    if image.exists():
      shape = files.open_image(image, painted.shape[1:]).size[::-1]
      masks_lib.check_size(f'Mask {paths[name]}', painted.shape[1:], shape)
  return painted


def _load_release(
  folder: pathlib.Path,
  schema: schema_lib.Schema,
  size: tuple[int, int] | None,
  expected: tuple[int | None, int | None],
) -> Annotations:
  """Mask k belongs to row k of the latents; further rows are not used."""
  numbered = sorted(
    (int(match[1]), path)
    for path in folder.glob('image_mask*.npy')
    if (match := re.fullmatch(r'image_mask(\d+)', path.stem))
  )
  found = sorted(folder.glob('latent*.npy'))
  if len(found) != 1 or not numbered:
    raise errors.UserError(
      f'{folder} has {len(numbered)} image_mask{{k}}.npy and {len(found)} '
      'latent*.npy; expected masks and one file with their latents.'
    )
  latents, space = entries.read_latents(found[0], None, expected)
  last, path = numbered[-1]
  if last >= len(latents):
    raise errors.UserError(
      f'{path} would need row {last} of {found[0]}, which has {len(latents)} '
      "rows. If image_0 is the release's mean image, take its mask away and "
      'count the others from 0.'
    )
  return Annotations(
    masks=masks_lib.read_masks([path for _, path in numbered], schema, size),
    latents=latents[[k for k, _ in numbered]],
    space=space,
    noise_keys=None,
    names=tuple(path.stem for _, path in numbered),
    schema=schema,
    images=tuple(
      entries.existing(*(folder / f'image_{k}{ending}' for ending in _PICTURES))
      for k, _ in numbered
    ),
  )
