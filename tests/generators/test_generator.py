import dataclasses
import json

import jax
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
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


def test_a_class_is_given_or_drawn_from_the_key():
  generator = small.generator(8, (4, 3), kind=stylegan2.StyleGAN2, num_labels=4)
  # Weights that learn at a hundredth the rate are a hundred times as large.
  mapping = jax.tree.map(lambda leaf: 100 * leaf, generator.params['mapping'])
  generator = generator.replace(params={**generator.params, 'mapping': mapping})
  drawn = np.asarray(rng.labels(_KEYS, 4))
  assert len(set(drawn)) > 1
  _, images, _ = _sample(generator, _KEYS, generators.Sampling())
  for i, label in enumerate(drawn):
    for given in range(4):
      sampling = generators.Sampling(label=given)
      _, image, _ = _sample(generator, _KEYS[i : i + 1], sampling)
      difference = np.abs(np.int32(image[0]) - np.int32(images[i])).max()
      assert (difference <= 1) == (given == label)


def test_the_mean_w_of_a_conditional_generator_is_over_its_classes():
  generator = small.generator(8, (4, 3), kind=stylegan2.StyleGAN2, num_labels=2)
  architecture, params = generator.architecture, generator.params
  key = jax.random.key(1)
  w_avg = generators.mean_w(architecture, params, key=key, num_samples=10)
  z = jax.random.normal(key, (10, 8))
  w = architecture.map(params, z, np.arange(10) % 2)
  np.testing.assert_allclose(w_avg[3], w.mean(0), atol=1e-5)


@pytest.mark.parametrize(
  ('num_labels', 'label', 'words'),
  [
    (0, 1, 'Class 1 is none of the 0 classes'),
    (0, 0, 'Class 0 is none of the 0 classes'),
    (3, 3, 'Class 3 is none of the 3 classes'),
    (3, None, '3 classes needs a label, or the keys'),
  ],
)
def test_a_class_that_there_is_not_is_refused(num_labels, label, words):
  generator = small.generator(
    8, (4, 3), kind=stylegan2.StyleGAN2, num_labels=num_labels
  )
  sampling = generators.Sampling(label=label)
  z = np.ones((1, 8), np.float32)
  with pytest.raises(ValueError, match=words):
    generators.sample_latents(generator, z, None, sampling)


@pytest.mark.parametrize('kind', [stylegan1.StyleGAN1, stylegan2.StyleGAN2])
def test_an_architecture_survives_json(kind):
  architecture = small.generator(8, (4, 3), kind=kind).architecture
  fields = json.loads(json.dumps(generators.architecture_to_json(architecture)))
  assert generators.architecture_from_json(fields) == architecture


def test_an_architecture_without_a_kind_is_a_stylegan1():
  fields = {'resolution': 8, 'channels': [4, 3]}
  assert generators.architecture_from_json(fields) == stylegan1.StyleGAN1(
    8, (4, 3)
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
