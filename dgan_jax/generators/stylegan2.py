"""StyleGAN2 (Karras et al. 2020) as a pure function that shows its features.

Covers the official networks (TensorFlow, StyleGAN2-ADA in PyTorch) and the
community's port that EditGAN uses: they compute the same, up to `conv_clamp`.
A style scales the activations before the convolution and after it (the
demodulation) rather than its weights, so that samples share one kernel and no
grouped convolution is needed.
"""

import dataclasses
import math
from typing import Annotated, Any

import chex
import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from dgan_jax import pyramid, validation
from dgan_jax.generators import layers, stylegan

BLOCKS = ('skip', 'resnet', 'orig')
_DEMODULATION_EPS = 1e-8


@dataclasses.dataclass(frozen=True)
class StyleGAN2(stylegan.StyleGAN):
  """The architecture; see `StyleGAN`.

  Its pyramid is the one that EditGAN (Ling et al. 2021) reads: the constant,
  then every convolution after its activation. Of residual blocks the second
  level is the block's output, sum included.
  """

  num_labels: validation.Whole = 0  # classes; 0 if it is not conditional
  # How blocks are connected (figure 7 of the paper): 'skip' sums an image of
  # every resolution, 'resnet' adds blocks to what they are given, 'orig' does
  # neither.
  block: Annotated[str, validation.choice(BLOCKS)] = 'skip'
  # Bound of every layer's output in networks that were trained with half
  # precision (256 in StyleGAN2-ADA); None: no bound.
  conv_clamp: validation.Positive | None = None

  @property
  def truncation_layers(self) -> int:
    """Rows that truncation acts on unless told: all."""
    return self.num_ws

  @property
  def noise_resolutions(self) -> tuple[int, ...]:
    """Sizes of the noise maps, one for every convolution."""
    return tuple(r for r in self.resolutions for _ in range(2))[1:]

  def mapping_network(self) -> nn.Module:
    return stylegan.Mapping(self, 1, layers.activate)

  def synthesis_network(self, dtype: chex.ArrayDType) -> nn.Module:
    return Synthesis(self, dtype)


class StyledConv(nn.Module):
  """3x3 convolution under a style, noise, bias and activation, within the bound
  `clamp` if there is one."""

  size: int
  upsample: bool = False
  clamp: float | None = None
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(
    self, x: chex.Array, w: chex.Array, noise: chex.Array | None
  ) -> chex.Array:
    """[batch, h, w, in], w [batch, latent_size], noise [batch or 1, h', w', 1]
    to [batch, h', w', size]."""
    fan_in = x.shape[-1]
    shape = (3, 3, fan_in, self.size)
    kernel = self.param('kernel', nn.initializers.normal(1), shape)
    strength = self.param('noise_strength', nn.initializers.zeros, ())
    bias = self.param('bias', nn.initializers.zeros, (self.size,))
    # The kernel's multiplier goes into the style: a batch has few styles.
    style = layers.EqualizedDense(fan_in, bias=1, name='style')(w)
    style = style * layers.multiplier(9 * fan_in, gain=1)
    # Tap by tap: XLA's sum over leading axes is forty times slower on a CPU.
    squares = sum(jnp.square(kernel[a, b]) for a in range(3) for b in range(3))
    power = layers.dense(jnp.square(style), squares)
    demodulation = lax.rsqrt(power + _DEMODULATION_EPS)
    x = x * per_channel(style, self.dtype)
    conv = layers.transposed_conv if self.upsample else layers.conv
    y = conv(x, kernel.astype(self.dtype))
    y = y * per_channel(demodulation, self.dtype)
    if noise is not None:
      y = y + (noise * strength).astype(self.dtype)
    return bounded(layers.activate(layers.add_channels(y, bias)), self.clamp)


