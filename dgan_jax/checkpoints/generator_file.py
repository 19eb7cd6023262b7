"""A generator as one .safetensors file: arrays under the dotted paths of our
trees ('params.mapping.dense_0.kernel', 'w_avg', 'noise.0'), and JSON."""

import json
from collections.abc import Mapping
from typing import Any

import safetensors.numpy

from dgan_jax import errors, storage
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.formats.untrusted import FormatError, shown
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.generators import generator as generators

_FORMAT = 'dgan_jax generator'
_VERSION = '1'


def write(path: storage.PathLike, generator: generators.Generator) -> None:
  """Writes a generator, whole or not at all.

  Raises:
    OSError: the folder cannot be written, or the disk is full.
  """
  has_noise = generator.noise is not None
  maps = {str(i): v for i, v in enumerate(generator.noise or ())}
  arrays = {**generator.arrays(), 'noise': maps}
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
  """The generator in what `safetensors_format.read` read of a file.

  Raises:
    errors.UserError: it is damaged, or something else.
  """
  with untrusted.refusing(source):
    untrusted.check_format(metadata, _FORMAT, _VERSION)
    fields = json.loads(metadata.get('architecture', 'null'))
  architecture = architecture_from(fields, source)
  has_noise = any(key.startswith('noise.') for key in arrays)
  entries = _entries(architecture, has_noise)
  tree = state_dict.to_params(arrays, entries, source)
  maps = tree.get('noise')
  noise = maps and tuple(maps[str(i)] for i in range(len(maps)))
  params, w_avg = tree['params'], tree['w_avg']
  generator = generators.Generator(architecture, params, w_avg, noise)
  if generators.checksum(generator) != metadata.get('checksum'):
    raise errors.UserError(f'{source} is damaged: it is not what was saved.')
  return generator


def architecture_from(fields: Any, source: str) -> generators.Architecture:
  """The architecture that `generators.architecture_to_json` described, out of
  anything that a file has in that place.

  Raises:
    errors.UserError: it describes none, or one larger than any real one.
  """
  with untrusted.refusing(source, 'does not describe a generator: it '):
    kind = 'StyleGAN1'
    if isinstance(fields, dict):
      fields = dict(fields)
      kind = fields.pop('kind', kind)
    if not isinstance(kind, str) or kind not in generators.KINDS:
      expected = ' or '.join(generators.KINDS)
      raise FormatError(f'has the kind {shown(kind)}; expected {expected}.')
    return untrusted.record(generators.KINDS[kind], fields)


def _entries(
  architecture: generators.Architecture, has_noise: bool
) -> list[state_dict.Entry]:
  shapes = generators.shapes(architecture, has_noise)
  return state_dict.entries_of(shapes, lambda path: (path, 'same'))
