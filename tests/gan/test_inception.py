import os

import jax
import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.formats import torch_writer
from dgan_jax.gan import inception, inception_network
from tests.gan import inception_reference as reference


@pytest.fixture(scope='module')
def state_dict():
  """Of random weights; not to be changed."""
  return reference.random_state_dict()


@pytest.fixture(scope='module')
def params(state_dict):
  return inception.from_state_dict(state_dict)


@pytest.fixture(scope='module')
def images():
  """One of noise, one of a smooth ramp."""
  noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3))
  ramp = np.add.outer(np.arange(90), np.arange(70))[..., None] * [1, 0.5, 1.5]
  return np.stack([noise, ramp]).astype(np.uint8)


@pytest.fixture(scope='module')
def found(params, images):
  """Their features, by one device."""
  extract = inception.extractor(params, block_size=1, devices=jax.devices()[:1])
  return extract(images)


def _activations(*shape):
  return np.random.default_rng(0).uniform(size=shape).astype(np.float32)


def _close(found, expected, tolerance=1e-5):
  expected = np.asarray(expected)
  assert found.shape == expected.shape
  error = np.abs(np.asarray(found, np.float64) - expected).max()
  assert error < tolerance * np.abs(expected).max()


@pytest.mark.parametrize(
  ('name', 'block', 'make', 'channels'),
  [
    (
      'Mixed_5b',
      inception_network.BlockA(32),
      lambda ops, name, x: reference.block_a(ops, name, x, 32),
      192,
    ),
    ('Mixed_6a', inception_network.BlockB(), reference.block_b, 288),
    (
      'Mixed_6b',
      inception_network.BlockC(128),
      lambda ops, name, x: reference.block_c(ops, name, x, 128),
      768,
    ),
    ('Mixed_7a', inception_network.BlockD(), reference.block_d, 768),
    (
      'Mixed_7b',
      inception_network.BlockE(maximum=False),
      lambda ops, name, x: reference.block_e(ops, name, x, ops.average),
      1280,
    ),
    (
      'Mixed_7c',
      inception_network.BlockE(maximum=True),
      lambda ops, name, x: reference.block_e(ops, name, x, ops.greatest),
      2048,
    ),
  ],
)
def test_a_block_is_what_the_slow_calculation_gives(
  state_dict, params, name, block, make, channels
):
  x = _activations(1, 5, 8, channels)
  expected = make(reference.InNumpy(state_dict), name, x.astype(np.float64))
  _close(jax.jit(block.apply)({'params': params[name]}, x), expected)


def test_the_whole_network_is_what_the_slow_calculation_gives(
  state_dict, params
):
  x = 2 * _activations(1, 107, 123, 3) - 1
  ops = reference.InNumpy(state_dict)
  expected = reference.network(ops, x.astype(np.float64)).mean((1, 2))
  assert expected.shape == (1, inception.NUM_FEATURES)
  assert expected.std() > 0.1
  _close(jax.jit(inception.pooled)(params, x), expected)


def test_poolings_are_those_of_the_slow_calculation():
  x = _activations(2, 7, 8, 3) - 2  # a border of zeros would be the maximum
  ops = reference.InNumpy({})
  for function, make in (
    (inception_network.average_pool, ops.average),
    (inception_network.max_pool, ops.greatest),
    (inception_network.halving_pool, ops.halved),
  ):
    _close(function(x), make(x.astype(np.float64)))


def test_an_average_at_a_corner_is_that_of_four_pixels():
  x = np.arange(1, 10, dtype=np.float32).reshape(1, 3, 3, 1)
  means = inception_network.average_pool(x)[0, ..., 0]
  np.testing.assert_allclose(means[0], [3, 3.5, 4])
  np.testing.assert_allclose(means[1, 1], 5)


@pytest.mark.parametrize('size', [(64, 64), (33, 48), (310, 640)])
def test_resizing_is_bilinear_between_pixel_centres(size):
  images = np.random.default_rng(0).integers(0, 256, (1, *size, 3), np.uint8)
  expected = reference.enlarged_or_reduced(images, 299) / 127.5 - 1
  # Places are float32 too: a hundredth of a level at most.
  _close(inception.resized(images), expected, 2e-4)


