import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import errors, schema
from dgan_jax.checkpoints import opening
from dgan_jax.checkpoints.formats import npy, torch_format
from dgan_jax.checkpoints.origins import (
  arrays_to_generator,
  known_origins,
  release_files,
)
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import part_segmentation
from tests import released

_MINI = pathlib.Path(__file__).parents[2] / 'goldens' / 'mini_ckpt'


@pytest.fixture(scope='module')
def state_dict():
  return torch_format.read(_MINI / 'mini_stylegan1_r32.for_g_all.pt')


@pytest.fixture(scope='module')
def w_avg():
  return npy.read_npy(_MINI / 'avg_latent_stylegan1.npy')


@pytest.fixture(scope='module')
def noise():
  with np.load(_MINI / 'expected.npz') as archive:
    return {f'noise{i}': archive[f'in/noise_{i:02d}'] for i in range(8)}


@pytest.fixture(scope='module')
def generator(state_dict, w_avg, noise):
  return released.generator(state_dict, w_avg, noise)


def _members(classes):
  paths = release_files.member_files(str(_MINI / f'interpreter_{classes}'))
  return [torch_format.read(path) for path in paths]


def _interpreter(classes, generator):
  return release_files.interpreter_from_release(
    _members(classes),
    feature_channels=generator.architecture.feature_channels,
  )


def test_the_architecture_is_read_off_the_arrays(state_dict):
  assert opening.open_arrays(state_dict).architecture == stylegan1.StyleGAN1(
    resolution=32, channels=(16, 16, 16, 16), latent_size=32
  )


def _stored(generator):
  """The state dict that is read as this generator."""
  return arrays_to_generator.write(
    known_origins.RELEASE, generator.architecture, generator.params
  )


@pytest.mark.parametrize(
  'architecture',
  [
    stylegan1.StyleGAN1(8, (5, 3), latent_size=7, mapping_layers=2),
    stylegan1.StyleGAN1(128, (4, 4, 3, 2, 2, 1), latent_size=6),
    stylegan1.StyleGAN1(1024, (2,) * 9, latent_size=4, mapping_layers=1),
  ],
)
def test_any_generator_survives_the_way_there_and_back(architecture):
  rng = np.random.default_rng(0)
  made = generators.Generator(
    architecture=architecture,
    params=jax.tree.map(
      lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32),
      generators.shapes(architecture, has_noise=False)['params'],
    ),
    w_avg=jnp.ones((architecture.num_ws, architecture.latent_size)),
  )
  back = released.generator(_stored(made), np.ones(architecture.latent_size))
  assert generators.checksum(back) == generators.checksum(made)


def test_the_state_dict_survives_the_way_there_and_back(state_dict, generator):
  back = _stored(generator)
  assert back.keys() == state_dict.keys()
  for key, value in state_dict.items():
    np.testing.assert_array_equal(back[key], value)


@pytest.mark.parametrize('classes', [20, 34])
def test_members_survive_the_way_there_and_back(generator, classes):
  members = _members(classes)
  back = release_files.interpreter_to_release(_interpreter(classes, generator))
  for theirs, ours in zip(members, back, strict=True):
    counters = {k for k in theirs if k.endswith('num_batches_tracked')}
    assert theirs.keys() - ours.keys() == counters
    for key, value in ours.items():
      np.testing.assert_array_equal(value, theirs[key])


@pytest.mark.parametrize('classes', [20, 34])
def test_members_are_written_as_the_release_keeps_them(
  generator, classes, tmp_path
):
  made = _interpreter(classes, generator)
  paths = release_files.write_members(tmp_path / 'made', made)
  assert paths == [
    tmp_path / 'made' / f'model_{i}.pth' for i in range(len(paths))
  ]
  assert [str(p) for p in paths] == release_files.member_files(
    str(tmp_path / 'made')
  )
  back = [torch_format.read_checkpoint(path) for path in paths]
  assert {member.wrapper for member in back} == {'model_state_dict'}
  for theirs, ours in zip(_members(classes), back, strict=True):
    for key, value in ours.state_dict.items():
      assert value.dtype == theirs[key].dtype
      np.testing.assert_array_equal(value, theirs[key])
  again = release_files.interpreter_from_release(
    [member.state_dict for member in back],
    feature_channels=generator.architecture.feature_channels,
  )
  assert ensemble.checksum(again) == ensemble.checksum(made)


