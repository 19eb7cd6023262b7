"""A generator as one .safetensors file.

Arrays have the dotted paths of our trees ('params.mapping.dense_0.kernel',
'w_avg', 'noise.0'); what they belong to is JSON in the file's metadata.
"""

import json
from collections.abc import Mapping

import safetensors.numpy

from dgan_jax import errors, storage
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.formats.untrusted import shown
from dgan_jax.checkpoints.origins import architecture_hints, state_dict
from dgan_jax.generators import generator as generators

_FORMAT = 'dgan_jax generator'
_VERSION = '1'


def write(path: storage.PathLike, generator: generators.Generator) -> None:
  """Writes a generator, whole or not at all.

  Raises:
    OSError: the folder cannot be written, or the disk is full.
  """
  has_noise = generator.noise is not None
  arrays = {
    'params': generator.params,
    'w_avg': generator.w_avg,
    'noise': {str(i): v for i, v in enumerate(generator.noise or ())},
  }
  architecture = generators.architecture_to_json(generator.architecture)
  data = safetensors.numpy.save(
    state_dict.from_params(arrays, _entries(generator.architecture, has_noise)),
    {
      'format': _FORMAT,
      'version': _VERSION,
      'architecture': json.dumps(architecture, sort_keys=True),
      'checksum': generators.checksum(generator),
    },
  )
  storage.write_bytes(path, data)


def is_ours(metadata: Mapping[str, str]) -> bool:
  """Whether `write` wrote this, in this version or another."""
  return metadata.get('format') == _FORMAT


def read(
  arrays: state_dict.StateDict, metadata: Mapping[str, str], source: str
) -> generators.Generator:
  """The generator that a file holds.

  Args:
    arrays: of the file (`safetensors_format.read`).
    metadata: of the file.
    source: what to call it in errors.

  Raises:
    errors.UserError: it is damaged, or something else.
  """
  found = metadata.get('format'), metadata.get('version')
  if found != (_FORMAT, _VERSION):
    raise errors.UserError(
      f'{source} is of format {shown(found[0])}, version '
      f'{shown(found[1])}; expected {_FORMAT}, version {_VERSION}.'
    )
  with untrusted.refusing(source):
    fields = json.loads(metadata.get('architecture', 'null'))
  architecture = architecture_hints.from_json(fields, source)
  has_noise = any(key.startswith('noise.') for key in arrays)
  entries = _entries(architecture, has_noise)
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
  shapes = generators.shapes(architecture, has_noise)
  return state_dict.entries_of(shapes, lambda path: ('.'.join(path), 'same'))