class ToRGB(nn.Module):
  """1x1 convolution under a style that is not demodulated, and bias."""

  clamp: float | None = None
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, x: chex.Array, w: chex.Array) -> chex.Array:
    """[batch, h, w, in], w [batch, latent_size] to float32 [batch, h, w, 3]."""
    fan_in = x.shape[-1]
    kernel = self.param('kernel', nn.initializers.normal(1), (fan_in, 3))
    bias = self.param('bias', nn.initializers.zeros, (3,))
    kernel = kernel * layers.multiplier(fan_in, gain=1)
    style = layers.EqualizedDense(fan_in, bias=1, name='style')(w)
    x = x * per_channel(style, self.dtype)
    y = layers.dense(x, kernel.astype(self.dtype)).astype(jnp.float32)
    return bounded(layers.add_channels(y, bias), self.clamp)


def per_channel(scale: chex.Array, dtype: chex.ArrayDType) -> chex.Array:
  """Factors [batch, c] of the channels of [batch, h, w, c]."""
  return scale[:, None, None].astype(dtype)


def bounded(x: chex.Array, bound: float | None) -> chex.Array:
  """x within [-bound, bound]; as it is if there is none."""
  return x if bound is None else jnp.clip(x, -bound, bound)


class Block(nn.Module):
  """All layers of one resolution; the 4x4 block starts from a constant."""

  architecture: StyleGAN2
  resolution: int
  size: int
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: chex.Array | None,
    image: chex.Array | None,
    ws: chex.Array,
    noise: tuple[chex.Array | None, ...],
  ) -> tuple[chex.Array, tuple[chex.Array, chex.Array], chex.Array | None]:
    """From output and image of the block before, [batch, r / 2, r / 2, ...],
    None where there is none: (output, two levels of the pyramid, image so far).
    There is a noise map for each convolution and one row of ws more."""
    architecture = self.architecture
    conv = {'clamp': architecture.conv_clamp, 'dtype': self.dtype}
    if x is None:
      shape = (4, 4, self.size)
      const = self.param('const', nn.initializers.normal(1), shape)
      first = jnp.repeat(const[None].astype(self.dtype), ws.shape[0], axis=0)
    else:
      up = StyledConv(self.size, upsample=True, name='conv_0', **conv)
      first = up(x, ws[:, 0], noise[0])
    same = StyledConv(self.size, name='conv_1', **conv)
    second = same(first, ws[:, -2], noise[-1])
    if x is not None and architecture.block == 'resnet':
      skip = Skip(self.size, self.dtype, name='skip')(x)
      second = (skip + second) * math.sqrt(0.5)
    is_last = self.resolution == architecture.resolution
    if is_last or architecture.block == 'skip':
      rgb = ToRGB(name='to_rgb', **conv)(second, ws[:, -1])
      image = rgb if image is None else layers.upsample(image) + rgb
    return second, (first, second), image


class Skip(nn.Module):
  """What a residual block adds its convolutions to: its input, upsampled."""

  size: int
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    """[batch, h, w, in] to [batch, 2h, 2w, size]."""
    fan_in = x.shape[-1]
    shape = (fan_in, self.size)
    kernel = self.param('kernel', nn.initializers.normal(1), shape)
    kernel = kernel * layers.multiplier(fan_in, gain=1)
    return layers.upsample(layers.dense(x, kernel.astype(self.dtype)))


class Synthesis(nn.Module):
  """Styles to image and features."""

  architecture: StyleGAN2
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(
    self, ws: chex.Array, noise: tuple[chex.Array, ...] | None
  ) -> tuple[chex.Array, pyramid.FeaturePyramid]:
    architecture = self.architecture
    maps: Any = noise or (None,) * len(architecture.noise_resolutions)
    x: Any = None
    image: Any = None
    levels: tuple[chex.Array, ...] = ()
    for i, (resolution, size) in enumerate(
      zip(architecture.resolutions, architecture.channels, strict=True)
    ):
      name = f'block_{resolution}'
      block = Block(architecture, resolution, size, self.dtype, name=name)
      # Convolutions count from 0 at 4x4, which has one; others have two.
      first, end = max(2 * i - 1, 0), 2 * i + 1
      x, pair, image = block(x, image, ws[:, first : end + 1], maps[first:end])
      levels += pair
    return image, pyramid.FeaturePyramid(levels)
