"""The layers that StyleGAN generators are made of, as pure functions.

Layout is NHWC and HWIO. Weights arrive as stored; the equalised learning
rate (Karras et al. 2018, section 4.1) is a multiplier at run time.
"""

import math
from collections.abc import Sequence

import chex
import flax.linen as nn
import jax.numpy as jnp
from jax import lax

# Inputs that `dense_in_parts` adds up at once.
_PART_SIZE = 8
# StyleGAN2's filter along an axis, [far, near, near, far]: [1, 3, 3, 1] / 8,
# times 2 for the zeros between the pixels that it fills.
_FIR = (0.75, 0.25)


def multiplier(fan_in: int, gain: float = math.sqrt(2), lr: float = 1) -> float:
  """Run-time scale of a weight under an equalised learning rate."""
  return gain * lr / math.sqrt(fan_in)


def precision(dtype: chex.ArrayDType) -> lax.Precision:
  """float32 means float32, also where the hardware would round to tf32."""
  exact = jnp.dtype(dtype) == jnp.float32
  return lax.Precision.HIGHEST if exact else lax.Precision.DEFAULT


def dense(x: chex.Array, kernel: chex.Array) -> chex.Array:
  """[..., in] times [in, out]."""
  # As a matrix: XLA would transpose a stack of them for the kernel's gradient.
  rows = x.reshape(-1, x.shape[-1])
  y = jnp.matmul(rows, kernel, precision=precision(x.dtype))
  return y.reshape(*x.shape[:-1], -1)


def dense_in_parts(x: chex.Array, kernel: chex.Array) -> chex.Array:
  """`dense` of few rows [batch, in], summed over parts of the inputs.

  XLA's single running sum over 512 inputs loses two bits that the reference
  keeps, and what the styles lose every feature map loses.
  """
  batch, fan_in = x.shape
  if fan_in % _PART_SIZE:
    return dense(x, kernel)
  parts = jnp.einsum(
    'bpi,pio->pbo',
    x.reshape(batch, -1, _PART_SIZE),
    kernel.reshape(-1, _PART_SIZE, kernel.shape[1]),
    precision=precision(x.dtype),
  )
  return parts.sum(0)


def add_channels(x: chex.Array, bias: chex.Array) -> chex.Array:
  """[..., channels] plus [channels], in the type of x."""
  return x + jnp.broadcast_to(bias.astype(x.dtype), x.shape)


def conv(
  x: chex.Array, kernel: chex.Array, padding: str = 'SAME'
) -> chex.Array:
  """Correlates [batch, h, w, in] with a kernel [kh, kw, in, out]."""
  return lax.conv_general_dilated(
    x,
    kernel,
    window_strides=(1, 1),
    padding=padding,
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=precision(x.dtype),
  )


def upsample_conv(x: chex.Array, kernel: chex.Array) -> chex.Array:
  """Nearest x2 upsampling, then a 3x3 convolution with zero padding.

  Every output pixel sees 2x2 source pixels only, so one 2x2 convolution with
  four times the channels, one set per output phase, gives the same numbers
  with 16 multiplications in place of 36.

  [batch, h, w, in] and a kernel [3, 3, in, out] give [batch, 2h, 2w, out].
  """
  batch, h, w, _ = x.shape
  channels = kernel.shape[-1]
  kernels = _phase_taps(_phase_taps(kernel, axis=0), axis=2)
  kernels = kernels.transpose(2, 3, 4, 1, 0, 5)  # [taps, taps, in, a, b, out]
  kernels = kernels.reshape(2, 2, x.shape[-1], 4 * channels)
  padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  y = conv(padded, kernels, 'VALID')
  y = y.reshape(batch, h + 1, w + 1, 2, 2, channels)
  return _interleave(
    [[y[:, a : a + h, b : b + w, a, b] for b in (0, 1)] for a in (0, 1)]
  )


def _phase_taps(kernel: chex.Array, axis: int) -> chex.Array:
  """What an axis of 3 taps on upsampled pixels is on source pixels, [2, ..., 2,
  ...]: 2 taps for the even and for the odd output pixel."""
  before, centre, after = jnp.split(kernel, 3, axis)
  even = jnp.concatenate([before, centre + after], axis)
  odd = jnp.concatenate([before + centre, after], axis)
  return jnp.stack([even, odd])


def transposed_conv(x: chex.Array, kernel: chex.Array) -> chex.Array:
  """3x3 transposed convolution with stride 2, then the filter of `_FIR`.

  StyleGAN2's upsampling convolution (Karras et al. 2020, section 4). Each of
  the four output phases is a convolution with the taps that reach it, 9
  multiplications for a source pixel, and is filtered before they meet.

  [batch, h, w, in] and a kernel [3, 3, in, out], as PyTorch's conv_transpose2d
  takes it, give [batch, 2h, 2w, out].
  """
  _, height, width, _ = x.shape
  padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
  # Of 2h + 1 rows, even ones see two source rows, odd ones see one (and the
  # two beyond the border, which the filter needs, see none).
  taps = (slice(None, None, -2), slice(1, 2))
  even, odd = (
    [conv(padded, kernel[down, across], 'VALID') for across in taps]
    for down in taps
  )
  columns = [_fir(even[b], odd[b], axis=1, size=height) for b in (0, 1)]
  rows = zip(*columns, strict=True)
  return _interleave([_fir(a, b, axis=2, size=width) for a, b in rows])


