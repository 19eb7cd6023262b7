import dataclasses
import functools
import pathlib
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy

import dgan_jax
from dgan_jax import errors
from dgan_jax.checkpoints import generator_file, opening, pytrees, store
from dgan_jax.checkpoints.formats import (
  npy,
  torch_format,
  torch_writer,
)
from dgan_jax.checkpoints.origins import (
  known_origins,
  release_files,
)
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from tests import small
from tests.checkpoints import ada_pickle as checkpoints
from tests.checkpoints import writers

_GOLDENS = pathlib.Path(__file__).parents[1] / 'goldens'
_MINI = _GOLDENS / 'mini_ckpt'
_BUNDLED = (
  pathlib.Path(dgan_jax.__file__).parent / 'assets' / 'rendered_cars_64'
)


@functools.cache
def _opened(name):
  return opening.open_checkpoint(_MINI / name)


def _golden(name):
  with np.load(_GOLDENS / f'{name}.npz') as archive:
    return {key: archive[key] for key in archive if key != 'meta'}


def _rgb(generator, z, rows):
  """Images [batch, 3, height, width] at psi 0.7 in the first rows of w."""
  sampling = generators.Sampling(truncation_psi=0.7, truncation_layers=rows)

  @jax.jit
  def draw(generator):
    ws = generators.styles(generator, z, sampling, 'z')
    rgb, _ = generator.architecture.synthesize(
      generator.params, ws, generator.noise
    )
    return rgb.transpose(0, 3, 1, 2)

  return draw(generator)


@pytest.mark.parametrize(
  ('name', 'golden', 'key', 'rows'),
  [
    (
      'mini_stylegan1_tf_r32.pkl',
      'mini_ckpt/mini_stylegan1_tf_r32.expected',
      'out/rgb_official_tf_eps1e-8',
      7,
    ),
    (
      'mini_stylegan2_ada_r32.pkl',
      'mini_ckpt/mini_stylegan2_ada_r32.expected',
      'out/img_psi0.7',
      8,
    ),
    # The same network in TensorFlow's layout.
    (
      'mini_stylegan2_tf_r32.pkl',
      'mini_ckpt/mini_stylegan2_ada_r32.expected',
      'out/img_psi0.7',
      8,
    ),
    (
      'mini_stylegan2_editgan_r64.pt',
      'stylegan2_editgan_r64',
      'out/rgb',
      10,
    ),
  ],
)
def test_files_give_the_images_of_their_reference(name, golden, key, rows):
  golden = _golden(golden)
  generator = opening.generator(_opened(name))
  rgb = _rgb(generator, golden['in/z'], rows)
  np.testing.assert_allclose(rgb, golden[key], atol=2e-5)


def test_the_official_stylegan1_differs_from_the_release_in_one_constant():
  golden = _golden('mini_ckpt/mini_stylegan1_tf_r32.expected')
  generator = opening.generator(_opened('mini_stylegan1_tf_r32.pkl'))
  as_release = dataclasses.replace(
    generator.architecture, instance_norm_eps=1e-5
  )
  rgb = _rgb(generator.replace(architecture=as_release), golden['in/z'], 7)
  np.testing.assert_allclose(
    rgb, golden['out/rgb_datasetgan_eps1e-5'], atol=2e-5
  )


@pytest.mark.parametrize('kind', ['', '.legacy'])
def test_the_release_needs_its_mean_latent_and_noise(kind):
  golden = _golden('mini_ckpt/expected')
  opened = _opened(f'mini_stylegan1_r32{kind}.for_g_all.pt')
  assert opened.w_avg is None
  assert opened.noise is None
  generator = opening.generator(
    opened,
    avg_latent=npy.read_npy(_MINI / 'avg_latent_1x18.npy'),
    noise={f'noise{i}': golden[f'in/noise_{i:02d}'] for i in range(8)},
  )
  rgb = _rgb(generator, golden['in/z'], 7)
  np.testing.assert_allclose(rgb, golden['out/rgb'], atol=3e-5)


