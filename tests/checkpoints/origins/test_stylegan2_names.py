import pathlib

import numpy as np
import pytest

from benchmarks import checkpoints
from dgan_jax import errors
from dgan_jax.checkpoints.origins import arrays_to_generator, stylegan2_names
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan2
from tests import small

_GOLDENS = pathlib.Path(__file__).parents[2] / 'goldens'
_TWO = stylegan2.StyleGAN2


def _golden(name):
  with np.load(_GOLDENS / f'{name}.npz') as archive:
    golden = {key: archive[key] for key in archive if key != 'meta'}
  weights = {
    key.removeprefix('sd/'): value
    for key, value in golden.items()
    if key.startswith('sd/')
  }
  return golden, weights


def _rgb(stored, z):
  """Images [batch, 3, height, width] at psi 0.7 in every row."""
  architecture = stored.architecture
  w = architecture.map(stored.params, z)
  ws = generators.truncate(w, stored.w_avg, 0.7, architecture.num_ws)
  rgb, _ = architecture.synthesize(stored.params, ws, stored.noise)
  return rgb.transpose(0, 3, 1, 2)


def test_ada_arrays_give_the_images_of_their_reference():
  golden, weights = _golden('stylegan2_ada_r64')
  stored = arrays_to_generator.read(stylegan2_names.ADA, weights)
  assert stored.architecture == _TWO(
    64, (32, 32, 32, 16, 8), latent_size=64, conv_clamp=256.0
  )
  np.testing.assert_allclose(
    _rgb(stored, golden['in/z']), golden['out/img_psi0.7'], atol=1e-5
  )


def test_editgan_arrays_give_the_images_of_their_reference():
  golden, weights = _golden('stylegan2_editgan_r64')
  weights['latent_avg'] = golden['in/mean_latent']
  stored = arrays_to_generator.read(stylegan2_names.EDITGAN, weights)
  assert stored.architecture == _TWO(64, (32, 32, 32, 16, 8), latent_size=64)
  np.testing.assert_allclose(
    _rgb(stored, golden['in/z']), golden['out/rgb'], atol=1e-5
  )


@pytest.fixture(scope='module')
def ada():
  return checkpoints.state_dict(stylegan2_names.ADA, small.generator(kind=_TWO))


def _settings(**others):
  """As a file of a 16 px network states them."""
  blocks = {
    f'synthesis.b{r}.{key}': value
    for r in (4, 8, 16)
    for key, value in {
      'architecture': 'skip',
      'conv1.conv_clamp': None,
      'conv1.activation': 'lrelu',
      'conv1.act_gain': 2**0.5,
      'torgb.conv_clamp': None,
    }.items()
  }
  return {**blocks, 'mapping.fc0.bias_gain': 0.01, 'c_dim': 0, **others}


def test_settings_decide_what_arrays_leave_open(ada):
  stored = arrays_to_generator.read(stylegan2_names.ADA, ada, _settings())
  assert stored.architecture.conv_clamp is None
  clamped = {
    key: 128 if key.endswith('conv_clamp') else value
    for key, value in _settings().items()
  }
  stored = arrays_to_generator.read(stylegan2_names.ADA, ada, clamped)
  assert stored.architecture.conv_clamp == 128.0


def test_arguments_of_the_network_are_settings_too(ada):
  arguments = {
    '_init_kwargs.synthesis_kwargs.conv_clamp': 64,
    '_init_kwargs.synthesis_kwargs.architecture': 'skip',
  }
  stored = arrays_to_generator.read(stylegan2_names.ADA, ada, arguments)
  assert stored.architecture.conv_clamp == 64.0


@pytest.mark.parametrize(
  ('settings', 'words'),
  [
    ({'mapping.fc0.activation': 'relu'}, ['mapping.fc0.activation', 'lrelu']),
    ({'mapping.fc1.bias_gain': 1}, ['mapping.fc1.bias_gain', '0.01']),
    ({'synthesis.b8.conv0.activation': 'swish'}, ['swish', "'lrelu'"]),
    ({'synthesis.b8.conv1.use_noise': False}, ['use_noise', 'True']),
    ({'synthesis.b8.architecture': 'orig'}, ['architecture', 'orig', 'skip']),
    ({'synthesis.b8.conv1.conv_clamp': 1}, ['conv_clamp', '1', 'None']),
    ({'synthesis.b8.conv1.conv_clamp': 'x'}, ['conv_clamp']),
  ],
)
def test_settings_of_another_network_are_refused_by_name(ada, settings, words):
  with pytest.raises(errors.UserError) as error:
    arrays_to_generator.read(
      stylegan2_names.ADA, ada, _settings(**settings), source='car.pkl'
    )
  assert str(error.value).startswith('car.pkl')
  for word in words:
    assert word in str(error.value)


@pytest.mark.parametrize('clamp', ['x', -1, float('nan'), float('inf')])
def test_a_clamp_that_is_no_bound_is_refused(ada, clamp):
  argument = {'_init_kwargs.synthesis_kwargs.conv_clamp': clamp}
  with pytest.raises(errors.UserError, match='conv_clamp'):
    arrays_to_generator.read(stylegan2_names.ADA, ada, argument)


def test_an_unknown_block_is_refused(ada):
  argument = {'_init_kwargs.synthesis_kwargs.architecture': 'dense'}
  with pytest.raises(errors.UserError, match=r"'dense'.*'skip'"):
    arrays_to_generator.read(stylegan2_names.ADA, ada, argument)


def test_latents_of_two_sizes_are_refused(ada):
  changed = {**ada, 'mapping.fc0.weight': np.zeros((8, 12), np.float32)}
  with pytest.raises(errors.UserError, match='z of 12 numbers and w of 8'):
    arrays_to_generator.read(stylegan2_names.ADA, changed)


def test_convolutions_with_a_gap_are_refused():
  arrays = checkpoints.state_dict(
    stylegan2_names.EDITGAN, small.generator(kind=_TWO)
  )
  less = {k: v for k, v in arrays.items() if not k.startswith('convs.2.')}
  with pytest.raises(errors.UserError, match='convolutions 0, 1, 3'):
    arrays_to_generator.read(stylegan2_names.EDITGAN, less)