def _fir(
  even: chex.Array, odd: chex.Array, axis: int, size: int
) -> tuple[chex.Array, chex.Array]:
  """Filters an axis given by size + 1 even elements and the odd ones between
  them, a zero at either end; returns `size` even and odd ones."""

  def at(x: chex.Array, start: int) -> chex.Array:
    return lax.slice_in_dim(x, start, start + size, axis=axis)

  near, far = _FIR
  return (
    far * (at(odd, 0) + at(even, 1)) + near * (at(even, 0) + at(odd, 1)),
    far * (at(even, 0) + at(odd, 2)) + near * (at(odd, 1) + at(even, 1)),
  )


def neighbours(
  x: chex.Array,
  axis: int,
  taps: int,
  pad: int = 1,
  stride: int = 1,
  **mode: str,
) -> list[chex.Array]:
  """What a filter of so many taps sees along an axis that is padded at both
  ends, with zeros unless told: of every tap the pixels that it meets."""
  padding = [(0, 0)] * x.ndim
  padding[axis] = (pad, pad)
  padded = jnp.pad(x, padding, **mode)
  size = padded.shape[axis] - taps + 1
  return [
    lax.slice_in_dim(padded, i, i + size, stride, axis) for i in range(taps)
  ]


def upsample(x: chex.Array) -> chex.Array:
  """Zeros between the pixels, then the filter of `_FIR`.

  Bilinear interpolation, but for a border of zeros; [batch, h, w, c] to
  [batch, 2h, 2w, c].
  """
  near, far = _FIR
  for axis in (1, 2):
    before, _, after = neighbours(x, axis, 3)
    pair = [far * before + near * x, near * x + far * after]
    shape = list(x.shape)
    shape[axis] *= 2
    x = jnp.stack(pair, axis=axis + 1).reshape(shape)
  return x


def _interleave(phases: Sequence[Sequence[chex.Array]]) -> chex.Array:
  """phases[a][b] [batch, h, w, c] is pixel (a, b) of every 2x2 pixels of the
  result [batch, 2h, 2w, c]."""
  y = jnp.stack([jnp.stack(row, axis=3) for row in phases], axis=2)
  batch, height, _, width, _, channels = y.shape
  return y.reshape(batch, 2 * height, 2 * width, channels)


def blur(x: chex.Array) -> chex.Array:
  """[1, 2, 1] x [1, 2, 1] / 16, zero-padded; [batch, h, w, c] to the same."""
  for axis in (1, 2):
    before, _, after = neighbours(x, axis, 3)
    x = 0.25 * before + 0.5 * x + 0.25 * after
  return x


def instance_norm(x: chex.Array, eps: float) -> chex.Array:
  """Zero mean and unit variance per image and channel (biased variance).

  Statistics are float32 whatever the type of x, [batch, h, w, c].
  """
  x32 = x.astype(jnp.float32)
  centred = x32 - x32.mean((1, 2), keepdims=True)
  variance = jnp.square(centred).mean((1, 2), keepdims=True)
  return (centred * lax.rsqrt(variance + eps)).astype(x.dtype)


def leaky_relu(x: chex.Array) -> chex.Array:
  """max(x, 0.2 x)."""
  return jnp.maximum(x, 0.2 * x)


def activate(x: chex.Array) -> chex.Array:
  """Leaky ReLU that keeps the mean square of its input."""
  return leaky_relu(x) * math.sqrt(2)


def pixel_norm(z: chex.Array, eps: float = 1e-8) -> chex.Array:
  """Scales latents [batch, n] to unit mean square."""
  return z * lax.rsqrt(jnp.square(z).mean(-1, keepdims=True) + eps)


class EqualizedDense(nn.Module):
  """Dense layer with an equalised learning rate."""

  size: int  # number of outputs
  gain: float = 1  # of the weight at run time
  lr: float = 1  # learning rate of this layer over that of others
  bias: float = 0  # what biases start from
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    """[..., in] to [..., size]."""
    fan_in = x.shape[-1]
    normal = nn.initializers.normal(1 / self.lr)
    kernel = self.param('kernel', normal, (fan_in, self.size))
    bias = self.param('bias', nn.initializers.constant(self.bias), (self.size,))
    product = dense_in_parts if x.ndim == 2 else dense
    y = product(x.astype(self.dtype), kernel.astype(self.dtype))
    # After the product: so the weights are not rounded once more.
    y = y * multiplier(fan_in, self.gain, self.lr)
    return add_channels(y, bias * self.lr)