def test_a_mean_latent_that_is_not_stored_is_estimated():
  opened = _opened('mini_stylegan1_r32.for_g_all.pt')
  w_avg = opening.generator(opened).w_avg
  assert w_avg.shape == (8, 32)
  stored = npy.read_npy(_MINI / 'avg_latent_1x18.npy')
  assert stored.shape == (1, 18, 32)
  z = np.random.default_rng(0).normal(size=(2000, 32)).astype(np.float32)
  mean = opened.architecture.map(opened.params, z).mean(0)
  np.testing.assert_allclose(w_avg[0], mean, atol=0.1)
  np.testing.assert_array_equal(w_avg, opening.generator(opened).w_avg)


def test_what_is_given_goes_before_what_is_stored():
  opened = _opened('mini_stylegan2_ada_r32.pkl')
  noise = {
    f'noise{i}': np.full((1, 1, r, r), i, np.float32)
    for i, r in enumerate(opened.architecture.noise_resolutions)
  }
  made = opening.generator(opened, avg_latent=np.ones(32), noise=noise)
  np.testing.assert_array_equal(made.w_avg, np.ones((8, 32)))
  assert [float(x.max()) for x in made.noise] == list(range(7))


@pytest.mark.parametrize(
  ('name', 'words'),
  [
    (
      'mini_stylegan1_r32.for_g_all.pt',
      ["StyleGAN1 of DatasetGAN's release", 'not in the file', 'none in'],
    ),
    (
      'mini_stylegan1_tf_r32.pkl',
      ['official TensorFlow', 'Gs', 'G, D', '16, 16, 16, 16', '8 stored'],
    ),
    (
      'mini_stylegan2_tf_r32.pkl',
      ['StyleGAN2', 'Gs', "'skip'", '16, 16, 16, 8', '7 stored'],
    ),
    (
      'mini_stylegan2_ada_r32.pkl',
      ['StyleGAN2-ADA', 'G_ema', 'G, D', 'clamped at 256', '27,515'],
    ),
    (
      'mini_stylegan2_editgan_r64.pt',
      ['EditGAN and rosinality', 'g_ema', '64 px', 'stored', '9 stored'],
    ),
    ('interpreter_34/model_0.pth', ['128 of', '256, 128', '34']),
    ('interpreter_20/model_0.legacy.pth', ['128 of', '128, 32', '20']),
    ('interpreter_20', ['Members:  3', '128, 32', '20']),
  ],
)
def test_what_a_file_holds_is_described(name, words):
  opened = opening.open_checkpoint(_MINI / name)
  description = opening.describe(opened)
  for word in (name, *words):
    assert word in description
  if opened.architecture is not None:
    assert 'non-commercial' in description


def _sizes(opened):
  spec = opened.interpreter
  return spec.members, spec.num_features, spec.hidden, spec.num_outputs


def test_an_interpreter_is_no_generator():
  opened = opening.open_checkpoint(_MINI / 'interpreter_20')
  assert _sizes(opened) == (3, 128, (128, 32), 20)
  with pytest.raises(errors.UserError, match='holds an interpreter'):
    opening.generator(opened)


def test_our_own_folders_are_opened():
  opened = opening.open_checkpoint(_BUNDLED / 'generator')
  made = store.load_generator(_BUNDLED / 'generator')
  assert generators.checksum(opening.generator(opened)) == (
    generators.checksum(made)
  )
  assert 'Our folder' in opening.describe(opened)
  assert 'non-commercial' not in opening.describe(opened)


def test_our_own_interpreters_are_opened(tmp_path):
  store.save_interpreter(tmp_path, small.interpreter((4, 4)))
  opened = opening.open_checkpoint(tmp_path)
  assert _sizes(opened) == (3, 8, (8, 6), 5)


def test_other_checkpoints_of_ours_are_refused(tmp_path):
  pytrees.save(tmp_path, {'a': np.ones(2)}, {'kind': 'training'})
  with pytest.raises(errors.UserError, match="kind 'training'; expected a gen"):
    opening.open_checkpoint(tmp_path)


