"""StyleGAN2's residual discriminator (Karras et al. 2020, section 4.1).

It judges the images of any generator. What it says of an image depends on the
others of its group too, through one number: how much they differ (Karras et
al. 2018, section 3).
"""

import dataclasses
import functools
import math
from typing import Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from dgan_jax import pyramid, validation
from dgan_jax.generators import gradients, layers, stylegan

# [1, 3, 3, 1] / 8, the filter before every second pixel is dropped.
_FAR, _NEAR = 0.125, 0.375


@dataclasses.dataclass(frozen=True)
class ResidualDiscriminator:
  """The architecture: everything about the network but its weights.

  Attributes:
    resolution, channels: see `generators.stylegan.StyleGAN`.
    group_size: images, next to each other in a batch, whose deviation the
      network is shown; 1: it sees every image by itself.
  """

  resolution: int
  channels: tuple[stylegan.Width, ...]
  group_size: validation.Count = 4

  def __post_init__(self) -> None:
    validation.check(self)
    stylegan.check(self.resolution, self.channels)

  def score(
    self, params: Any, images: chex.Array, dtype: chex.ArrayDType = jnp.float32
  ) -> chex.Array:
    """How real images [batch, resolution, resolution, 3], about [-1, 1], look:
    logits float32 [batch], positive for real. Of another `dtype` all is
    computed but the deviation of a group.

    Raises:
      ValueError: more images than one group, and not a number of whole groups.
    """
    return self.head(params, self.trunk(params, images, dtype), dtype)

  def trunk(
    self, params: Any, images: chex.Array, dtype: chex.ArrayDType = jnp.float32
  ) -> chex.Array:
    """The part of `score` in which every image is by itself: to [batch, 4, 4,
    channels[0]]."""
    size = self.resolution
    chex.assert_shape(images, (None, size, size, 3))
    result: Any = _Trunk(self, dtype).apply({'params': params}, images)
    return result

  def head(
    self, params: Any, x: chex.Array, dtype: chex.ArrayDType = jnp.float32
  ) -> chex.Array:
    """The rest of `score`, where the images of a group meet."""
    result: Any = _Head(self, dtype).apply({'params': params}, x)
    return result

  def init(self, key: chex.PRNGKey) -> Any:
    """Random parameters: weights standard normal, biases zero."""
    images = jnp.zeros((1, self.resolution, self.resolution, 3))
    trunk_key, head_key = jax.random.split(key)
    x, trunk = _Trunk(self).init_with_output(trunk_key, images)
    return {**trunk['params'], **_Head(self).init(head_key, x)['params']}


class _Trunk(nn.Module):
  architecture: ResidualDiscriminator
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, images: chex.Array) -> chex.Array:
    architecture = self.architecture
    sizes = architecture.channels[::-1]
    from_rgb = Convolution(sizes[0], 1, dtype=self.dtype, name='from_rgb')
    x = layers.activate(from_rgb(images.astype(self.dtype)))
    resolutions = pyramid.resolutions_up_to(architecture.resolution)[:0:-1]
    for resolution, size in zip(resolutions, sizes[1:], strict=True):
      x = Block(size, self.dtype, name=f'block_{resolution}')(x)
    return x


class _Head(nn.Module):
  architecture: ResidualDiscriminator
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    architecture = self.architecture
    size = architecture.channels[0]
    x = append_minibatch_deviation(x, architecture.group_size)
    x = layers.activate(Convolution(size, dtype=self.dtype, name='conv')(x))
    x = x.reshape(x.shape[0], -1)
    dense = layers.EqualizedDense(size, dtype=self.dtype, name='dense')
    logits = layers.EqualizedDense(1, name='logit')(
      layers.activate(dense(x)).astype(jnp.float32)
    )
    return logits[:, 0]


class Block(nn.Module):
  """Two convolutions, the second to half the size, beside a shortcut."""

  size: int
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    """[batch, 2h, 2w, in] to [batch, h, w, size]."""
    convolution = functools.partial(Convolution, dtype=self.dtype)
    skip = convolution(self.size, 1, bias=False, name='skip')
    shortcut = skip(downsample(x))
    y = layers.activate(convolution(x.shape[-1], name='conv_0')(x))
    y = layers.activate(convolution(self.size, down=True, name='conv_1')(y))
    return (shortcut + y) * math.sqrt(0.5)


