"""Generators as one .safetensors file, ours and what others keep there.

Arrays have the dotted paths of our trees ('params.mapping.dense_0.kernel',
'w_avg', 'noise.0'); what they belong to is JSON in the file's metadata.
"""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy

from dgan_jax import errors, storage
from dgan_jax.checkpoints.formats import byte_stream, unpickle
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.generators import generator as generators

_FORMAT = 'dgan_jax generator'
_VERSION = '1'


def write_generator(
  path: storage.PathLike, generator: generators.Generator
) -> None:
  """Writes a generator, whole or not at all.

  Raises:
    OSError: the folder cannot be written, or the disk is full.
  """
  has_noise = generator.noise is not None
  arrays = {
    'params': generator.params,
    'w_avg': generator.w_avg,
    'noise': generator.noise,
  }
  architecture = generators.architecture_to_json(generator.architecture)
  data = safetensors.numpy.save(
    state_dict.from_params(
      _numbered(arrays), _entries(generator.architecture, has_noise)
    ),
    {
      'format': _FORMAT,
      'version': _VERSION,
      'architecture': json.dumps(architecture, sort_keys=True),
      'checksum': generators.checksum(generator),
    },
  )
  storage.write_bytes(path, data)


def read(
  path: storage.PathLike,
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
  """Reads any file of this format.

  Returns:
    {key: array} and the metadata.

  Raises:
    errors.UserError: no such file, one that is damaged or something else, or
      one with arrays of a type that numpy doesn't have.
  """
  path = storage.path(path)
  byte_stream.map_file(path)  # for what it raises
  arrays, key = {}, None
  try:
    with safetensors.safe_open(path, 'np') as file:
      metadata = file.metadata() or {}
      for key in file.keys():  # noqa: SIM118 (it is no mapping)
        arrays[key] = file.get_tensor(key)
  except Exception as error:  # of a library that doesn't say which it raises
    where = '' if key is None else f'{unpickle.shown(key)}: '
    raise errors.UserError(
      f'{path} is no .safetensors file, or a damaged one '
      f'({where}{unpickle.shown(error)}).'
    ) from None
  return arrays, metadata


def is_ours(metadata: Mapping[str, str]) -> bool:
  """Whether `write_generator` wrote this, in this version or another."""
  return metadata.get('format') == _FORMAT


def read_generator(path: storage.PathLike) -> generators.Generator:
  """Reads what `write_generator` wrote.

  Raises:
    errors.UserError: it is damaged, or something else.
  """
  arrays, metadata = read(path)
  return generator_of(arrays, metadata, str(path))


def generator_of(
  arrays: state_dict.StateDict, metadata: Mapping[str, str], source: str
) -> generators.Generator:
  """The generator that `read` returned the content of.

  Args:
    arrays: of the file.
    metadata: of the file.
    source: what to call it in errors.

  Raises:
    errors.UserError: it is damaged, or something else.
  """
  found = metadata.get('format'), metadata.get('version')
  if found != (_FORMAT, _VERSION):
    raise errors.UserError(
      f'{source} is of format {found[0]!r}, version {found[1]!r}; expected '
      f'{_FORMAT!r}, version {_VERSION!r}.'
    )
  try:
    architecture = generators.architecture_from_json(
      json.loads(metadata['architecture'])
    )
    if architecture.mapping_layers > len(arrays):
      raise ValueError(f'{architecture.mapping_layers} mapping layers')
    entries = _entries(
      architecture, any(k.startswith('noise.') for k in arrays)
    )
  except (
    ArithmeticError,
    AttributeError,
    KeyError,
    RecursionError,
    TypeError,
    ValueError,
  ) as error:
    raise errors.UserError(
      f'{source} does not describe a generator '
      f'({type(error).__name__}: {unpickle.shown(error)}).'
    ) from None
  tree = state_dict.to_params(arrays, entries, source)
  noise = tree.get('noise')
  generator = generators.Generator(
    architecture=architecture,
    params=tree['params'],
    w_avg=tree['w_avg'],
    noise=noise and tuple(noise[str(i)] for i in range(len(noise))),
  )
  if generators.checksum(generator) != metadata.get('checksum'):
    raise errors.UserError(
      f'{source} is damaged: its content is not what was saved.'
    )
  return generator


def _entries(
  architecture: generators.Architecture, has_noise: bool
) -> list[state_dict.Entry]:
  """An entry for every array of a generator."""
  shapes = _numbered(generators.shapes(architecture, has_noise))
  return state_dict.entries_of(shapes, lambda path: ('.'.join(path), 'same'))


def _numbered(arrays: Mapping[str, Any]) -> dict[str, Any]:
  """The tree with its tuple of noise maps as a dict."""
  maps = arrays['noise'] or ()
  noise = {str(i): value for i, value in enumerate(maps)}
  return {**arrays, 'noise': noise}
