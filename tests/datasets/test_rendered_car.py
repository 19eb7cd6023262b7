import numpy as np
import pytest
import tensorflow_datasets as tfds

from dgan_jax import datasets, errors
from dgan_jax.datasets import rendered_car as builders
from dgan_jax.renderers.cars import rendered_car


@pytest.fixture(scope='module')
def config():
  return builders.RenderedCarConfig(
    name='tiny',
    domain=rendered_car.Domain('three_quarter', 32, '4:3'),
    unlabelled=12,
    annotated=2,
    test=3,
  )


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory, config):
  """Where the tiny dataset is prepared, in two files per large split."""
  folder = tmp_path_factory.mktemp('data')
  tfds.disable_progress_bar()
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(builders, '_PER_FILE', 6)
    builders.RenderedCar(config=config, data_dir=folder).download_and_prepare()
  return folder


def test_every_split_has_its_pictures_with_their_truth(data_dir, config):
  sources = tfds.data_source(
    'rendered_car', data_dir=data_dir, builder_kwargs={'config': config}
  )
  assert {name: len(source) for name, source in sources.items()} == {
    'unlabelled': 12,
    'annotated': 2,
    'test': 3,
  }
  for name, indices in config.indices().items():
    for index, example in zip(indices, sources[name], strict=True):
      one = config.domain.render(index)
      assert example['index'] == index
      np.testing.assert_array_equal(example['image'], one.image)
      np.testing.assert_array_equal(
        example['segmentation_mask'], one.mask[..., None]
      )
      keypoints = example['keypoints']
      np.testing.assert_array_equal(keypoints[:, :2], one.keypoints)
      np.testing.assert_array_equal(keypoints[:, 2], one.visible)


def test_tfds_load_reads_the_same(data_dir, config):
  arguments = {'data_dir': data_dir, 'builder_kwargs': {'config': config}}
  whole = tfds.load('rendered_car', split='unlabelled', **arguments)
  indices = [int(example['index']) for example in whole.as_numpy_iterator()]
  assert sorted(indices) == list(range(12))
  pairs = tfds.load(
    'rendered_car', split='test', as_supervised=True, **arguments
  )
  image, mask = next(iter(pairs.as_numpy_iterator()))
  assert image.shape == (24, 32, 3)
  assert mask.shape == (24, 32, 1)


def test_the_info_says_what_is_in_it(data_dir, config):
  info = builders.RenderedCar(config=config, data_dir=data_dir).info
  classes = rendered_car.SCHEMA.classes
  assert info.features['segmentation_mask'].names == list(classes)
  assert info.metadata['keypoints'] == list(rendered_car.KEYPOINTS)
  assert info.metadata['domain']['setting'] == 'three_quarter'
  assert info.splits['unlabelled'].num_shards == 2
  assert info.redistribution_info.license == 'Apache-2.0'
  assert info.supervised_keys == ('image', 'segmentation_mask')


def test_splits_have_no_picture_in_common():
  for config in datasets.RenderedCar.BUILDER_CONFIGS:
    indices = [index for part in config.indices().values() for index in part]
    assert len(set(indices)) == len(indices) == 2516


def test_its_configs_have_every_setting(tmp_path):
  settings = set()
  for config in datasets.RenderedCar.BUILDER_CONFIGS:
    builder = tfds.builder(f'rendered_car/{config.name}', data_dir=tmp_path)
    assert builder.info.features['image'].shape[:2] == config.domain.size
    assert str(config.domain.resolution) in config.name
    settings.add(config.domain.setting)
  assert settings == set(rendered_car.SETTINGS)


@pytest.mark.parametrize('count', [0, 10**9 + 1])
def test_splits_that_cannot_be_are_refused(tmp_path, config, count):
  other = builders.RenderedCarConfig(
    name='odd', domain=config.domain, annotated=count
  )
  builder = builders.RenderedCar(config=other, data_dir=tmp_path)
  with pytest.raises(errors.UserError, match=f"{count} pictures in 'annot"):
    builder.download_and_prepare()
  assert not builder.is_prepared()