class Convolution(nn.Module):
  """Convolution of `size` channels with an equalised learning rate, its kernel
  1 or 3 wide, perhaps `down` to half the size."""

  size: int
  width: int = 3
  down: bool = False
  bias: bool = True
  dtype: chex.ArrayDType = jnp.float32

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    shape = (self.width, self.width, x.shape[-1], self.size)
    kernel = self.param('kernel', nn.initializers.normal(1), shape)
    scale = layers.multiplier(math.prod(shape[:3]), gain=1)
    kernel = (kernel * scale).astype(self.dtype)
    if self.width == 1:
      y = gradients.product(layers.dense, x, kernel[0, 0])
    elif self.down:
      y = downsampling_conv(x, kernel)
    else:
      y = gradients.product(layers.conv, x, kernel)
    if not self.bias:
      return y
    bias = self.param('bias', nn.initializers.zeros, (self.size,))
    return layers.add_channels(y, bias)


def append_minibatch_deviation(x: chex.Array, group_size: int) -> chex.Array:
  """Appends a channel with the mean standard deviation within groups of images
  next to each other: [batch, h, w, c] to [batch, h, w, c + 1]; groups of 1
  give zeros.

  Raises:
    ValueError: the batch is larger than a group and holds no whole number of
      them.
  """
  batch, height, width, channels = x.shape
  group = min(group_size, batch)
  if batch % group:
    raise ValueError(
      f'A batch of {batch} images holds no whole number of groups of {group}.'
    )
  y = x.astype(jnp.float32).reshape(-1, group, height, width, channels)
  deviation = jnp.sqrt(y.var(1) + 1e-8).mean((1, 2, 3))
  if group == 1:
    deviation = jnp.zeros_like(deviation)
  column = jnp.repeat(deviation, group)[:, None, None, None]
  channel = jnp.broadcast_to(column, (batch, height, width, 1))
  return jnp.concatenate([x, channel.astype(x.dtype)], axis=-1)


@jax.custom_vjp
def downsample(x: chex.Array) -> chex.Array:
  """The filter [1, 3, 3, 1] / 8 along both axes, zero-padded, then every
  second pixel: [batch, 2h, 2w, c] to [batch, h, w, c]."""
  return _filtered(x, stride=2)


def _filtered(x: chex.Array, pad: int = 1, stride: int = 1) -> chex.Array:
  """[1, 3, 3, 1] / 8 along both axes of what `layers.neighbours` gives."""
  for axis in (1, 2):
    taps = layers.neighbours(x, axis, 4, pad, stride)
    x = _FAR * (taps[0] + taps[3]) + _NEAR * (taps[1] + taps[2])
  return x


# Transposed, it is StyleGAN2's upsampling but for a factor of two along each
# axis. Left to JAX, a gradient would be padded once for each tap.
downsample.defvjp(
  lambda x: (_filtered(x, stride=2), None),
  lambda _, slope: (layers.upsample(slope) / 4,),
)


@jax.custom_vjp
def downsampling_conv(x: chex.Array, kernel: chex.Array) -> chex.Array:
  """The filter [1, 3, 3, 1] / 8 along both axes, then a convolution with a
  kernel [3, 3, in, out] at every second pixel: [batch, 2h, 2w, in], zero-padded
  by 2, to [batch, h, w, out]."""
  return _strided_conv(_filtered(x, pad=2), kernel)


def _downsampling_conv_forward(
  x: chex.Array, kernel: chex.Array
) -> tuple[chex.Array, tuple[chex.Array, chex.Array]]:
  blurred = _filtered(x, pad=2)
  return _strided_conv(blurred, kernel), (blurred, kernel)


def _downsampling_conv_backward(
  saved: tuple[chex.Array, chex.Array], slope: chex.Array
) -> tuple[chex.Array, chex.Array]:
  """Its transpose is StyleGAN2's upsampling convolution, as above."""
  blurred, kernel = saved
  x_gradient = layers.transposed_conv(slope, kernel.transpose(0, 1, 3, 2)) / 4
  return x_gradient, gradients.kernel_gradient(
    _strided_conv, blurred, kernel, slope
  )


downsampling_conv.defvjp(
  _downsampling_conv_forward, _downsampling_conv_backward
)


def _strided_conv(x: chex.Array, kernel: chex.Array) -> chex.Array:
  return lax.conv_general_dilated(
    x,
    kernel,
    window_strides=(2, 2),
    padding='VALID',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
    precision=layers.precision(x.dtype),
  )
