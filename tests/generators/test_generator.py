import dataclasses

import jax
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.generators import generator as generators
from tests import small

_GENERATOR = small.generator(8, (4, 3))
_KEYS = rng.sample_keys(rng.root_key(0), np.arange(3))
_sample = jax.jit(generators.sample, static_argnums=2)
_images = jax.jit(generators.sample_latents, static_argnums=(3, 4))


def test_truncation_acts_on_the_first_rows_only():
  w = np.float32([[1, 2], [3, 4]])
  w_avg = np.float32([[0, 0], [1, 1], [5, 5]])
  ws = generators.truncate(w, w_avg, psi=0.5, num_layers=2)
  np.testing.assert_allclose(ws[:, 0], w / 2)
  np.testing.assert_allclose(ws[:, 1], (w + 1) / 2)
  np.testing.assert_allclose(ws[:, 2], w)


def test_psi_of_zero_gives_the_mean_image_whatever_the_latent():
  sampling = generators.Sampling(0.0, truncation_layers=4)
  _, images, _ = _sample(_GENERATOR, _KEYS, sampling)
  assert images.std() > 0
  np.testing.assert_array_equal(images[0], images[1])


def test_latents_in_w_are_used_as_they_are():
  sampling = generators.Sampling()
  z = np.float32(np.random.default_rng(0).normal(size=(3, 8)))
  untruncated = generators.Sampling(truncation_psi=1.0)
  w = jax.jit(_GENERATOR.architecture.map)(_GENERATOR.params, z)
  from_z, _ = _images(_GENERATOR, z, None, untruncated, 'z')
  from_w, _ = _images(_GENERATOR, w, None, sampling, 'w')
  ws = np.repeat(np.asarray(w)[:, None], 4, axis=1)
  from_ws, _ = _images(_GENERATOR, ws, None, sampling, 'w')
  np.testing.assert_array_equal(from_w, from_ws)
  assert np.abs(np.int32(from_z) - np.int32(from_w)).max() <= 1


def test_a_sample_is_a_function_of_its_key():
  sampling = generators.Sampling(noise='random')
  z, images, _ = _sample(_GENERATOR, _KEYS, sampling)
  z_last, image_last, _ = _sample(_GENERATOR, _KEYS[2:], sampling)
  np.testing.assert_array_equal(z[2:], z_last)
  assert np.abs(np.int32(images[2:]) - np.int32(image_last)).max() <= 1


def test_the_mean_w_is_that_of_mapped_latents():
  architecture, params = _GENERATOR.architecture, _GENERATOR.params
  key = jax.random.key(1)
  w_avg = jax.jit(
    lambda params: generators.mean_w(
      architecture, params, key=key, num_samples=500
    )
  )(params)
  assert w_avg.shape == (4, 8)
  w = jax.jit(architecture.map)(params, jax.random.normal(key, (500, 8)))
  for row in np.asarray(w_avg):
    np.testing.assert_allclose(row, w.mean(0), atol=1e-5)


def test_random_noise_differs_between_keys_and_constant_noise_does_not():
  z = np.ones((3, 8), np.float32)
  images = {
    noise: _images(_GENERATOR, z, _KEYS, generators.Sampling(noise=noise))[0]
    for noise in generators.NOISE_MODES
  }
  np.testing.assert_array_equal(images['const'][0], images['const'][1])
  assert (images['random'][0] != images['random'][1]).any()
  assert (images['const'] != images['none']).any()
  assert (images['const'] != images['random']).any()


def test_the_image_is_cropped_and_its_features_are_not():
  rows = (3, 6)
  _, image, pyramid = _sample(_GENERATOR, _KEYS, generators.Sampling(rows=rows))
  _, whole, _ = _sample(_GENERATOR, _KEYS, generators.Sampling())
  np.testing.assert_array_equal(image, whole[:, 3:6])
  assert pyramid.levels[-1].shape[1:3] == (8, 8)


def test_constant_noise_needs_a_generator_that_has_some():
  with pytest.raises(ValueError, match="use noise='random'"):
    generators.sample(
      _GENERATOR.replace(noise=None), _KEYS, generators.Sampling()
    )


def test_random_noise_needs_keys():
  sampling = generators.Sampling(noise='random')
  with pytest.raises(ValueError, match='needs the keys'):
    generators.sample_latents(
      _GENERATOR, np.ones((1, 8), np.float32), None, sampling
    )


@pytest.mark.parametrize(
  ('field', 'value'), [('noise', 'loud'), ('dtype', 'float16')]
)
def test_a_choice_that_there_is_not_is_refused_by_name(field, value):
  with pytest.raises(ValueError, match=value):
    generators.Sampling(**{field: value})


def test_the_checksum_changes_with_anything():
  architecture = dataclasses.replace(
    _GENERATOR.architecture, instance_norm_eps=1e-8
  )
  bias = _GENERATOR.params['synthesis']['to_rgb']['bias']
  params = jax.tree.map(
    lambda leaf: leaf + 1 if leaf is bias else leaf, _GENERATOR.params
  )
  variants = [
    _GENERATOR,
    _GENERATOR.replace(architecture=architecture),
    _GENERATOR.replace(params=params),
    _GENERATOR.replace(w_avg=_GENERATOR.w_avg + 1),
    _GENERATOR.replace(noise=None),
    _GENERATOR.replace(noise=_GENERATOR.noise[::-1]),
  ]
  assert len({generators.checksum(v) for v in variants}) == len(variants)
