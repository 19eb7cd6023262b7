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
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from absl import logging
from PIL import Image

from dgan_jax import errors, rng, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import manifest
from dgan_jax.annotations import masks as masks_lib

SCHEMA = 'schema.json'
_PICTURES = ('.png', '.jpg', '.jpeg')
_OF_WINDOWS = ('desktop.ini', 'Thumbs.db')  # hidden there, though by no dot


@dataclasses.dataclass(frozen=True)
class Annotations:
  """Masks, and where their images come from.

  Attributes:
    masks: uint8 [n, height, width].
    latents: float32 [n, latent_size], or [n, rows, latent_size] in space 'w'.
    space: 'z', or 'w' for latents that go past mapping and truncation.
    noise_keys: uint32 [n, 2], the keys of the samples, or None if unknown.
    names: of the entries.
    schema: what the labels mean.
    images: paths of the pictures that were painted on, None where there are
      none.
    generator_checksum: of the generator that made the images, '' if unknown.
    sampling: the fields of `generators.generator.Sampling` that the images
      were made with, {} if unknown.
  """

  masks: np.ndarray
  latents: np.ndarray
  space: str
  noise_keys: np.ndarray | None
  names: tuple[str, ...]
  schema: schema_lib.Schema
  images: tuple[pathlib.Path | None, ...] = ()
  generator_checksum: str = ''
  sampling: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  task: ClassVar[str] = 'part_segmentation'

  def __len__(self) -> int:
    return len(self.names)

  @property
  def size(self) -> tuple[int, int]:
    """(height, width) of the masks."""
    return self.masks.shape[1], self.masks.shape[2]

  def subset(self, indices: Sequence[int]) -> 'Annotations':
    """Some of the entries, in the order given."""
    rows = np.asarray(indices, int)
    keys = self.noise_keys
    return dataclasses.replace(
      self,
      masks=self.masks[rows],
      latents=self.latents[rows],
      noise_keys=None if keys is None else keys[rows],
      names=tuple(self.names[row] for row in rows),
      images=tuple(self.images[row] for row in rows) if self.images else (),
    )


def missing_classes(annotations: Annotations) -> tuple[str, ...]:
  """Names of the classes that no mask has a pixel of."""
  present = set(np.unique(annotations.masks))
  return tuple(
    name
    for label, name in enumerate(annotations.schema.classes)
    if label not in present
  )


def resolve_latents(keys: np.ndarray, latent_size: int) -> np.ndarray:
  """z float32 [n, latent_size] of samples by their keys, uint32 [n, 2]."""
  return np.asarray(rng.latents(rng.key_from_data(keys), latent_size))


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
  schema = read_schema(folder, schema)
  expected = (num_ws, latent_size)
  if (folder / manifest.FILENAME).exists():
    annotations = _load_own(folder, schema, size, expected)
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


def read_schema(
  folder: storage.PathLike,
  given: schema_lib.Schema | None = None,
  noun: str = 'classes',
) -> schema_lib.Schema:
  """What the labels of a folder mean: as its schema.json says, else `given`.

  Raises:
    errors.UserError: there is neither, or the two have other classes (or
      'keypoints', as `noun` says).
  """
  path = storage.path(folder) / SCHEMA
  if not path.exists():
    if given is None:
      raise errors.UserError(
        f'{folder} has no {SCHEMA}; name a schema with --config.schema or put '
        'one there ("name" and "classes" are enough).'
      )
    return given
  own = schema_lib.get_schema(str(path))
  if given is not None:
    names, others = getattr(own, noun), getattr(given, noun)
    schema_lib.check_same_classes(
      str(path), names, f'the schema {given.name!r}', others, noun
    )
  return own


def _load_own(
  folder: pathlib.Path,
  schema: schema_lib.Schema,
  size: tuple[int, int] | None,
  expected: tuple[int | None, int | None],
) -> Annotations:
  listed = manifest.read(folder)
  return Annotations(
    masks=_read_masks(folder, listed.names, schema, size),
    latents=latents_of(folder, listed, expected),
    space=listed.space,
    noise_keys=listed.keys,
    names=listed.names,
    schema=schema,
    images=images_of(folder, listed),
    generator_checksum=listed.generator,
    sampling=listed.sampling,
  )


def images_of(
  folder: pathlib.Path, listed: manifest.Manifest
) -> tuple[pathlib.Path | None, ...]:
  """The pictures of a manifest's entries, None where there are none."""
  return tuple(
    _existing(folder / 'images' / f'{name}.png') for name in listed.names
  )


