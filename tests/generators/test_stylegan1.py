import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax.generators import stylegan1
from tests import small


def _ws(generator, batch=2):
  architecture = generator.architecture
  shape = (batch, architecture.num_ws, architecture.latent_size)
  return np.random.default_rng(1).normal(size=shape).astype(np.float32)


@functools.partial(jax.jit, static_argnames='dtype')
def _synthesize(generator, ws, noise=None, dtype='float32'):
  return generator.architecture.synthesize(
    generator.params, ws, noise, jnp.dtype(dtype)
  )


def test_every_resolution_gives_two_levels():
  generator = small.generator()
  architecture = generator.architecture
  rgb, pyramid = _synthesize(generator, _ws(generator))
  assert rgb.shape == (2, 16, 16, 3)
  assert pyramid.channels == architecture.feature_channels == (6, 6, 5, 5, 4, 4)
  sizes = [level.shape[1] for level in pyramid.levels]
  assert sizes == list(architecture.noise_resolutions) == [4, 4, 8, 8, 16, 16]


def test_jit_changes_nothing():
  generator = small.generator(8, (3, 2), 4)
  ws = _ws(generator)
  plain = generator.architecture.synthesize(generator.params, ws, None)
  jitted = _synthesize(generator, ws)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5), plain, jitted
  )


def test_an_image_does_not_depend_on_its_batch():
  generator = small.generator()
  ws = _ws(generator)
  together, _ = _synthesize(generator, ws)
  alone, _ = _synthesize(generator, ws[1:])
  np.testing.assert_allclose(together[1:], alone, atol=2e-5)


def test_rows_of_w_that_the_network_has_no_layer_for_are_ignored():
  generator = small.generator()
  ws = _ws(generator)
  more = np.concatenate([ws, np.full_like(ws, np.nan)], axis=1)
  jax.tree.map(
    np.testing.assert_array_equal,
    _synthesize(generator, ws),
    _synthesize(generator, more),
  )


def test_every_row_of_w_styles_the_layers_from_its_own_on():
  generator = small.generator()
  ws = _ws(generator)
  _, before = _synthesize(generator, ws)
  for row in range(generator.architecture.num_ws):
    changed = ws.copy()
    changed[:, row] += 1
    _, after = _synthesize(generator, changed)
    moved = [
      bool((a != b).any())
      for a, b in zip(before.levels, after.levels, strict=True)
    ]
    # Per resolution: what the second style made, then the convolution before
    # it, which the style of an odd row does not reach.
    first = 2 * (row // 2)
    assert not any(moved[:first])
    assert moved[first]
    assert moved[first + 1] == (row % 2 == 0)
    assert all(moved[first + 2 :])


def test_bfloat16_is_close_to_float32():
  generator = small.generator()
  ws = _ws(generator)
  exact, _ = _synthesize(generator, ws)
  rgb, pyramid = _synthesize(generator, ws, dtype='bfloat16')
  assert rgb.dtype == jnp.float32
  assert {level.dtype for level in pyramid.levels} == {jnp.dtype('bfloat16')}
  error = np.abs(rgb - exact).mean() / np.abs(exact).mean()
  assert 0 < error < 0.05


def test_the_fused_layers_mirror_their_kernel():
  plain = small.generator(8, (3, 2), 4)
  fused = small.generator(8, (3, 2), 4, fused_from=8)
  mirrored = jax.tree.map(lambda leaf: leaf, fused.params)
  up = mirrored['synthesis']['block_8']['conv_up']
  up['kernel'] = up['kernel'][::-1, ::-1]
  ws = _ws(plain)
  jax.tree.map(
    np.testing.assert_array_equal,
    _synthesize(plain, ws),
    _synthesize(fused.replace(params=mirrored), ws),
  )


def test_initial_weights_have_the_layout_of_converted_ones():
  generator = small.generator()
  params = jax.eval_shape(generator.architecture.init, jax.random.key(0))
  assert jax.tree.map(jnp.shape, params) == jax.tree.map(
    jnp.shape, generator.params
  )


@pytest.mark.parametrize(
  ('resolution', 'channels', 'words'),
  [
    (
      48,
      (4, 4, 4, 4),
      'resolution is 48; expected a power of two from 8 to 1024',
    ),
    (4, (4,), 'resolution is 4'),
    (2048, (4,) * 10, 'resolution is 2048'),
    (16, (4, 4), 'expected 3, one per resolution'),
  ],
)
def test_an_impossible_architecture_is_refused(resolution, channels, words):
  with pytest.raises(ValueError, match=words):
    stylegan1.StyleGAN1(resolution, channels)