@pytest.mark.parametrize('name', ['made.safetensors', 'made'])
def test_our_own_safetensors_are_opened_whatever_their_name(tmp_path, name):
  made = small.generator(kind=stylegan2.StyleGAN2)
  generator_file.write(tmp_path / name, made)
  opened = opening.open_checkpoint(tmp_path / name)
  assert generators.checksum(opening.generator(opened)) == (
    generators.checksum(made)
  )


_NAMINGS = {
  'release': (known_origins.RELEASE, stylegan1.StyleGAN1),
  'ada': (known_origins.ADA, stylegan2.StyleGAN2),
  'editgan': (known_origins.EDITGAN, stylegan2.StyleGAN2),
}


@pytest.mark.parametrize('prefix', ['', 'module.', 'G_ema.', 'generator.'])
@pytest.mark.parametrize(
  ('names_of', 'kind'), _NAMINGS.values(), ids=_NAMINGS.keys()
)
@pytest.mark.parametrize('container', ['.pt', '.safetensors'])
def test_state_dicts_are_known_by_their_keys(
  tmp_path, container, names_of, kind, prefix
):
  made = small.generator(kind=kind)
  arrays = {
    f'{prefix}{key}': value
    for key, value in checkpoints.state_dict(names_of, made).items()
  }
  path = tmp_path / f'made{container}'
  if container == '.pt':
    torch_writer.write(path, arrays)
  else:
    safetensors.numpy.save_file(arrays, path)
  opened = opening.open_checkpoint(path)
  assert opened.architecture.channels == made.architecture.channels
  assert opened.network == prefix.rstrip('.')
  np.testing.assert_array_equal(
    opened.params['mapping']['dense_0']['kernel'],
    made.params['mapping']['dense_0']['kernel'],
  )
  if names_of.w_avg is not None:
    np.testing.assert_array_equal(opened.w_avg[1], made.w_avg[0])


def test_of_several_networks_the_average_is_taken(tmp_path):
  average = small.generator(kind=stylegan2.StyleGAN2)
  trained = small.generator(kind=stylegan2.StyleGAN2, latent_size=9)
  arrays = {
    **_prefixed('G', checkpoints.state_dict(known_origins.ADA, trained)),
    **_prefixed('G_ema', checkpoints.state_dict(known_origins.ADA, average)),
    'D.b4.fc.weight': np.ones((2, 2), np.float32),
  }
  opened = opening.open_arrays(arrays, source='network.pt')
  assert opened.architecture.latent_size == 8
  assert opened.network == 'G_ema'
  assert opened.others == ('D', 'G')


def _prefixed(prefix, arrays):
  return {f'{prefix}.{key}': value for key, value in arrays.items()}


def test_a_decoder_with_its_mean_latent_beside_is_opened():
  # As encoders of the pSp family are saved: one row of w for every layer.
  made = small.generator(kind=stylegan2.StyleGAN2)
  arrays = checkpoints.state_dict(known_origins.EDITGAN, made)
  arrays.pop('latent_avg')
  w_avg = np.arange(48, dtype=np.float32).reshape(6, 8)
  opened = opening.open_arrays(
    {
      **_prefixed('decoder', arrays),
      'encoder.input_layer.0.weight': np.ones(3, np.float32),
      'latent_avg': w_avg,
    }
  )
  np.testing.assert_array_equal(opened.w_avg, w_avg)
  assert opened.others == ('encoder',)


def test_a_clamp_that_had_to_be_assumed_is_told():
  made = small.generator(kind=stylegan2.StyleGAN2)
  arrays = checkpoints.state_dict(known_origins.ADA, made)
  opened = opening.open_arrays(arrays)
  assert opened.architecture.conv_clamp == 256.0
  assert 'does not say where activations were clamped' in (
    opening.describe(opened)
  )
  stated = {'synthesis.b4.conv1.conv_clamp': None}
  opened = opening.open_arrays(arrays, stated)
  assert opened.architecture.conv_clamp is None
  assert 'clamped' not in opening.describe(opened)


