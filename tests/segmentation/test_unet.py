import jax
import numpy as np
import pytest

from dgan_jax import errors, rng
from dgan_jax.segmentation import unet


def test_logits_are_of_the_size_of_the_image():
  for network, size in (
    (unet.UNet(20), (64, 64)),
    (unet.UNet(20), (48, 64)),
    (unet.UNet(20, (16, 32, 64, 96, 192)), (96, 128)),
  ):
    network.check_size(size)
    shapes = jax.eval_shape(network.init, rng.root_key(0))
    images = jax.ShapeDtypeStruct((2, *size, 3), np.uint8)
    assert jax.eval_shape(network.label, shapes, images).shape == (2, *size, 20)
    found = jax.eval_shape(network.features, shapes, images)
    assert found.shape == (2, network.num_features)


def test_the_usual_network_has_about_a_million_parameters():
  shapes = jax.eval_shape(unet.UNet(20).init, rng.root_key(0))
  count = sum(leaf.size for leaf in jax.tree.leaves(shapes))
  assert 0.8e6 < count < 1.2e6


def test_halving_takes_means_and_doubling_repeats():
  x = np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)
  half = unet.halve(x)
  np.testing.assert_array_equal(half[0, :, :, 0], [[2.5, 4.5]])
  np.testing.assert_array_equal(
    unet.double(half)[0, :, :, 0], [[2.5, 2.5, 4.5, 4.5]] * 2
  )


@pytest.mark.parametrize('size', [(60, 64), (64, 4), (0, 64)])
def test_a_size_that_cannot_be_halved_is_refused(size):
  with pytest.raises(errors.UserError, match='expected multiples of 8'):
    unet.UNet(20).check_size(size)


@pytest.mark.parametrize('channels', [(), (32, 36), (0,)])
def test_channels_that_do_not_split_into_groups_are_refused(channels):
  with pytest.raises(ValueError, match='channels'):
    unet.UNet(20, channels)
