"""Our own checkpoints: arrays by Orbax, everything else in one small JSON.

A checkpoint is a folder with `checkpoint.json` (what it is, the shape and type
of every array, a digest of everything) and one folder of arrays. The JSON is
written last and names the folder that it belongs to, so a save that is killed
leaves either what was there before or nothing that loads. Nothing in it is
executed and no type is looked up by name.
"""

import dataclasses
import json
import math
import pathlib
import shutil
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, storage
from dgan_jax.checkpoints.formats import byte_stream, orbax_arrays, untrusted
from dgan_jax.checkpoints.origins import architecture_hints, state_dict
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import kinds

_FILE = 'checkpoint.json'
_FORMAT = 'dgan_jax checkpoint'
_VERSION = 1
# A save writes the one that the current JSON doesn't name.
_ARRAY_FOLDERS = ('arrays-0', 'arrays-1')


def save_generator(
  directory: storage.PathLike,
  generator: generators.Generator,
  dtype: str = 'float32',
) -> None:
  """Writes a generator; see `save_pytree`.

  Args:
    directory: made if it does not exist.
    generator: what is written.
    dtype: 'float16' for a folder half the size, that is read as
      `rounded(generator, dtype)`.
  """
  generator = rounded(generator, dtype)
  tree = {
    'params': generator.params,
    'w_avg': generator.w_avg,
    'noise': generator.noise,
  }
  save_pytree(
    directory,
    jax.tree.map(lambda x: np.asarray(x, dtype), tree),
    {
      'kind': 'generator',
      'architecture': generators.architecture_to_json(generator.architecture),
      'noise': generator.noise is not None,
      'dtype': dtype,
      'checksum': generators.checksum(generator),
    },
  )


def rounded(
  generator: generators.Generator, dtype: str
) -> generators.Generator:
  """The generator, float32, with the values that it has in another type."""
  return jax.tree.map(
    lambda x: jnp.asarray(np.asarray(x, dtype), jnp.float32), generator
  )


def load_generator(directory: storage.PathLike) -> generators.Generator:
  """Reads a generator, float32 however it is stored.

  Raises:
    errors.UserError: there is none, or it is damaged.
  """
  metadata = _metadata_of(directory, 'generator')
  file = storage.path(directory) / _FILE
  architecture = architecture_hints.from_json(
    metadata.get('architecture'), str(file)
  )
  noise, dtype = metadata.get('noise'), metadata.get('dtype', 'float32')
  if not isinstance(noise, bool) or dtype not in ('float32', 'float16'):
    raise errors.UserError(
      f'{file} has the type {untrusted.shown(dtype)} and noise '
      f'{untrusted.shown(noise)}; expected float32 or float16, true or false.'
    )
  like = jax.tree.map(
    lambda x: jax.ShapeDtypeStruct(x.shape, np.dtype(dtype)),
    generators.shapes(architecture, noise),
  )
  stored = _load(directory, like, untrusted.Budget())
  tree = jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), stored)
  return generators.Generator(architecture=architecture, **tree)


def save_interpreter(
  directory: storage.PathLike, interpreter: ensemble.Interpreter
) -> None:
  """Writes an interpreter; see `save_pytree`."""
  save_pytree(
    directory,
    interpreter.params,
    {
      'kind': 'interpreter',
      'spec': interpreter.spec.to_json(),
      'checksum': ensemble.checksum(interpreter),
    },
  )


def load_interpreter(directory: storage.PathLike) -> ensemble.Interpreter:
  """Reads an interpreter.

  Raises:
    errors.UserError: there is none, or it is damaged.
  """
  metadata = _metadata_of(directory, 'interpreter')
  with untrusted.refusing(storage.path(directory) / _FILE):
    fields = dict(metadata['spec'])
    task = kinds.from_json(fields.pop('task'))
    spec = untrusted.record(ensemble.InterpreterSpec, fields, task=task)
  stored = _load(directory, _interpreter_shapes(spec), untrusted.Budget())
  params = jax.tree.map(jnp.asarray, stored)
  return ensemble.Interpreter(spec=spec, params=params)


