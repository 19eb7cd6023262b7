"""The labelled handful: painted masks and the latents of their images.

A folder holds

  manifest.json   a name per entry, its key, and what the images were made
                  with; see `manifest.py`
  masks/NAME.png  8-bit labels, grey or indexed; or masks/NAME.npy
  images/NAME.png what was painted on (optional, only its size is checked)
  latents.npy     [entries, latent_size], if entries have no key
  schema.json     what the labels mean

or, in the layout of DatasetGAN's release, image_mask{k}.npy with one
latent*.npy [>= masks, latent_size].
"""

import dataclasses
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging
from PIL import Image

from dgan_jax import errors, rng, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import manifest
from dgan_jax.annotations import masks as masks_lib


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
  generator_checksum: str = ''
  sampling: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __len__(self) -> int:
    return len(self.names)

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
) -> Annotations:
  """Reads a folder of annotations and checks all of it.

  A class that is never annotated is logged as a warning.

  Args:
    folder: of this module's layout, or of the release's.
    schema: what the labels mean; None: the folder's schema.json.
    size: (height, width) of the masks; None: those of the first.
    latent_size: of the generator; None: what the folder says.

  Raises:
    errors.UserError: something does not fit; see `masks_lib.read_mask` too.
  """
  folder = pathlib.Path(folder)
  if not folder.is_dir():
    raise errors.UserError(
      f'There is no folder {folder}; annotations are a folder with '
      f'{manifest.FILENAME} and masks/.'
    )
  if schema is None:
    schema = _read_schema(folder)
  if (folder / manifest.FILENAME).exists():
    annotations = _load_own(folder, schema, size, latent_size)
  elif any(folder.glob('image_mask*.npy')):
    annotations = _load_release(folder, schema, size, latent_size)
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


def _read_schema(folder: pathlib.Path) -> schema_lib.Schema:
  path = folder / 'schema.json'
  if not path.exists():
    raise errors.UserError(
      f'{folder} has no schema.json; name a schema or put one there '
      '("name" and "classes" are enough).'
    )
  return schema_lib.get_schema(str(path))


def _load_own(
  folder: pathlib.Path,
  schema: schema_lib.Schema,
  size: tuple[int, int] | None,
  latent_size: int | None,
) -> Annotations:
  listed = manifest.read(folder)
  painted = _read_masks(folder, listed.names, schema, size)
  path = folder / 'latents.npy'
  if path.exists():
    latents = _read_latents(path, listed.space, latent_size)
    if len(latents) != len(listed.names):
      raise errors.UserError(
        f'{path} has {len(latents)} rows; {folder / manifest.FILENAME} has '
        f'{len(listed.names)} entries: row k belongs to entry k.'
      )
  elif listed.keys is not None and listed.space == 'z':
    latents = resolve_latents(
      listed.keys, _latent_size(folder, listed, latent_size)
    )
  else:
    raise errors.UserError(
      f'{folder / manifest.FILENAME} has entries without a "key" and there is '
      f'no {path}; one of them has to say which image is which.'
    )
  return Annotations(
    masks=painted,
    latents=latents,
    space=listed.space,
    noise_keys=listed.keys,
    names=listed.names,
    schema=schema,
    generator_checksum=listed.generator,
    sampling=listed.sampling,
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
    if path.suffix not in ('.png', '.npy'):
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
  painted = []
  for name in names:
    mask = masks_lib.read_mask(paths[name], schema, size)
    _check_image(folder / 'images' / f'{name}.png', paths[name], mask.shape)
    size = mask.shape
    painted.append(mask)
  return np.stack(painted)


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
  path: pathlib.Path, space: str | None, latent_size: int | None
) -> np.ndarray:
  """float32 [n, latent_size], or [n, rows, latent_size] of w."""
  latents = masks_lib.read_npy(path)
  if latents.dtype.kind != 'f':
    raise errors.UserError(
      f'{path} holds {latents.dtype} values; expected float32.'
    )
  if latents.ndim != 2 and (latents.ndim != 3 or space == 'z'):
    raise errors.UserError(
      f'{path} has the shape {latents.shape}; expected [n, latent size], or '
      "[n, rows, latent size] in space 'w'."
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
  return latents


def _load_release(
  folder: pathlib.Path,
  schema: schema_lib.Schema,
  size: tuple[int, int] | None,
  latent_size: int | None,
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
  latents = _read_latents(found[0], None, latent_size)
  last, path = numbered[-1]
  if last >= len(latents):
    raise errors.UserError(
      f'{path} would need row {last} of {found[0]}, which has {len(latents)} '
      "rows. If image_0 is the release's mean image, take its mask away and "
      'count the others from 0.'
    )
  painted = []
  for _, path in numbered:
    painted.append(masks_lib.read_mask(path, schema, size))
    size = painted[-1].shape
  return Annotations(
    masks=np.stack(painted),
    latents=latents[[k for k, _ in numbered]],
    space='z' if latents.ndim == 2 else 'w',
    noise_keys=None,
    names=tuple(path.stem for _, path in numbered),
    schema=schema,
  )
