import json

import jax
import numpy as np
import pytest
import safetensors.numpy

from dgan_jax import errors
from dgan_jax.checkpoints import generator_file, opening
from dgan_jax.checkpoints.formats import safetensors_format
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from tests import small

_KINDS = [
  {'kind': stylegan1.StyleGAN1},
  {'kind': stylegan2.StyleGAN2, 'num_labels': 3, 'conv_clamp': 256.0},
  {'kind': stylegan2.StyleGAN2, 'block': 'resnet'},
]


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'generator.safetensors'


@pytest.mark.parametrize('options', _KINDS)
def test_a_generator_survives_the_way_there_and_back(path, options):
  made = small.generator(**options)
  generator_file.write(path, made)
  back = opening.load_generator(path)
  assert back.architecture == made.architecture
  assert generators.checksum(back) == generators.checksum(made)
  jax.tree.map(np.testing.assert_array_equal, back.params, made.params)
  assert list(path.parent.iterdir()) == [path]


def test_a_generator_without_noise_survives_too(path):
  made = small.generator().replace(noise=None)
  generator_file.write(path, made)
  back = opening.load_generator(path)
  assert back.noise is None
  assert generators.checksum(back) == generators.checksum(made)


def test_the_file_is_for_everybody(path):
  made = small.generator()
  generator_file.write(path, made)
  arrays = safetensors.numpy.load_file(path)
  np.testing.assert_array_equal(arrays['w_avg'], made.w_avg)
  np.testing.assert_array_equal(
    arrays['params.mapping.dense_0.kernel'],
    made.params['mapping']['dense_0']['kernel'],
  )


def _rewritten(path, arrays=None, metadata=None):
  """Writes a small generator, then again with these changes."""
  generator_file.write(path, small.generator())
  stored, header = safetensors_format.read(path)
  changed = {**stored, **(arrays or {})}
  safetensors.numpy.save_file(
    {k: v for k, v in changed.items() if v is not None},
    path,
    {k: v for k, v in {**header, **(metadata or {})}.items() if v is not None},
  )


def _architecture(**fields):
  made = generators.architecture_to_json(small.generator().architecture)
  return {'architecture': json.dumps({**made, **fields})}


_KEY = 'params.mapping.dense_0.bias'


@pytest.mark.parametrize(
  ('arrays', 'metadata', 'words'),
  [
    ({_KEY: None}, {}, [f'no key {_KEY}', '(8,)']),
    ({_KEY: np.zeros(9, np.float32)}, {}, [_KEY, '(9,)', '(8,)']),
    ({'more': np.zeros(2, np.float32)}, {}, ['more']),
    ({'noise.1': None}, {}, ['noise.1', '(1, 4, 4, 1)']),
    ({_KEY: np.zeros(8, np.float32)}, {}, ['is damaged']),
    ({_KEY: np.full(8, np.nan, np.float32)}, {}, [_KEY, 'not finite']),
    ({}, {'version': '2'}, ['version 2', 'version 1']),
    ({}, {'format': None}, ['holds 43 arrays']),
    ({}, {'architecture': None}, ['does not describe']),
    ({}, {'architecture': '[' * 100_000}, ['RecursionError']),
    ({}, {'architecture': '[]'}, ['does not describe']),
    ({}, _architecture(kind='StyleGAN3'), ['StyleGAN3']),
    ({}, _architecture(resolution=12), ['resolution is 12']),
    ({}, _architecture(resolution='16'), ['does not describe']),
    ({}, _architecture(channels=[6, 5, 0]), ['does not describe']),
    ({}, _architecture(more=1), ['more']),
    ({}, _architecture(mapping_layers=10**9), ['mapping_layers is 1000000000']),
    ({}, {'checksum': None}, ['is damaged']),
  ],
)
def test_what_is_not_as_saved_is_refused(path, arrays, metadata, words):
  _rewritten(path, arrays, metadata)
  with pytest.raises(errors.UserError) as error:
    opening.load_generator(path)
  message = str(error.value)
  assert message.startswith(str(path))
  assert '\n' not in message
  assert len(message) < 1000
  for word in words:
    assert word in message