def test_a_conditional_network_says_so():
  made = small.generator(kind=stylegan2.StyleGAN2, num_labels=3)
  opened = opening.open_arrays(checkpoints.state_dict(known_origins.ADA, made))
  assert '3 classes' in opening.describe(opened)
  assert opening.generator(opened).architecture.num_labels == 3


@pytest.mark.parametrize(
  'options',
  [
    {'num_labels': 3, 'conv_clamp': 256.0},
    {'block': 'resnet'},
    {'block': 'orig', 'conv_clamp': 16.0},
  ],
)
def test_every_kind_of_ada_pickle_is_opened(tmp_path, options):
  made = small.generator(kind=stylegan2.StyleGAN2, **options)
  settings: dict[str, Any] = {
    'c_dim': made.architecture.num_labels,
    'mapping.fc0.bias_gain': 0.01,
    'mapping.fc0.activation': 'lrelu',
  }
  for r in (4, 8, 16):
    block = f'synthesis.b{r}'
    settings[f'{block}.architecture'] = made.architecture.block
    settings[f'{block}.conv1.conv_clamp'] = options.get('conv_clamp')
    settings[f'{block}.conv1.activation'] = 'lrelu'
  path = tmp_path / 'network.pkl'
  arrays = checkpoints.state_dict(known_origins.ADA, made)
  path.write_bytes(writers.ada_pickle(arrays, settings))
  opened = opening.open_checkpoint(path)
  assert (opened.network, opened.others) == ('G_ema', ('G', 'D'))
  again = opening.generator(opened, avg_latent=made.w_avg)
  assert generators.checksum(again) == generators.checksum(made)
  settings['mapping.fc0.activation'] = 'relu'
  path.write_bytes(writers.ada_pickle(arrays, settings))
  with pytest.raises(errors.UserError) as error:
    opening.open_checkpoint(path)
  assert str(error.value) == (
    f'{path} (G_ema) has a network with mapping.fc0.activation = relu; '
    "expected 'lrelu'."
  )


@pytest.mark.parametrize(
  ('names_of', 'options'),
  [
    (
      known_origins.TENSORFLOW1,
      {'kind': stylegan1.StyleGAN1, 'instance_norm_eps': 1e-8},
    ),
    (
      known_origins.TENSORFLOW2,
      {'kind': stylegan2.StyleGAN2, 'block': 'resnet'},
    ),
    (known_origins.TENSORFLOW2, {'kind': stylegan2.StyleGAN2}),
  ],
)
def test_every_kind_of_tensorflow_pickle_is_opened(tmp_path, names_of, options):
  made = small.generator(**options)
  arrays = checkpoints.state_dict(names_of, made)
  path = tmp_path / 'network.pkl'
  path.write_bytes(writers.tensorflow_pickle(arrays, resolution=16))
  opened = opening.open_checkpoint(path)
  assert opened.architecture == made.architecture
  key = 'G_synthesis/8x8/Conv1/bias'
  bad = {**arrays, key: np.zeros(7, np.float32)}
  path.write_bytes(writers.tensorflow_pickle(bad))
  with pytest.raises(errors.UserError) as error:
    opening.open_checkpoint(path)
  assert str(error.value) == (
    f'{path} (Gs): {key} has shape (7,); expected (5,).'
  )
  bad = {**arrays, 'G_mapping/LabelConcat/weight': np.ones((4, 8), np.float32)}
  path.write_bytes(writers.tensorflow_pickle(bad))
  with pytest.raises(errors.UserError, match=r'conditional.*LabelConcat'):
    opening.open_checkpoint(path)


_ONES = np.ones((2, 2), np.float32)


