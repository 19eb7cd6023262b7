import numpy as np
import pytest

from benchmarks import checkpoints
from dgan_jax import errors
from dgan_jax.checkpoints.origins import arrays_to_generator, tensorflow_names
from dgan_jax.generators import stylegan1, stylegan2
from tests import small


def _arrays(names_of, kind, **options):
  generator = small.generator(kind=kind, **options)
  return generator, checkpoints.state_dict(names_of, generator)


@pytest.fixture
def one():
  return _arrays(tensorflow_names.STYLEGAN1, stylegan1.StyleGAN1)[1]


@pytest.fixture
def two():
  return _arrays(tensorflow_names.STYLEGAN2, stylegan2.StyleGAN2)[1]


def test_upsampling_kernels_are_mirrored_and_styles_lack_one(two):
  stored = arrays_to_generator.read(tensorflow_names.STYLEGAN2, two)
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
  arrays_to_generator.read(tensorflow_names.STYLEGAN1, {**one, **unused})
  arrays_to_generator.read(
    tensorflow_names.STYLEGAN2, {**two, 'lod': np.float32(0)}
  )
  with pytest.raises(errors.UserError, match='ToRGB_lod1'):
    arrays_to_generator.read(tensorflow_names.STYLEGAN2, {**two, **unused})


@pytest.mark.parametrize('layer', ['LabelConcat', 'LabelEmbed'])
def test_conditional_networks_are_refused_by_name(one, two, layer):
  key = f'G_mapping/{layer}/weight'
  for names_of, arrays in (
    (tensorflow_names.STYLEGAN1, one),
    (tensorflow_names.STYLEGAN2, two),
  ):
    more = {**arrays, key: np.zeros((10, 8), np.float32)}
    with pytest.raises(errors.UserError, match=rf'conditional.*{key}.*10, 8'):
      arrays_to_generator.read(names_of, more)


@pytest.mark.parametrize(
  ('setting', 'fused_from'), [('auto', 128), (True, 8), (False, 2048)]
)
def test_fused_upsampling_is_as_the_file_says(one, setting, fused_from):
  settings = {'fused_scale': setting}
  stored = arrays_to_generator.read(tensorflow_names.STYLEGAN1, one, settings)
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
    arrays_to_generator.read(tensorflow_names.STYLEGAN1, one, {setting: value})


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
    arrays_to_generator.read(tensorflow_names.STYLEGAN2, two, {setting: value})


def test_a_clamp_is_taken_over(two):
  stored = arrays_to_generator.read(
    tensorflow_names.STYLEGAN2, two, {'conv_clamp': 256}
  )
  assert stored.architecture.conv_clamp == 256.0


def test_latents_of_two_sizes_are_refused(one, two):
  for names_of, arrays in (
    (tensorflow_names.STYLEGAN1, one),
    (tensorflow_names.STYLEGAN2, two),
  ):
    wide = {**arrays, 'G_mapping/Dense0/weight': np.zeros((9, 8), np.float32)}
    with pytest.raises(errors.UserError, match='z of 9 numbers and w of 8'):
      arrays_to_generator.read(names_of, wide)
