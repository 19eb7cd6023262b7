import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from dgan_jax.generators import layers

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')


def _normal(*shape):
  return np.random.default_rng(len(shape)).normal(size=shape).astype('f')


@pytest.mark.parametrize('size', [(4, 4), (5, 8)])
def test_upsample_conv_is_nearest_upsampling_and_a_convolution(size):
  x, kernel = _normal(2, *size, 3), _normal(3, 3, 3, 5)
  upsampled = x.repeat(2, 1).repeat(2, 2)
  np.testing.assert_allclose(
    jax.jit(layers.upsample_conv)(x, kernel),
    jax.jit(layers.conv)(upsampled, kernel),
    atol=1e-5,
  )


def test_upsample_conv_of_the_mirrored_kernel_is_the_fused_layer():
  x, kernel = _normal(1, 6, 6, 3), _normal(3, 3, 3, 4)
  padded = np.pad(kernel, ((1, 1), (1, 1), (0, 0), (0, 0)))
  # The sum of the four shifts by one pixel, [4, 4, in, out].
  fused = sum(padded[a : a + 4, b : b + 4] for a in (0, 1) for b in (0, 1))
  # A transposed convolution of stride 2 and padding 1 mirrors its kernel.
  expected = lax.conv_general_dilated(
    x,
    fused[::-1, ::-1],
    window_strides=(1, 1),
    padding=((2, 2), (2, 2)),
    lhs_dilation=(2, 2),
    dimension_numbers=_LAYOUT,
  )
  ours = jax.jit(layers.upsample_conv)(x, kernel[::-1, ::-1])
  np.testing.assert_allclose(ours, expected, atol=1e-5)


_FIR = np.outer((1, 3, 3, 1), (1, 3, 3, 1))[:, :, None, None] / np.float32(16)


def _filtered(x):
  """Correlates every channel with `_FIR`, without padding."""
  channels = x.shape[-1]
  return lax.conv_general_dilated(
    jnp.asarray(x),
    jnp.asarray(np.tile(_FIR, (1, 1, 1, channels)), jnp.float32),
    (1, 1),
    'VALID',
    dimension_numbers=_LAYOUT,
    feature_group_count=channels,
  )


@pytest.mark.parametrize('size', [(4, 4), (5, 8)])
def test_transposed_conv_spreads_every_pixel_by_its_kernel_and_filters(size):
  x, kernel = _normal(2, *size, 3), _normal(3, 3, 3, 5)
  height, width = size
  spread = np.zeros((2, 2 * height + 1, 2 * width + 1, 5), np.float32)
  for a in range(3):
    for b in range(3):
      spread[:, a : a + 2 * height : 2, b : b + 2 * width : 2] += np.einsum(
        'nhwi,io->nhwo', x, kernel[a, b]
      )
  pad = ((0, 0), (1, 1), (1, 1), (0, 0))
  np.testing.assert_allclose(
    jax.jit(layers.transposed_conv)(x, kernel),
    _filtered(np.pad(spread, pad)),
    atol=2e-5,
  )


def test_upsample_fills_in_zeros_and_filters():
  x = _normal(2, 5, 7, 3)
  zeros = np.zeros((2, 10, 14, 3), np.float32)
  zeros[:, ::2, ::2] = x
  pad = ((0, 0), (2, 1), (2, 1), (0, 0))
  np.testing.assert_allclose(
    jax.jit(layers.upsample)(x), _filtered(np.pad(zeros, pad)), atol=1e-6
  )
  flat = layers.upsample(np.ones((1, 4, 4, 1), np.float32))
  np.testing.assert_allclose(flat[:, 1:-1, 1:-1], 1)


def test_blur_is_a_convolution_with_zero_padding():
  x = _normal(2, 5, 7, 3)
  kernel = np.outer((1, 2, 1), (1, 2, 1))[:, :, None, None] / np.float32(16)
  expected = lax.conv_general_dilated(
    x,
    jnp.asarray(np.tile(kernel, (1, 1, 1, 3)), jnp.float32),
    (1, 1),
    'SAME',
    dimension_numbers=_LAYOUT,
    feature_group_count=3,
  )
  np.testing.assert_allclose(layers.blur(x), expected, atol=1e-6)


def test_instance_norm_takes_mean_and_variance_away():
  x = 5 + 3 * _normal(2, 16, 16, 3)
  y = np.asarray(layers.instance_norm(x, 1e-5), np.float64)
  np.testing.assert_allclose(y.mean((1, 2)), 0, atol=1e-6)
  np.testing.assert_allclose(y.std((1, 2)), 1, atol=1e-5)


def test_instance_norm_measures_bfloat16_in_float32():
  x = (100 + _normal(1, 32, 32, 2)).astype(jnp.bfloat16)
  y = layers.instance_norm(x, 1e-5)
  assert y.dtype == jnp.bfloat16
  exact = layers.instance_norm(x.astype(np.float32), 1e-5)
  np.testing.assert_allclose(y.astype(np.float32), exact, rtol=4e-3)


def test_long_sums_keep_their_precision():
  x, kernel = _normal(4, 512), np.abs(_normal(512, 64, 1))[..., 0]
  exact = x.astype(np.float64) @ kernel.astype(np.float64)

  def error(dense):
    return np.abs(jax.jit(dense)(x, kernel) - exact).max()

  assert error(layers.dense_in_parts) < 1e-5
  odd = slice(0, 500)  # divides into no whole parts
  np.testing.assert_allclose(
    layers.dense_in_parts(x[:, odd], kernel[odd]),
    x[:, odd] @ kernel[odd],
    atol=1e-4,
  )


def test_pixel_norm_gives_unit_mean_square():
  z = layers.pixel_norm(7 * _normal(3, 16))
  np.testing.assert_allclose(jnp.square(z).mean(-1), 1, atol=1e-6)


def test_leaky_relu_keeps_a_fifth_of_what_is_negative():
  np.testing.assert_allclose(
    layers.leaky_relu(np.float32([-5, 0, 2])), [-1, 0, 2]
  )
