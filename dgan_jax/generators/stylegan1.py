"""StyleGAN1 (Karras et al. 2019) as a pure function that shows its features.

Follows the network of DatasetGAN's release, whose interpreters and vectors it
reproduces; the official TensorFlow code differs from it in one constant,
`instance_norm_eps`.
"""

import dataclasses
import math
from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from dgan_jax import pyramid, validation
from dgan_jax.generators import gradients, layers, stylegan


@dataclasses.dataclass(frozen=True)
class StyleGAN1(stylegan.StyleGAN):
  """The architecture; see `StyleGAN`.

  Its pyramid has per resolution the output of the second epilogue, then the
  second convolution before its noise (spec of the release).
  """

  # 1e-5 in the release, 1e-8 in the official code.
  instance_norm_eps: validation.Positive = 1e-5
  # Output resolution from which upsampling and convolution were fused in
  # training. A fused kernel is the spatial mirror of an unfused one.
  fused_from: int = 128

  @property
  def truncation_layers(self) -> int:
    """Rows that truncation acts on unless told: the release's."""
    return 8

  @property
  def noise_resolutions(self) -> tuple[int, ...]:
    """Sizes of the noise maps, two for every resolution."""
    return tuple(r for r in self.resolutions for _ in range(2))

  def mapping_network(self) -> nn.Module:
    return stylegan.Mapping(self, math.sqrt(2), layers.leaky_relu)

  def synthesis_network(self, dtype: chex.ArrayDType) -> nn.Module:
    return Synthesis(self, dtype)


class Convolution(nn.Module):
  """3x3 convolution and bias, or the same on an image twice the size."""

  size: int
  upsample: bool = False
  flip: bool = False
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    shape = (3, 3, x.shape[-1], self.size)
    kernel = self.param('kernel', nn.initializers.normal(1), shape)
    bias = self.param('bias', nn.initializers.zeros, (self.size,))
    kernel = kernel * layers.multiplier(9 * x.shape[-1])
    kernel = kernel.astype(self.dtype)
    if self.flip:
      kernel = kernel[::-1, ::-1]
    conv = layers.upsample_conv if self.upsample else layers.conv
    x = gradients.product(conv, x, kernel)
    x = layers.blur(x) if self.upsample else x
    return layers.add_channels(x, bias)


class Epilogue(nn.Module):
  """Noise, leaky ReLU, and the style: AdaIN."""

  instance_norm_eps: validation.Positive
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(
    self, x: chex.Array, w: chex.Array, noise: chex.Array | None
  ) -> chex.Array:
    channels = x.shape[-1]
    strength = self.param('noise_strength', nn.initializers.zeros, (channels,))
    if noise is not None:
      x = x + (noise * strength[None, None, None]).astype(self.dtype)
    x = layers.instance_norm(layers.leaky_relu(x), self.instance_norm_eps)
    style = layers.EqualizedDense(2 * channels, name='style')(w)[:, None, None]
    scale, shift = jnp.split(style.astype(self.dtype), 2, axis=-1)
    return x * (scale + 1) + shift


class Block(nn.Module):
  """All layers of one resolution; the 4x4 block starts from a constant."""

  architecture: StyleGAN1
  resolution: int
  size: int
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(
    self,
    x: chex.Array | None,
    ws: chex.Array,
    noise: tuple[chex.Array | None, chex.Array | None],
  ) -> tuple[chex.Array, chex.Array]:
    """Returns (after the second style, the second convolution)."""
    eps = self.architecture.instance_norm_eps
    if x is None:
      shape = (4, 4, self.size)
      const = self.param('const', nn.initializers.normal(1), shape)
      bias = self.param('bias', nn.initializers.ones, (self.size,))
      x = layers.add_channels(const[None].astype(self.dtype), bias)
      x = jnp.repeat(x, ws.shape[0], axis=0)
    else:
      flip = self.resolution >= self.architecture.fused_from
      up = Convolution(self.size, True, flip, self.dtype, name='conv_up')
      x = up(x)
    x = Epilogue(eps, self.dtype, name='epilogue_1')(x, ws[:, 0], noise[0])
    raw = Convolution(self.size, dtype=self.dtype, name='conv')(x)
    x = Epilogue(eps, self.dtype, name='epilogue_2')(raw, ws[:, 1], noise[1])
    return x, raw


class Synthesis(nn.Module):
  """Styles to image and features."""

  architecture: StyleGAN1
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(
    self, ws: chex.Array, noise: tuple[chex.Array, ...] | None
  ) -> tuple[chex.Array, pyramid.FeaturePyramid]:
    architecture = self.architecture
    maps: Any = noise or (None,) * architecture.num_ws
    x, levels = None, []
    for i, (resolution, size) in enumerate(
      zip(architecture.resolutions, architecture.channels, strict=True)
    ):
      name, rows = f'block_{resolution}', slice(2 * i, 2 * i + 2)
      block = Block(architecture, resolution, size, self.dtype, name=name)
      x, raw = block(x, ws[:, rows], maps[rows])
      levels += [x, raw]
    rgb = layers.EqualizedDense(3, name='to_rgb')(x)
    return rgb, pyramid.FeaturePyramid(tuple(levels))