def test_images_of_the_size_of_the_network_are_only_scaled():
  images = np.random.default_rng(0).integers(0, 256, (1, 299, 299, 3), np.uint8)
  _close(inception.resized(images), images / 127.5 - 1, 1e-6)
  assert inception.resized(images).max() <= 1


def test_features_are_those_of_pytorch(state_dict, images, found):
  torch = pytest.importorskip('torch')
  ops = reference.InTorch(torch, state_dict)
  x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy()) / 255
  with torch.no_grad():
    y = reference.network(ops, 2 * ops.resized(x, 299) - 1).mean((2, 3))
  _close(found, y.numpy())


def test_features_depend_neither_on_other_images_nor_on_devices(
  params, images, found
):
  extract = inception.extractor(params, block_size=1, devices=jax.devices()[:2])
  assert found.shape == (2, inception.NUM_FEATURES)
  assert found.dtype == np.float32
  np.testing.assert_array_equal(extract(images[[0, 1, 0]]), found[[0, 1, 0]])


def test_what_is_no_images_is_refused(params):
  extract = inception.extractor(params, devices=jax.devices()[:1])
  with pytest.raises(errors.UserError, match='expected uint8'):
    extract(np.zeros((1, 64, 64, 3), np.float32))


def test_weights_are_read_from_a_file_and_a_truncated_one_is_refused(
  tmp_path, state_dict, params
):
  path = tmp_path / 'weights.pth'
  torch_writer.write(path, state_dict)
  jax.tree.map(np.testing.assert_array_equal, inception.load(path), params)
  os.truncate(path, os.path.getsize(path) * 2 // 3)
  with pytest.raises(errors.UserError) as error:
    inception.load(path)
  assert str(error.value).startswith(str(path))
  assert str(error.value).isprintable()


def _drop(arrays):
  del arrays['Conv2d_2b_3x3.bn.running_var']


def _add(arrays):
  arrays['Mixed_5b.branch9x9.conv.weight'] = np.zeros((1, 1, 9, 9), np.float32)


def _turn(arrays):
  kernel = arrays['Mixed_6b.branch7x7_2.conv.weight']
  arrays['Mixed_6b.branch7x7_2.conv.weight'] = kernel.transpose(0, 1, 3, 2)


def _of_torchvision(arrays):
  arrays['AuxLogits.fc.bias'] = np.zeros(1000, np.float32)


def _without_auxiliary(arrays):
  arrays['fc.weight'] = np.zeros((1000, 2048), np.float32)


def _negative(arrays):
  arrays['Conv2d_1a_3x3.bn.running_var'] = np.full(32, -1, np.float32)


def _endless(arrays):
  arrays['Conv2d_1a_3x3.bn.bias'] = np.full(32, np.inf, np.float32)


@pytest.mark.parametrize(
  ('change', 'line'),
  [
    (_drop, r'w\.pth has no key Conv2d_2b_3x3\.bn\.running_var; .*\(64,\)\.'),
    (_add, r'w\.pth has keys .* not of this network: Mixed_5b\.branch9x9\.'),
    (
      _turn,
      r'w\.pth: Mixed_6b\.branch7x7_2\.conv\.weight has shape \(128, 128',
    ),
    (
      _of_torchvision,
      r'w\.pth has an auxiliary .* torchvision .* pt_inception',
    ),
    (_without_auxiliary, r'fc\.weight has shape \(1000, .* \(1008, 2048\)'),
    (_negative, r'w\.pth: Conv2d_1a_3x3\.bn\.running_var has negative values'),
    (_endless, r'w\.pth: Conv2d_1a_3x3\.bn\.bias has values .* not finite'),
  ],
)
def test_arrays_of_another_network_are_refused_by_name(
  state_dict, change, line
):
  arrays = dict(state_dict)
  change(arrays)
  with pytest.raises(errors.UserError, match=line):
    inception.from_state_dict(arrays, 'w.pth')
