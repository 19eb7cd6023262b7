import pathlib

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.origins import arrays_to_generator, known_origins
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from tests import small
from tests.checkpoints import ada_pickle as checkpoints

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
  stored = arrays_to_generator.read(known_origins.ADA, weights)
  assert stored.architecture == _TWO(
    64, (32, 32, 32, 16, 8), latent_size=64, conv_clamp=256.0
  )
  np.testing.assert_allclose(
    _rgb(stored, golden['in/z']), golden['out/img_psi0.7'], atol=1e-5
  )


def test_editgan_arrays_give_the_images_of_their_reference():
  golden, weights = _golden('stylegan2_editgan_r64')
  weights['latent_avg'] = golden['in/mean_latent']
  stored = arrays_to_generator.read(known_origins.EDITGAN, weights)
  assert stored.architecture == _TWO(64, (32, 32, 32, 16, 8), latent_size=64)
  np.testing.assert_allclose(
    _rgb(stored, golden['in/z']), golden['out/rgb'], atol=1e-5
  )


@pytest.fixture(scope='module')
def ada():
  return checkpoints.state_dict(known_origins.ADA, small.generator(kind=_TWO))


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
  stored = arrays_to_generator.read(known_origins.ADA, ada, _settings())
  assert stored.architecture.conv_clamp is None
  clamped = {
    key: 128 if key.endswith('conv_clamp') else value
    for key, value in _settings().items()
  }
  stored = arrays_to_generator.read(known_origins.ADA, ada, clamped)
  assert stored.architecture.conv_clamp == 128.0


def test_arguments_of_the_network_are_settings_too(ada):
  arguments = {
    '_init_kwargs.synthesis_kwargs.conv_clamp': 64,
    '_init_kwargs.synthesis_kwargs.architecture': 'skip',
  }
  stored = arrays_to_generator.read(known_origins.ADA, ada, arguments)
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
      known_origins.ADA, ada, _settings(**settings), source='car.pkl'
    )
  assert str(error.value).startswith('car.pkl')
  for word in words:
    assert word in str(error.value)


@pytest.mark.parametrize('clamp', ['x', -1, float('nan'), float('inf')])
def test_a_clamp_that_is_no_bound_is_refused(ada, clamp):
  argument = {'_init_kwargs.synthesis_kwargs.conv_clamp': clamp}
  with pytest.raises(errors.UserError, match='conv_clamp'):
    arrays_to_generator.read(known_origins.ADA, ada, argument)


def test_an_unknown_block_is_refused(ada):
  argument = {'_init_kwargs.synthesis_kwargs.architecture': 'dense'}
  with pytest.raises(errors.UserError, match=r"'dense'.*'skip'"):
    arrays_to_generator.read(known_origins.ADA, ada, argument)


def test_latents_of_two_sizes_are_refused(ada):
  changed = {**ada, 'mapping.fc0.weight': np.zeros((8, 12), np.float32)}
  with pytest.raises(errors.UserError, match='z of 12 numbers and w of 8'):
    arrays_to_generator.read(known_origins.ADA, changed)


def test_convolutions_with_a_gap_are_refused():
  arrays = checkpoints.state_dict(
    known_origins.EDITGAN, small.generator(kind=_TWO)
  )
  less = {k: v for k, v in arrays.items() if not k.startswith('convs.2.')}
  with pytest.raises(errors.UserError, match='convolutions 0, 1, 3'):
    arrays_to_generator.read(known_origins.EDITGAN, less)


def _arrays(names_of, kind, **options):
  generator = small.generator(kind=kind, **options)
  return generator, checkpoints.state_dict(names_of, generator)


@pytest.fixture
def one():
  return _arrays(known_origins.TENSORFLOW1, stylegan1.StyleGAN1)[1]


@pytest.fixture
def two():
  return _arrays(known_origins.TENSORFLOW2, _TWO)[1]