def latents_of(
  folder: pathlib.Path,
  listed: manifest.Manifest,
  expected: tuple[int | None, int | None],
) -> np.ndarray:
  """The latents of a manifest's entries: latents.npy, or what the keys say.

  Args:
    folder: of the manifest.
    listed: its entries.
    expected: rows of w and latent size of the generator, as far as known.

  Raises:
    errors.UserError: there are none, or they don't fit.
  """
  path = folder / 'latents.npy'
  if path.exists():
    latents, _ = _read_latents(path, listed.space, expected)
    if len(latents) != len(listed.names):
      raise errors.UserError(
        f'{path} has {len(latents)} rows; {folder / manifest.FILENAME} has '
        f'{len(listed.names)} entries: row k belongs to entry k.'
      )
    return latents
  if listed.keys is not None and listed.space == 'z':
    return resolve_latents(
      listed.keys, _latent_size(folder, listed, expected[1])
    )
  raise errors.UserError(
    f'{folder / manifest.FILENAME} has entries without a "key" and there is '
    f'no {path}; one of them has to say which image is which.'
  )


def _latent_size(
  folder: pathlib.Path, listed: manifest.Manifest, expected: int | None
) -> int:
  found = expected if listed.latent_size is None else listed.latent_size
  if found is None or found < 1 or expected not in (None, found):
    wanted = "the generator's" if expected is None else expected
    raise errors.UserError(
      f'{folder / manifest.FILENAME} has the "latent_size" {found}; expected '
      f'{wanted}: use the generator that the images were made with.'
    )
  return found


def _read_masks(
  folder: pathlib.Path,
  names: Sequence[str],
  schema: schema_lib.Schema,
  size: tuple[int, int] | None,
) -> np.ndarray:
  """uint8 [n, height, width], after matching files and entries."""
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
        f'{folder / manifest.FILENAME} has the entry {name!r}, but there is no '
        f'{folder / "masks" / name}.png or .npy: paint it, or take the entry '
        'out.'
      )
  for name, path in paths.items():
    if name not in names:
      raise errors.UserError(
        f'Mask {path} has no entry in {folder / manifest.FILENAME}; '
        'without one its image is unknown: add the entry, or take the mask '
        'away.'
      )
  painted = masks_lib.read_masks([paths[name] for name in names], schema, size)
  for name in names:
    image = folder / 'images' / f'{name}.png'
    _check_image(image, paths[name], painted.shape[1:])
  return painted


def _check_image(
  path: pathlib.Path, mask_path: pathlib.Path, size: tuple[int, ...]
) -> None:
  """The image that was painted on, if it is there, has the mask's size."""
  if not path.exists():
    return
  try:
    with Image.open(path) as image:
      width, height = image.size
  except (OSError, SyntaxError, ValueError):
    raise errors.UserError(f'{path} cannot be read as an image.') from None
  masks_lib.check_size(f'Mask {mask_path}', size, (height, width))


def _read_latents(
  path: pathlib.Path,
  space: str | None,
  expected: tuple[int | None, int | None],
) -> tuple[np.ndarray, str]:
  """Latents as the generator takes them, and their space.

  Args:
    path: of the file.
    space: 'z' or 'w'; None: what the shape says.
    expected: rows of w and latent size of the generator, as far as known.

  Returns:
    float32 [n, latent_size], or of w [n, num_ws, latent_size].
  """
  latents = masks_lib.read_npy(path)
  if latents.dtype.kind != 'f':
    raise errors.UserError(
      f'{path} holds {latents.dtype} values; expected float32.'
    )
  num_ws, latent_size = expected
  found = latents.shape
  if latents.ndim == 3 and found[1] == 1 and space is not None:
    latents = latents[:, 0]  # One row, of z or for all rows of w.
  space = space or ('z' if latents.ndim == 2 else 'w')
  rows = latents.shape[1] if latents.ndim == 3 else None
  if latents.ndim not in (2, 3) or (
    rows and (space == 'z' or num_ws not in (None, rows) or rows == 1)
  ):
    raise errors.UserError(
      f'{path} has the shape {found}; expected [n, {latent_size or "L"}] of z, '
      f"or [n, {num_ws or 'rows'}, {latent_size or 'L'}] in space 'w', for "
      'this generator.'
    )
  if latent_size is not None and latents.shape[-1] != latent_size:
    raise errors.UserError(
      f'{path} has latents of {latents.shape[-1]}; the generator has '
      f'{latent_size}: use the generator that the images were made with.'
    )
  with np.errstate(over='ignore'):  # what float32 cannot hold becomes inf
    latents = latents.astype(np.float32)
  finite = np.isfinite(latents).reshape(len(latents), -1).all(1)
  if not finite.all():
    raise errors.UserError(
      f'{path} has values that are not finite numbers in row '
      f'{int(finite.argmin())}.'
    )
  return latents, space


def _existing(*paths: pathlib.Path) -> pathlib.Path | None:
  """The first of them that is there."""
  return next((path for path in paths if path.exists()), None)


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
  latents, space = _read_latents(found[0], None, expected)
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
      _existing(*(folder / f'image_{k}{ending}' for ending in _PICTURES))
      for k, _ in numbered
    ),
  )
