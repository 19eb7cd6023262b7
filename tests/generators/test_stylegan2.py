import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax.generators import stylegan2
from tests import small

_small = functools.partial(small.generator, kind=stylegan2.StyleGAN2)


def _ws(generator, batch=2):
  architecture = generator.architecture
  shape = (batch, architecture.num_ws, architecture.latent_size)
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@functools.partial(jax.jit, static_argnames='dtype')
def _synthesize(generator, ws, noise=None, dtype='float32'):
  return generator.architecture.synthesize(
    generator.params, ws, noise, jnp.dtype(dtype)
  )


def test_every_resolution_gives_two_levels_and_4x4_has_one_noise_map():
  generator = _small()
  architecture = generator.architecture
  rgb, pyramid = _synthesize(generator, _ws(generator))
  assert rgb.shape == (2, 16, 16, 3)
  assert pyramid.channels == architecture.feature_channels == (6, 6, 5, 5, 4, 4)
  sizes = [level.shape[1] for level in pyramid.levels]
  assert sizes == [4, 4, 8, 8, 16, 16]
  assert architecture.noise_resolutions == (4, 8, 8, 16, 16)
  assert architecture.num_ws == 6


def test_features_of_a_512_px_network_are_as_long_as_editgan_says():
  channels = tuple(min(32768 // 2**k, 512) for k in range(2, 10))
  architecture = stylegan2.StyleGAN2(512, channels)
  assert sum(architecture.feature_channels) == 6016


def test_the_first_level_is_the_constant():
  generator = _small()
  _, pyramid = _synthesize(generator, _ws(generator))
  const = generator.params['synthesis']['block_4']['const']
  np.testing.assert_array_equal(pyramid.levels[0][1], const)


def test_every_row_of_w_styles_its_convolution_and_those_after_it():
  generator = _small()
  ws = _ws(generator)
  rgb, before = _synthesize(generator, ws)
  for row in range(generator.architecture.num_ws):
    changed = ws.copy()
    changed[:, row] += 1
    image, after = _synthesize(generator, changed)
    moved = [
      bool((a != b).any())
      for a, b in zip(before.levels, after.levels, strict=True)
    ]
    # Level 0 is the constant; the last row styles the image only.
    assert moved == [False] * (row + 1) + [True] * (5 - row)
    assert (image != rgb).any()


def test_every_noise_map_moves_its_convolution_and_those_after_it():
  generator = _small()
  ws = _ws(generator)
  _, before = _synthesize(generator, ws, generator.noise)
  for i in range(len(generator.noise)):
    noise = list(generator.noise)
    noise[i] = noise[i] + 1
    _, after = _synthesize(generator, ws, tuple(noise))
    moved = [
      bool((a != b).any())
      for a, b in zip(before.levels, after.levels, strict=True)
    ]
    assert moved == [False] * (i + 1) + [True] * (5 - i)


def test_an_image_does_not_depend_on_its_batch():
  generator = _small()
  ws = _ws(generator)
  together, _ = _synthesize(generator, ws)
  alone, _ = _synthesize(generator, ws[1:])
  np.testing.assert_allclose(together[1:], alone, atol=2e-5)


def test_bfloat16_is_close_to_float32():
  generator = _small()
  ws = _ws(generator)
  exact, _ = _synthesize(generator, ws)
  rgb, pyramid = _synthesize(generator, ws, dtype='bfloat16')
  assert rgb.dtype == jnp.float32
  assert {level.dtype for level in pyramid.levels} == {jnp.dtype('bfloat16')}
  error = np.abs(rgb - exact).mean() / np.abs(exact).mean()
  assert 0 < error < 0.05


def test_conditional_networks_map_a_latent_by_its_class():
  generator = _small(num_labels=3)
  architecture = generator.architecture
  z = np.ones((3, 8), np.float32)
  map_latents = jax.jit(architecture.map)
  w = map_latents(generator.params, z, np.array([0, 1, 0]))
  np.testing.assert_array_equal(w[0], w[2])
  assert (w[0] != w[1]).any()
  with pytest.raises(ValueError, match='3 classes needs labels'):
    architecture.map(generator.params, z)


def test_only_networks_of_skips_have_an_image_at_every_resolution():
  for block, images in (('skip', 3), ('resnet', 1), ('orig', 1)):
    synthesis = _small(block=block).params['synthesis']
    assert sum('to_rgb' in layers for layers in synthesis.values()) == images


@pytest.mark.parametrize(
  ('options', 'words'),
  [
    ({'resolution': 24}, 'resolution is 24; expected a power of two'),
    ({'channels': (4, 4)}, 'expected 3, one per resolution'),
    ({'block': 'dense'}, "block is 'dense'; expected 'skip' or"),
  ],
)
def test_an_impossible_architecture_is_refused(options, words):
  with pytest.raises(ValueError, match=words):
    stylegan2.StyleGAN2(**{'resolution': 16, 'channels': (4, 4, 4)} | options)