def test_upsampling_kernels_are_mirrored_and_styles_lack_one(two):
  stored = arrays_to_generator.read(known_origins.TENSORFLOW2, two)
  block = stored.params['synthesis']['block_8']
  key = 'G_synthesis/8x8'
  np.testing.assert_array_equal(
    block['conv_0']['kernel'], two[f'{key}/Conv0_up/weight'][::-1, ::-1]
  )
  np.testing.assert_array_equal(
    block['conv_1']['kernel'], two[f'{key}/Conv1/weight']
  )
  for layer, name in (
    ('conv_0', 'Conv0_up'),
    ('conv_1', 'Conv1'),
    ('to_rgb', 'ToRGB'),
  ):
    np.testing.assert_array_equal(
      block[layer]['style']['bias'], two[f'{key}/{name}/mod_bias'] + 1
    )


def test_variables_of_training_are_left_out(one, two):
  unused = {
    'lod': np.float32(0),
    'G_synthesis/lod': np.float32(0),
    'G_synthesis/ToRGB_lod1/weight': np.zeros((1, 1, 5, 3), np.float32),
    'G_synthesis/ToRGB_lod1/bias': np.zeros(3, np.float32),
  }
  arrays_to_generator.read(known_origins.TENSORFLOW1, {**one, **unused})
  arrays_to_generator.read(
    known_origins.TENSORFLOW2, {**two, 'lod': np.float32(0)}
  )
  with pytest.raises(errors.UserError, match='ToRGB_lod1'):
    arrays_to_generator.read(known_origins.TENSORFLOW2, {**two, **unused})


@pytest.mark.parametrize('layer', ['LabelConcat', 'LabelEmbed'])
def test_conditional_networks_are_refused_by_name(one, two, layer):
  key = f'G_mapping/{layer}/weight'
  for names_of, arrays in (
    (known_origins.TENSORFLOW1, one),
    (known_origins.TENSORFLOW2, two),
  ):
    more = {**arrays, key: np.zeros((10, 8), np.float32)}
    with pytest.raises(errors.UserError, match=rf'conditional.*{key}.*10, 8'):
      arrays_to_generator.read(names_of, more)


@pytest.mark.parametrize(
  ('setting', 'fused_from'), [('auto', 128), (True, 8), (False, 2048)]
)
def test_fused_upsampling_is_as_the_file_says(one, setting, fused_from):
  settings = {'fused_scale': setting}
  stored = arrays_to_generator.read(known_origins.TENSORFLOW1, one, settings)
  assert stored.architecture.fused_from == fused_from
  assert stored.architecture.instance_norm_eps == 1e-8


@pytest.mark.parametrize(
  ('setting', 'value'),
  [
    ('fused_scale', 'never'),
    ('mapping_lrmul', 1.0),
    ('mapping_nonlinearity', 'relu'),
    ('nonlinearity', 'relu'),
    ('use_pixel_norm', True),
    ('use_instance_norm', False),
    ('label_size', 10),
  ],
)
def test_settings_of_another_stylegan1_are_refused(one, setting, value):
  with pytest.raises(errors.UserError, match=f'{setting} = {value}|{value!r}'):
    arrays_to_generator.read(known_origins.TENSORFLOW1, one, {setting: value})


@pytest.mark.parametrize(
  ('setting', 'value'),
  [
    ('mapping_lrmul', 1.0),
    ('nonlinearity', 'relu'),
    ('num_channels', 4),
    ('synthesis.build_func_name', 'G_synthesis_stylegan_revised'),
    ('architecture', 'dense'),
    ('conv_clamp', -1),
  ],
)
def test_settings_of_another_stylegan2_are_refused(two, setting, value):
  with pytest.raises(errors.UserError, match=str(value)):
    arrays_to_generator.read(known_origins.TENSORFLOW2, two, {setting: value})


def test_a_clamp_is_taken_over(two):
  stored = arrays_to_generator.read(
    known_origins.TENSORFLOW2, two, {'conv_clamp': 256}
  )
  assert stored.architecture.conv_clamp == 256.0


def test_latents_of_two_sizes_of_tensorflow_are_refused(one, two):
  for names_of, arrays in (
    (known_origins.TENSORFLOW1, one),
    (known_origins.TENSORFLOW2, two),
  ):
    wide = {**arrays, 'G_mapping/Dense0/weight': np.zeros((9, 8), np.float32)}
    with pytest.raises(errors.UserError, match='z of 9 numbers and w of 8'):
      arrays_to_generator.read(names_of, wide)
