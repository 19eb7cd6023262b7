"""The manifest of an annotated folder: which image every mask belongs to."""

import dataclasses
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgan_jax import errors, storage

FILENAME = 'manifest.json'
FORMAT = 'dgan_jax annotations 1'
SPACES = ('z', 'w')
_NAME = re.compile(r'\w[\w.-]*')


@dataclasses.dataclass(frozen=True)
class Manifest:
  """What manifest.json says; for space and sampling see `entries.Entries`."""

  names: tuple[str, ...]  # of images and masks, without the ending
  # uint32 [n, 2] of the samples; None where latents.npy (row k is entry k)
  # says which image is which.
  keys: np.ndarray | None = None
  indices: tuple[int, ...] | None = None  # of the samples under the root key
  seed: int | None = None  # of the root key
  space: str = 'z'
  latent_size: int | None = None  # of the generator
  generator: str = ''  # its checksum, '' if unknown
  sampling: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def to_json(manifest: Manifest) -> dict[str, Any]:
  """The content of manifest.json."""
  entries: list[dict[str, Any]] = [{'name': name} for name in manifest.names]
  for place, entry in enumerate(entries):
    if manifest.keys is not None:
      entry['key'] = [int(half) for half in manifest.keys[place]]
    if manifest.indices is not None:
      entry['index'] = int(manifest.indices[place])
  return {
    'format': FORMAT,
    'entries': entries,
    'generator': manifest.generator,
    'sampling': {
      name: list(value) if isinstance(value, tuple) else value
      for name, value in manifest.sampling.items()
    },
    'seed': manifest.seed,
    'space': manifest.space,
    'latent_size': manifest.latent_size,
  }


def write(folder: storage.PathLike, manifest: Manifest) -> None:
  """Writes manifest.json into a folder that exists."""
  storage.write_json(storage.path(folder) / FILENAME, to_json(manifest))


def read(folder: storage.PathLike) -> Manifest:
  """Reads manifest.json.

  Raises:
    errors.UserError: it is missing, or a field is not what it should be.
  """
  path = storage.path(folder) / FILENAME
  value = storage.read_json(path)

  def field(name: str, kinds: type | tuple[type, ...], default: Any) -> Any:
    found = value.get(name, default)
    if found is not default and not isinstance(found, kinds):
      raise errors.UserError(f'{path} has the "{name}" {found!r:.60}.')
    return found

  if (kind := value.get('format')) != FORMAT:
    raise errors.UserError(
      f'{path} has the "format" {kind!r:.60}; expected {FORMAT!r}.'
    )
  space = field('space', str, 'z')
  if space not in SPACES:
    raise errors.UserError(f"{path} has the space {space!r}; it is 'z' or 'w'.")
  entries = field('entries', list, [])
  if not entries:
    raise errors.UserError(f'{path} has no list of "entries".')
  names = tuple(_name(path, entry, n) for n, entry in enumerate(entries))
  if twice := sorted({name for name in names if names.count(name) > 1}):
    raise errors.UserError(f'{path} has two entries named {twice[0]!r}.')
  keys = [_key(path, entry) for entry in entries if 'key' in entry]
  indices = tuple(entry['index'] for entry in entries if 'index' in entry)
  return Manifest(
    names=names,
    keys=np.array(keys, np.uint32) if len(keys) == len(names) else None,
    indices=indices if len(indices) == len(names) else None,
    seed=field('seed', int, None),
    space=space,
    latent_size=field('latent_size', int, None),
    generator=field('generator', str, ''),
    sampling={
      name: tuple(item) if isinstance(item, list) else item
      for name, item in field('sampling', dict, {}).items()
    },
  )


def _name(path: pathlib.Path, entry: Any, place: int) -> str:
  name = entry.get('name') if isinstance(entry, dict) else None
  if not isinstance(name, str) or not _NAME.fullmatch(name):
    raise errors.UserError(
      f'{path}: entry {place} has the "name" {name!r:.60}; expected the name '
      'of its mask without the ending, such as "007".'
    )
  return name


def _key(path: pathlib.Path, entry: Mapping[str, Any]) -> list[int]:
  key = entry['key']
  if not (
    isinstance(key, list)
    and len(key) == 2
    and all(type(half) is int and 0 <= half < 2**32 for half in key)
  ):
    raise errors.UserError(
      f'{path}: entry {entry["name"]!r} has the "key" {key!r:.60}; expected '
      'two whole numbers below 2^32.'
    )
  return key
