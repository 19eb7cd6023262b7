"""Trees of arrays in folders: arrays by Orbax, all else in one small JSON.

`checkpoint.json` has the shape and type of every array and a digest of
everything. It is written last and names the folder of arrays that it belongs
to, so a save that is killed leaves either what was there before or nothing
that loads. Nothing in it is executed and no type is looked up by name.
"""

import contextlib
import dataclasses
import functools
import json
import math
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from dgan_jax import errors, storage
from dgan_jax.checkpoints.formats import byte_stream, orbax_arrays, untrusted

FILE = 'checkpoint.json'
_FORMAT = 'dgan_jax checkpoint'
_VERSION = 1
# A save writes the one that the current JSON doesn't name.
_ARRAY_FOLDERS = ('arrays-0', 'arrays-1')


def save(
  directory: storage.PathLike,
  tree: Any,
  metadata: Mapping[str, Any] | None = None,
) -> None:
  """Writes a tree of arrays, in place of the one the folder may hold.

  Killed at any moment, the folder still holds what it held before. To be
  called by one process; the others need not take part.

  Args:
    directory: made if it does not exist.
    tree: any pytree of arrays that numpy can hold (random keys as their
      `jax.random.key_data`).
    metadata: what JSON can hold, returned by `load_metadata`.

  Raises:
    OSError: the folder cannot be made, or the disk is full.
    errors.UserError: Orbax cannot write for another reason.
  """
  directory = storage.path(directory)
  directory.mkdir(parents=True, exist_ok=True)
  leaves = {key: np.asarray(leaf) for key, leaf in _flat(tree).items()}
  metadata = json.loads(json.dumps(metadata or {}))  # as it will be read
  current = None
  with contextlib.suppress(errors.UserError):
    current = _read_header(directory).folder
  folder = next(name for name in _ARRAY_FOLDERS if name != current)
  shutil.rmtree(directory / folder, ignore_errors=True)  # of a killed save
  digests = orbax_arrays.write(directory / folder, leaves)
  storage.write_json(
    directory / FILE,
    {
      'format': _FORMAT,
      'version': _VERSION,
      'folder': folder,
      'files': digests,
      'metadata': metadata,
      'arrays': {k: orbax_arrays.describe(v) for k, v in leaves.items()},
      'sha256': _digest(metadata, leaves),
    },
  )
  if current is not None:
    shutil.rmtree(directory / current, ignore_errors=True)


def load_metadata(directory: storage.PathLike) -> dict[str, Any]:
  """What `save` was given beside the arrays.

  Raises:
    errors.UserError: there is no checkpoint of ours in the folder.
  """
  return _read_header(storage.path(directory)).metadata


def is_saved(directory: pathlib.Path) -> bool:
  """Whether a save into the folder was ever finished."""
  return (directory / FILE).is_file()


def load(
  directory: storage.PathLike,
  like: Any = None,
  budget: untrusted.Budget | None = None,
) -> Any:
  """Reads what `save` wrote: numpy arrays under dotted paths, or as `like`.

  Args:
    directory: of the checkpoint.
    like: a tree of arrays or `jax.ShapeDtypeStruct`s whose structure, shapes
      and types the checkpoint must have.
    budget: what it may cost; default what `like` does.

  Raises:
    errors.UserError: there is none, it is damaged, or it isn't like `like`.
  """
  directory = storage.path(directory)
  header = _read_header(directory)
  if like is not None:
    orbax_arrays.check_shapes(directory, header.shapes, _flat(like))
  if budget is None:
    sizes = (math.prod(leaf.shape) * 4 for leaf in jax.tree.leaves(like or {}))
    budget = untrusted.Budget(sum(sizes))
  folder = directory / header.folder
  leaves = orbax_arrays.read(folder, header.shapes, header.digests, budget)
  if _digest(header.metadata, leaves) != header.sha256:
    raise errors.UserError(f'{directory} is damaged: it is not what was saved.')
  if like is None:
    return leaves
  ordered = [leaves[key] for key in _flat(like)]
  return jax.tree.unflatten(jax.tree.structure(like), ordered)


@dataclasses.dataclass(frozen=True)
class _Header:
  """checkpoint.json: see `save`."""

  folder: str
  metadata: dict[str, Any]
  shapes: dict[str, jax.ShapeDtypeStruct]
  digests: dict[str, str]
  sha256: str


def _read_header(directory: pathlib.Path) -> _Header:
  path = directory / FILE
  if not path.is_file():
    raise errors.UserError(
      f'{directory} holds no checkpoint (no {FILE}); expected a folder '
      'written by launch.convert or by training.'
    )
  with untrusted.refusing(path):
    byte_stream.refuse_links(directory, path)
    if path.stat().st_size > (most := untrusted.MAX_HEADER_BYTES):
      raise untrusted.FormatError(f'has over {most:,} bytes.')
    content = storage.read_json(path)
    untrusted.check_format(content, _FORMAT, _VERSION)
    fields = ('folder', 'metadata', 'arrays', 'files', 'sha256')
    parts: list[Any] = [content.get(name) for name in fields]
    if parts[0] not in _ARRAY_FOLDERS or not all(
      isinstance(part, dict) for part in parts[1:4]
    ):
      raise untrusted.FormatError('does not describe a checkpoint.')
    parts[2] = {k: orbax_arrays.parse(text) for k, text in parts[2].items()}
    return _Header(*parts)


def _flat(tree: Any) -> dict[str, Any]:
  """Leaves under dotted paths, in the order of the tree."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  name = functools.partial(jax.tree_util.keystr, simple=True, separator='.')
  flat = {name(path): leaf for path, leaf in leaves}
  assert len(flat) == len(leaves), 'Two leaves have the same dotted path.'
  return flat


def _digest(
  metadata: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> str:
  parts: list[str | np.ndarray] = [json.dumps(metadata, sort_keys=True)]
  for key in sorted(arrays):
    parts += [key, arrays[key]]
  return storage.sha256(*parts)