@pytest.mark.parametrize(
  ('keys', 'words'),
  [
    ([], ['no arrays']),
    (['conv.weight', 'fc.bias'], ['2 arrays', 'conv.weight, fc.bias']),
    (['synthesis.L0_36_512.weight', 'mapping.fc0.weight'], ['StyleGAN3']),
    (['synthesis.input.affine.weight'], ['StyleGAN3']),
    (['b4.fc.weight', 'b8.fromrgb.weight'], ['discriminator']),
    (['convs.0.0.weight', 'final_linear.0.weight'], ['discriminator']),
    (['4x4/Dense0/weight', 'FromRGB_lod0/weight'], ['discriminator']),
  ],
)
def test_other_state_dicts_are_refused_by_what_they_are(keys, words):
  with pytest.raises(errors.UserError) as error:
    opening.open_arrays(dict.fromkeys(keys, _ONES), source='other.pt')
  message = str(error.value)
  assert message.startswith('other.pt holds')
  assert 'StyleGAN1 or StyleGAN2' in message
  assert '\n' not in message
  for word in words:
    assert word in message


@pytest.mark.parametrize(
  ('content', 'word'),
  [
    (b'', 'empty'),
    (b'\x93NUMPY\x01\x00', 'a NumPy array'),
    (b'\x89PNG\r\n\x1a\n', 'a PNG image'),
    (b'\xff\xd8\xff\xe0', 'a JPEG image'),
    (b'\x1f\x8b\x08', 'compressed by gzip'),
    (b'\n<!DOCTYPE html><html>', 'a web page'),
    (b'version https://git-lfs.github.com/spec/v1\n', 'a Git LFS pointer'),
    (b'{"resolution": 512, "channels": 3}', 'text'),
    (b'# Golden vectors\n\nOutputs of', 'text'),
  ],
)
def test_other_files_are_refused_by_what_they_are(tmp_path, content, word):
  path = tmp_path / 'network.pkl'
  path.write_bytes(content)
  with pytest.raises(errors.UserError) as error:
    opening.open_checkpoint(path)
  assert str(error.value).startswith(f'{path} is {word}')
  assert 'expected a generator' in str(error.value)
  assert '\n' not in str(error.value)


def test_an_archive_of_numpy_is_refused_as_such():
  with pytest.raises(errors.UserError, match='a NumPy archive; expected'):
    opening.open_checkpoint(_MINI / 'expected.npz')


def test_a_missing_file_is_refused(tmp_path):
  with pytest.raises(errors.UserError, match='does not exist'):
    opening.open_checkpoint(tmp_path / 'network.pkl')


def test_an_empty_folder_is_refused(tmp_path):
  with pytest.raises(errors.UserError, match=r'holds no checkpoint'):
    opening.open_checkpoint(tmp_path)


def test_a_truncated_file_of_every_format_is_refused_in_one_line(tmp_path):
  path = tmp_path / 'network'
  made = tmp_path / 'made.safetensors'
  generator_file.write(made, small.generator())
  for file in [made, *_MINI.glob('mini_*.p*'), *_MINI.glob('*/*.pth')]:
    content = file.read_bytes()
    for share in (0.02, 0.5, 0.9):
      path.write_bytes(content[: int(share * len(content))])
      with pytest.raises(errors.UserError) as error:
        opening.open_checkpoint(path)
      assert str(error.value).startswith(str(path))
      assert '\n' not in str(error.value)


def test_an_exported_interpreter_is_opened_as_the_releases(tmp_path):
  interpreter = small.interpreter((4, 4))
  release_files.write_members(tmp_path, interpreter)
  opened = opening.open_checkpoint(tmp_path)
  assert _sizes(opened) == (3, 8, (8, 6), 5)


def test_state_dicts_need_not_be_wrapped(tmp_path):
  wrapped = torch_format.read_checkpoint(
    _MINI / 'mini_stylegan2_editgan_r64.pt'
  )
  torch_writer.write(tmp_path / 'bare.pt', wrapped.state_dict)
  opened = opening.open_checkpoint(tmp_path / 'bare.pt')
  assert opened.w_avg is None
  assert (
    opened.architecture == _opened('mini_stylegan2_editgan_r64.pt').architecture
  )


def test_tensorflow_arrays_are_opened_too():
  made = small.generator(kind=stylegan2.StyleGAN2)
  opened = opening.open_arrays(
    checkpoints.state_dict(known_origins.TENSORFLOW2, made)
  )
  assert opened.architecture == made.architecture
