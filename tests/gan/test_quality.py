import numpy as np

from dgan_jax import rng
from dgan_jax.gan import quality
from tests import small
from tests.gan import tiny


def test_sample_i_is_the_same_whatever_is_drawn_with_it():
  draw = quality.Drawer(rng.root_key(0))
  params = tiny.state(tiny.config()).g_ema
  generator = small.generator(8, (6, 4), 4).replace(params=params)
  many = draw(generator, 20)
  assert many.shape == (20, 8, 8, 3)
  assert len(np.unique(many, axis=0)) == 20
  np.testing.assert_array_equal(draw(generator, 3), many[:3])


def test_a_generator_is_nearer_to_its_own_images_than_to_others():
  generator = small.generator(8, (6, 4))
  own = quality.Drawer(rng.root_key(0))(generator, 300)
  key = rng.root_key(1)
  near = quality.FrechetDistance(
    quality.coarse_pixels, own, name='pixels', key=key, count=300
  )
  far = quality.FrechetDistance(
    quality.coarse_pixels, 255 - own, name='pixels', key=key, count=300
  )
  assert near(generator) < 0.5 * far(generator)


def test_coarse_pixels_are_means_of_squares():
  images = np.zeros((1, 16, 16, 3), np.uint8)
  images[0, :2, 2:4, 1] = 255
  found = quality.coarse_pixels(images).reshape(8, 8, 3)
  assert found[0, 1, 1] == 1
  assert (np.delete(found.ravel(), 4) == -1).all()
