import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.gan import augmentation

_KEYS = rng.sample_keys(rng.root_key(0), np.arange(64))


def _smooth(count=64, size=16):
  """Images that bilinear reading hardly blurs."""
  y, x = np.mgrid[:size, :size] / size
  image = np.stack([np.sin(3 * x), np.cos(2 * y), x * y], -1)
  return jnp.asarray(np.tile(image, (count, 1, 1, 1)), 'f')


@functools.cache
def _compiled():
  return jax.jit(lambda x, p, keys: augmentation.augment(x, p, keys=keys))


def test_with_probability_zero_nothing_changes():
  images = jax.random.normal(rng.root_key(1), (64, 16, 16, 3))
  np.testing.assert_allclose(_compiled()(images, 0.0, _KEYS), images, atol=1e-5)


def test_the_stronger_the_more_images_change():
  images = _smooth()

  def changed(p):
    change = jnp.abs(_compiled()(images, p, _KEYS) - images)
    return int((change.max((1, 2, 3)) > 0.01).sum())

  assert 0 < changed(0.05) < changed(0.3) <= 64
  assert changed(1.0) == 64


def test_an_image_changes_as_its_key_says_whatever_the_batch():
  images = _smooth()
  alone = _compiled()(images[:1], 0.5, _KEYS[3:4])
  np.testing.assert_allclose(
    alone[0], _compiled()(images, 0.5, _KEYS)[3], atol=1e-5
  )


def test_gradients_reach_the_images_and_are_finite():
  images = _smooth(8)

  @jax.jit
  @jax.grad
  def gradient(images):
    return jnp.square(augmentation.augment(images, 0.8, keys=_KEYS[:8])).sum()

  slope = gradient(images)
  assert bool(jnp.isfinite(slope).all())
  assert bool((jnp.abs(slope).max((1, 2, 3)) > 0).all())


@pytest.mark.parametrize(
  ('place', 'expected'),
  [
    (np.diag([-1.0, 1, 1]), lambda image: image[:, ::-1]),
    ([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]], lambda image: np.rot90(image, -1)),
    (
      [[1.0, 0, -3], [0, 1, 0], [0, 0, 1]],
      lambda image: np.pad(image, ((0, 0), (3, 0), (0, 0)), 'reflect')[:, :16],
    ),
  ],
  ids=['flip', 'quarter turn', 'shift by pixels'],
)
def test_pixels_that_fall_on_pixels_are_moved_exactly(place, expected):
  image = np.random.default_rng(0).normal(size=(16, 16, 3)).astype('f')
  moved = jax.jit(augmentation._read)(image, jnp.asarray(place, 'f'))
  np.testing.assert_allclose(moved, expected(image), atol=1e-5)


def test_grey_stays_grey_under_changes_of_hue_and_saturation():
  """All that can happen to a grey is another grey."""
  matrices, offsets = jax.jit(
    jax.vmap(lambda key: augmentation._color(key, 1.0))
  )(_KEYS)
  greys = np.asarray(matrices @ jnp.ones(3)) + np.asarray(offsets)
  np.testing.assert_allclose(greys, greys[:, :1].repeat(3, 1), atol=1e-5)
  assert np.ptp(greys[:, 0]) > 1


def test_areas_change_by_the_scale_alone():
  positions = jax.jit(
    jax.vmap(lambda key: augmentation._geometry(key, 1.0, 16))
  )(_KEYS)
  octaves = np.log2(np.abs(np.linalg.det(np.asarray(positions)[:, :2, :2]))) / 2
  assert abs(octaves.mean()) < 0.1
  assert 0.14 < octaves.std() < 0.26


def _adapted(sign, steps):
  ada = augmentation.Ada.none()
  for _ in range(steps):
    ada = augmentation.adapt(
      ada,
      jnp.float32(sign),
      batch_size=10,
      target=0.6,
      images_to_one=400,
    )
  return float(ada.p)


def test_p_grows_while_the_discriminator_knows_reals_by_heart():
  assert _adapted(0.9, 3) == 0  # moves every fourth step
  np.testing.assert_allclose(_adapted(0.9, 4), 0.1)
  np.testing.assert_allclose(_adapted(0.9, 20), 0.5)
  np.testing.assert_allclose(_adapted(0.9, 60), 1)


def test_p_stays_at_zero_while_it_does_not():
  assert _adapted(0.3, 8) == 0