def save_pytree(
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
  current = _current_folder(directory)
  folder = next(name for name in _ARRAY_FOLDERS if name != current)
  shutil.rmtree(directory / folder, ignore_errors=True)  # of a killed save
  digests = orbax_arrays.write(directory / folder, leaves)
  storage.write_json(
    directory / _FILE,
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
  """What `save_pytree` was given beside the arrays.

  Raises:
    errors.UserError: there is no checkpoint of ours in the folder.
  """
  return _read_header(storage.path(directory)).metadata


def load_pytree(directory: storage.PathLike, like: Any = None) -> Any:
  """Reads what `save_pytree` wrote.

  Args:
    directory: of the checkpoint.
    like: a tree of arrays or `jax.ShapeDtypeStruct`s whose structure, shapes
      and types the checkpoint must have.

  Returns:
    numpy arrays, in the structure of `like`; without it, {'a.b.c': array}.

  Raises:
    errors.UserError: there is none, it is damaged, or it isn't like `like`.
  """
  expected = sum(
    math.prod(leaf.shape) * 4 for leaf in jax.tree.leaves(like or {})
  )
  return _load(directory, like, untrusted.Budget(expected))


def _load(
  directory: storage.PathLike, like: Any, budget: untrusted.Budget
) -> Any:
  """`load_pytree` within a budget."""
  directory = storage.path(directory)
  header = _read_header(directory)
  if like is not None:
    orbax_arrays.check_shapes(directory, header.shapes, _flat(like))
  leaves = orbax_arrays.read(
    directory / header.folder, header.shapes, header.digests, budget
  )
  if _digest(header.metadata, leaves) != header.sha256:
    raise errors.UserError(
      f'{directory} is damaged: its content is not what was saved.'
    )
  if like is None:
    return leaves
  return jax.tree.unflatten(
    jax.tree.structure(like), [leaves[key] for key in _flat(like)]
  )


@dataclasses.dataclass(frozen=True)
class _Header:
  """checkpoint.json: see `save_pytree`."""

  folder: str
  metadata: dict[str, Any]
  shapes: dict[str, jax.ShapeDtypeStruct]
  digests: dict[str, str]
  sha256: str


def _interpreter_shapes(spec: ensemble.InterpreterSpec) -> dict[str, Any]:
  """The shapes of an interpreter's parameters, stacked over the members."""
  sizes = (*spec.hidden, spec.num_outputs)
  return jax.tree.map(
    lambda one: jax.ShapeDtypeStruct((spec.members, *one.shape), one.dtype),
    state_dict.param_shapes(
      state_dict.member_entries(spec.num_features, sizes)
    ),
  )


def _metadata_of(directory: storage.PathLike, kind: str) -> dict[str, Any]:
  metadata = load_metadata(directory)
  if metadata.get('kind') != kind:
    raise errors.UserError(
      f'{directory} holds a checkpoint of kind '
      f'{untrusted.shown(metadata.get("kind"))!r}; expected {kind!r}.'
    )
  return metadata


def _read_header(directory: pathlib.Path) -> _Header:
  path = directory / _FILE
  if not path.is_file():
    raise errors.UserError(
      f'{directory} holds no checkpoint (no {_FILE}); expected a folder '
      'written by launch.convert or by training.'
    )
  with untrusted.refusing(path):
    byte_stream.refuse_links(directory, path)
    if path.stat().st_size > untrusted.MAX_HEADER_BYTES:
      raise untrusted.FormatError(
        f'has over {untrusted.MAX_HEADER_BYTES:,} bytes.'
      )
    content = storage.read_json(path)
    found = content.get('format'), content.get('version')
    if found != (_FORMAT, _VERSION):
      raise untrusted.FormatError(
        f'is of format {untrusted.shown(found[0])!r}, version '
        f'{untrusted.shown(found[1])}; expected {_FORMAT!r}, version '
        f'{_VERSION}.'
      )
    fields = ('folder', 'metadata', 'arrays', 'files', 'sha256')
    parts: list[Any] = [content.get(name) for name in fields]
    folder, metadata, arrays, digests, sha256 = parts
    if folder not in _ARRAY_FOLDERS or not all(
      isinstance(part, dict) for part in parts[1:4]
    ):
      raise untrusted.FormatError('does not describe a checkpoint.')
    return _Header(
      folder=folder,
      metadata=metadata,
      shapes={key: orbax_arrays.parse(text) for key, text in arrays.items()},
      digests=digests,
      sha256=sha256,
    )


def _current_folder(directory: pathlib.Path) -> str | None:
  """The folder of the checkpoint that is there, if any."""
  try:
    return _read_header(directory).folder
  except errors.UserError:
    return None


def _flat(tree: Any) -> dict[str, Any]:
  """Leaves under dotted paths, in the order of the tree."""
  leaves = jax.tree_util.tree_leaves_with_path(tree)
  flat = {
    jax.tree_util.keystr(path, simple=True, separator='.'): leaf
    for path, leaf in leaves
  }
  assert len(flat) == len(leaves), 'Two leaves have the same dotted path.'
  return flat


def _digest(
  metadata: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> str:
  parts: list[str | np.ndarray] = [json.dumps(metadata, sort_keys=True)]
  for key in sorted(arrays):
    parts += [key, arrays[key]]
  return storage.sha256(*parts)
