import collections

import numpy as np
import pytest

from dgan_jax.renderers.engine import pixels


@pytest.mark.parametrize('factor', [1, 2, 3])
def test_a_pixel_has_the_label_of_most_of_its_samples(factor):
  labels = np.random.default_rng(0).integers(0, 4, (6 * factor, 5 * factor))
  mask = pixels.majority(labels.astype(np.uint8), factor)
  for y in range(6):
    for x in range(5):
      block = labels[y * factor :, x * factor :][:factor, :factor]
      votes = collections.Counter(block.ravel().tolist())
      most = max(votes.values())
      assert mask[y, x] == max(k for k, v in votes.items() if v == most)
  assert mask.dtype == np.uint8


def test_a_pixel_has_the_mean_colour_of_its_samples():
  light = np.random.default_rng(1).random((3, 8, 12), np.float32)
  image = pixels.mean(light, 2, np.zeros((4, 6)))
  mean = light.reshape(3, 4, 2, 6, 2).mean((2, 4)).transpose(1, 2, 0)
  np.testing.assert_allclose(image, 255 * mean, atol=0.6)
  assert image.dtype == np.uint8


def test_black_and_white_stay_what_they_are():
  light = np.zeros((3, 4, 4), np.float32)
  light[:, :, 2:] = 1
  image = pixels.mean(light, 2, np.zeros((2, 2)))
  np.testing.assert_array_equal(image[..., 0], [[0, 255], [0, 255]])


def test_grain_is_within_its_strength_and_averages_out():
  grain = pixels.grain('test', 3, (64, 48), 0.02)
  assert grain.shape == (64, 48)
  assert 0.015 < np.abs(grain).max() <= 0.02
  assert abs(grain.mean()) < 1e-3
  assert not pixels.grain('test', 3, (4, 4), 0.0).any()
