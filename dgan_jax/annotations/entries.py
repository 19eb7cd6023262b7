"""What every annotated folder has: entries, their images, what labels mean."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgan_jax import errors, rng, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import manifest
from dgan_jax.checkpoints.formats import npy

SCHEMA = 'schema.json'


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entries:
  """Where annotated images come from."""

  # Float32 [n, latent_size], or [n, rows, latent_size] in space 'w'.
  latents: np.ndarray
  space: str  # 'z', or 'w' for latents that go past mapping and truncation
  noise_keys: np.ndarray | None  # uint32 [n, 2] of the samples, if known
  names: tuple[str, ...]  # of the entries
  schema: schema_lib.Schema  # what the labels mean
  # Paths of the pictures that were painted on, None where there are none.
  images: tuple[pathlib.Path | None, ...] = ()
  generator_checksum: str = ''  # of who made the images, '' if unknown
  # The fields of `generators.generator.Sampling` that the images were made
  # with, {} if unknown.
  sampling: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __len__(self) -> int:
    return len(self.names)


def read(
  folder: pathlib.Path,
  listed: manifest.Manifest,
  schema: schema_lib.Schema,
  expected: tuple[int | None, int | None],
) -> dict[str, Any]:
  """The fields of `Entries`.

  Args:
    folder: of the manifest.
    listed: what that says.
    schema: what the labels mean.
    expected: rows of w and latent size of the generator, as far as known.

  Raises:
    errors.UserError: there are no latents, or they don't fit.
  """
  return {
    'latents': _latents_of(folder, listed, expected),
    'space': listed.space,
    'noise_keys': listed.keys,
    'names': listed.names,
    'schema': schema,
    'images': tuple(
      existing(folder / 'images' / f'{name}.png') for name in listed.names
    ),
    'generator_checksum': listed.generator,
    'sampling': listed.sampling,
  }


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
    theirs = f'the schema {given.name!r}', getattr(given, noun)
    schema_lib.check_same_classes(str(path), getattr(own, noun), *theirs, noun)
  return own


def resolve_latents(keys: np.ndarray, latent_size: int) -> np.ndarray:
  """z float32 [n, latent_size] of samples by their keys, uint32 [n, 2]."""
  return np.asarray(rng.latents(rng.key_from_data(keys), latent_size))


def _latents_of(
  folder: pathlib.Path,
  listed: manifest.Manifest,
  expected: tuple[int | None, int | None],
) -> np.ndarray:
  """latents.npy, or what the keys say."""
  path, file = folder / 'latents.npy', folder / manifest.FILENAME
  if path.exists():
    latents, _ = read_latents(path, listed.space, expected)
    if len(latents) != len(listed.names):
      raise errors.UserError(
        f'{path} has {len(latents)} rows; {file} has {len(listed.names)} '
        'entries: row k belongs to entry k.'
      )
    return latents
  if listed.keys is not None and listed.space == 'z':
    usual = expected[1]
    size = usual if listed.latent_size is None else listed.latent_size
    if size is None or size < 1 or usual not in (None, size):
      wanted = usual or "the generator's"
      raise errors.UserError(
        f'{file} has the "latent_size" {size}; expected {wanted}: use the '
        'generator that the images were made with.'
      )
    return resolve_latents(listed.keys, size)
  raise errors.UserError(
    f'{file} has entries without a "key" and there is no {path}; one of them '
    'has to say which image is which.'
  )


def read_latents(
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

  Raises:
    errors.UserError: they are no such array.
  """
  latents = npy.read_npy(path)
  if latents.dtype.kind != 'f':
    raise errors.UserError(f'{path} holds {latents.dtype} values, not floats.')
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


def existing(*paths: pathlib.Path) -> pathlib.Path | None:
  """The first of them that is there."""
  return next((path for path in paths if path.exists()), None)