def test_keys_may_have_the_prefix_of_data_parallelism(
  state_dict, w_avg, noise, generator
):
  prefixed = {f'module.{key}': value for key, value in state_dict.items()}
  made = released.generator(prefixed, w_avg, noise)
  assert generators.checksum(made) == generators.checksum(generator)


@pytest.mark.parametrize(
  'reshape',
  [
    lambda rows: rows,
    lambda rows: rows[None],
    lambda rows: rows[:8],
    lambda rows: rows.astype(np.float64),
  ],
)
def test_the_mean_latent_gives_its_first_rows(state_dict, reshape):
  rows = np.arange(18 * 32, dtype=np.float32).reshape(18, 32)
  made = released.generator(state_dict, reshape(rows))
  np.testing.assert_array_equal(made.w_avg, rows[:8])
  assert made.noise is None


@pytest.mark.parametrize('shape', [(32,), (1, 32), (1, 1, 32)])
def test_a_single_mean_latent_is_used_in_every_row(state_dict, shape):
  row = np.arange(32, dtype=np.float32)
  made = released.generator(state_dict, row.reshape(shape))
  np.testing.assert_array_equal(made.w_avg, np.tile(row, (8, 1)))


@pytest.mark.parametrize(
  'shape', [(), (31,), (7, 32), (18, 31), (2, 18, 32), (18, 32, 1), (0, 32)]
)
def test_a_mean_latent_of_another_shape_is_refused(state_dict, shape):
  with pytest.raises(errors.UserError) as error:
    released.generator(state_dict, np.zeros(shape, np.float32))
  assert str(shape) in str(error.value)
  assert '(8 or more, 32)' in str(error.value)


_CONV = 'g_synthesis.blocks.16x16.conv1.weight'
_BLUR = 'g_synthesis.blocks.8x8.conv0_up.intermediate.kernel'


@pytest.mark.parametrize(
  ('changes', 'words'),
  [
    ({_CONV: None}, [_CONV]),
    (
      {'g_synthesis.torgb.bias': None},
      ['no key g_synthesis.torgb.bias', '(3,)'],
    ),
    ({'g_synthesis.more': np.zeros(1)}, ['g_synthesis.more']),
    (
      {'g_synthesis.torgb.weight': np.zeros((3, 8, 1, 1))},
      ['g_synthesis.torgb.weight', '(3, 8, 1, 1)', '(3, 16, 1, 1)'],
    ),
    ({_CONV: np.zeros((16, 16, 3))}, [_CONV, '(16, 16, 3, 3)']),
    ({_CONV: np.float32(1)}, [_CONV, 'scalar']),
    ({_CONV: np.full((16, 16, 3, 3), np.nan)}, [_CONV, 'not finite']),
    ({_CONV: np.full((16, 16, 3, 3), 1e300)}, [_CONV, 'not finite']),
    ({_BLUR: np.ones((1, 1, 3, 3))}, [_BLUR, 'another blur']),
    ({'g_synthesis.blocks.128x128.conv1.weight': np.zeros(1)}, ['128']),
    ({'g_mapping.dense9.weight': np.zeros((32, 32))}, ['g_mapping.dense8']),
  ],
)
def test_a_state_dict_of_another_network_is_refused_by_key_and_shape(
  state_dict, w_avg, changes, words
):
  changed = {
    k: v for k, v in {**state_dict, **changes}.items() if v is not None
  }
  with pytest.raises(errors.UserError) as error:
    released.generator(changed, w_avg, source='car.pt')
  assert str(error.value).startswith('car.pt')
  for word in words:
    assert word in str(error.value)


@pytest.mark.parametrize('wanted', [{4}, set(), {4, 16}])
def test_a_network_without_all_resolutions_is_refused(
  state_dict, w_avg, wanted
):
  kept = {
    key: value
    for key, value in state_dict.items()
    if 'blocks' not in key or any(f'.{r}x{r}.' in key for r in wanted)
  }
  with pytest.raises(errors.UserError, match=r'car\.pt'):
    released.generator(kept, w_avg, source='car.pt')


