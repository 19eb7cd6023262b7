"""Loads fake datasets in a fresh process; run by test_loading.py.

    TFDS_DATA_DIR=FOLDER python -m tests.datasets.check_loading [MODULE]

MODULE is imported first.
"""

import importlib
import os
import pickle
import sys

import numpy as np
import tensorflow_datasets as tfds

_INDICES = list(range(30))


def main(module: str = '') -> None:
  data_dir = os.environ['TFDS_DATA_DIR']
  if module:
    importlib.import_module(module)
  for name in ('datasetgan_car', 'datasetgan_car/mine'):
    check_info(data_dir, name)
    check_data_source(data_dir, name)
  if module:
    # TFDS itself would refuse here, without its `data_dir`.
    assert len(tfds.data_source('datasetgan_car', split='train')) == 27
  else:
    assert 'dgan_jax' not in sys.modules
  assert 'tensorflow' not in sys.modules
  check_load(data_dir, 'datasetgan_car')


def check_info(data_dir: str, name: str) -> None:
  info = tfds.builder(name, data_dir=data_dir).info
  assert info.features['segmentation_mask'].names == [
    *('background', 'body', 'wheel')
  ]
  assert info.splits['train'].num_examples == 27
  assert info.splits['uncertain'].num_examples == 3
  assert info.supervised_keys == ('image', 'segmentation_mask')
  assert info.description == 'Noise.'
  assert info.citation == '@misc{fake}'
  assert info.redistribution_info.license == 'None'
  assert info.homepage == 'https://example.org'
  assert info.metadata['made_from']['maker'] == 'fake'
  assert sum(info.metadata['class_pixels']['train'].values()) == 27 * 8 * 16


def check_data_source(data_dir: str, name: str) -> None:
  sources = tfds.data_source(name, data_dir=data_dir)
  indices = [int(example['index']) for example in sources['train']]
  uncertain = [int(example['index']) for example in sources['uncertain']]
  assert indices == sorted(indices)
  assert sorted(indices + uncertain) == _INDICES
  part = tfds.data_source(name, data_dir=data_dir, split='train[:10%]')
  assert [int(example['index']) for example in part] == indices[: len(part)]
  assert len(part) == 3
  assert part[0]['image'].shape == (8, 16, 3)
  assert part[0]['segmentation_mask'].shape == (8, 16, 1)
  assert part[0]['uncertainty'].dtype == np.uint8
  copy = pickle.loads(pickle.dumps(part))  # As data loaders with workers do.
  np.testing.assert_array_equal(copy[1]['image'], part[1]['image'])


def check_load(data_dir: str, name: str) -> None:
  def indices(**arguments: object) -> list[int]:
    dataset = tfds.load(name, data_dir=data_dir, **arguments)
    return [int(example['index']) for example in dataset.as_numpy_iterator()]

  train = indices(split='train')
  assert sorted(train + indices(split='uncertain')) == _INDICES
  assert indices(split='train') == train
  assert sorted(indices(split='train+uncertain')) == _INDICES
  assert indices(split='train[:10%]') == train[:3]
  assert sorted(indices(split='train', shuffle_files=True)) == sorted(train)
  pairs = tfds.load(name, data_dir=data_dir, split='train', as_supervised=True)
  source = tfds.data_source(name, data_dir=data_dir, split='train')
  for (image, mask), example in zip(pairs, source, strict=True):
    np.testing.assert_array_equal(image, example['image'])
    np.testing.assert_array_equal(mask, example['segmentation_mask'])
  whole = tfds.load(name, data_dir=data_dir, split='train', batch_size=-1)
  assert whole['uncertainty'].shape == (27, 8, 16, 1)
  assert whole['key'].dtype.name == 'uint32'


if __name__ == '__main__':
  main(*sys.argv[1:])