def test_blur_buffers_may_be_missing(state_dict, w_avg, noise, generator):
  less = {k: v for k, v in state_dict.items() if 'intermediate' not in k}
  made = released.generator(less, w_avg, noise)
  assert generators.checksum(made) == generators.checksum(generator)


@pytest.mark.parametrize(
  ('changes', 'words'),
  [
    ({'noise3': None}, ['noise3', '(1, 1, 8, 8)']),
    ({'noise8': np.zeros((1, 1, 64, 64))}, ['noise8', '32 px']),
    ({'noise0': np.zeros((1, 1, 8, 8))}, ['(1, 1, 8, 8)', '(1, 1, 4, 4)']),
    ({'noise0': np.full((1, 1, 4, 4), np.inf)}, ['noise0', 'not finite']),
  ],
)
def test_noise_of_another_network_is_refused(
  state_dict, w_avg, noise, changes, words
):
  changed = {k: v for k, v in {**noise, **changes}.items() if v is not None}
  with pytest.raises(errors.UserError) as error:
    released.generator(state_dict, w_avg, changed)
  for word in words:
    assert word in str(error.value)


def test_members_that_differ_are_refused_by_file(generator):
  members = [_members(20)[0], _members(34)[0]]
  with pytest.raises(errors.UserError) as error:
    release_files.interpreter_from_release(
      members,
      feature_channels=generator.architecture.feature_channels,
      sources=['model_0.pth', 'model_1.pth'],
    )
  assert str(error.value) == (
    'model_1.pth: layers.0.weight has shape (256, 128); expected (128, 128).'
  )


def test_an_interpreter_for_another_generator_is_refused():
  with pytest.raises(errors.UserError) as error:
    release_files.interpreter_from_release(
      _members(20), feature_channels=(96, 96)
    )
  assert str(error.value) == (
    'Member 0: layers.0.weight has shape (128, 128); expected (128, 192).'
  )


def test_a_generator_is_no_interpreter(state_dict):
  with pytest.raises(errors.UserError, match=r'layers\.0\.weight'):
    release_files.interpreter_from_release(
      [state_dict], feature_channels=(128,)
    )


def test_no_members_are_refused():
  with pytest.raises(errors.UserError, match='one member'):
    release_files.interpreter_from_release([], feature_channels=(128,))


def test_an_interpreter_knows_its_generator_and_schema(generator):
  labels = schema.get_schema('car_20')
  paths = release_files.member_files(str(_MINI / 'interpreter_20'))
  made = release_files.interpreter_for(generator, labels, paths, rows=(4, 28))
  assert made.spec == ensemble.InterpreterSpec(
    feature_channels=(16,) * 8,
    task=part_segmentation.PartSegmentation(labels),
    hidden=(128, 32),
    members=3,
    generator_checksum=generators.checksum(generator),
    resolution=32,
    rows=(4, 28),
  )


def test_an_interpreter_of_another_schema_is_refused(generator):
  paths = release_files.member_files(str(_MINI / 'interpreter_34'))
  labels = schema.get_schema('car_20')
  with pytest.raises(errors.UserError, match=r"34 classes.*'car_20' has 20"):
    release_files.interpreter_for(generator, labels, paths)


def test_rows_outside_the_image_are_refused(generator):
  paths = release_files.member_files(str(_MINI / 'interpreter_20'))
  labels = schema.get_schema('car_20')
  with pytest.raises(errors.UserError, match='64, 448'):
    release_files.interpreter_for(generator, labels, paths, rows=(64, 448))


def test_members_are_ordered_by_number(tmp_path):
  for name in ('model_10.pth', 'model_9.pth', 'model_0.legacy.pth', 'notes'):
    (tmp_path / name).touch()
  for pattern in (tmp_path, tmp_path / 'model_[19]*.pth'):
    names = [
      pathlib.Path(p).name for p in release_files.member_files(str(pattern))
    ]
    assert names == ['model_9.pth', 'model_10.pth']


def test_a_folder_without_members_is_refused(tmp_path):
  with pytest.raises(errors.UserError, match=r'model_0\.pth'):
    release_files.member_files(str(tmp_path))
