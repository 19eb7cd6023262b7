"""The Inception-v3 of the FID: all but its classifier.

Szegedy et al. 2016, "Rethinking the Inception architecture for computer
vision", as in Google's TensorFlow graph of 2015-12-05. It differs from other
networks of the name: averages leave out what was padded, and the last block
takes maxima. Modules are named as in PyTorch's ports of it.
"""

from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp
from jax import lax

from dgan_jax.generators import layers


class Layer(nn.Module):
  """Convolution, bias, ReLU."""

  size: int  # channels of the output
  window: tuple[int, int] = (1, 1)  # (height, width) of the kernel
  stride: int = 1
  padding: str = 'SAME'  # with zeros, or 'VALID' without

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    zeros = nn.initializers.zeros
    shape = (*self.window, x.shape[-1], self.size)
    kernel = self.param('kernel', zeros, shape)
    bias = self.param('bias', zeros, shape[-1:])
    y = lax.conv_general_dilated(
      x,
      kernel,
      window_strides=(self.stride, self.stride),
      padding=self.padding,
      dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
      precision=layers.precision(x.dtype),
    )
    return nn.relu(layers.add_channels(y, bias))


# What makes it halve, without padding.
_HALVING = ((3, 3), 2, 'VALID')


def _chain(x: chex.Array, name: str, *layers: Any) -> chex.Array:
  """Layers one after another, their names numbered from 1."""
  for number, arguments in enumerate(layers, 1):
    x = Layer(*arguments, name=f'{name}_{number}')(x)
  return x


class BlockA(nn.Module):
  """Of 35 x 35 pixels; as figure 5, but one 5x5 convolution is left."""

  pooled: int  # channels made of averages

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    single = Layer(64, name='branch1x1')(x)
    large = _chain(x, 'branch5x5', (48,), (64, (5, 5)))
    double = _chain(x, 'branch3x3dbl', (64,), (96, (3, 3)), (96, (3, 3)))
    mean = Layer(self.pooled, name='branch_pool')(average_pool(x))
    return jnp.concatenate([single, large, double, mean], -1)


class BlockB(nn.Module):
  """From 35 x 35 to 17 x 17 pixels; figure 10."""

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    single = Layer(384, *_HALVING, name='branch3x3')(x)
    double = _chain(x, 'branch3x3dbl', (64,), (96, (3, 3)), (96, *_HALVING))
    return jnp.concatenate([single, double, halving_pool(x)], -1)


class BlockC(nn.Module):
  """Of 17 x 17 pixels; figure 6."""

  size: int  # channels between the convolutions

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    size, row, column = self.size, (1, 7), (7, 1)
    down, along = (size, column), (size, row)
    single = Layer(192, name='branch1x1')(x)
    large = _chain(x, 'branch7x7', (size,), along, (192, column))
    double = _chain(x, 'branch7x7dbl', (size,), down, along, down, (192, row))
    mean = Layer(192, name='branch_pool')(average_pool(x))
    return jnp.concatenate([single, large, double, mean], -1)


class BlockD(nn.Module):
  """From 17 x 17 to 8 x 8 pixels."""

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    square = (192, (1, 7)), (192, (7, 1))
    small = _chain(x, 'branch3x3', (192,), (320, *_HALVING))
    large = _chain(x, 'branch7x7x3', (192,), *square, (192, *_HALVING))
    return jnp.concatenate([small, large, halving_pool(x)], -1)


class BlockE(nn.Module):
  """Of 8 x 8 pixels; figure 7."""

  maximum: bool  # whether maxima stand in for averages

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    row, column = (1, 3), (3, 1)
    around = max_pool if self.maximum else average_pool
    single = Layer(320, name='branch1x1')(x)
    small = Layer(384, name='branch3x3_1')(x)
    small_row = Layer(384, row, name='branch3x3_2a')(small)
    small_column = Layer(384, column, name='branch3x3_2b')(small)
    large = _chain(x, 'branch3x3dbl', (448,), (384, (3, 3)))
    large_row = Layer(384, row, name='branch3x3dbl_3a')(large)
    large_column = Layer(384, column, name='branch3x3dbl_3b')(large)
    seen = Layer(192, name='branch_pool')(around(x))
    return jnp.concatenate(
      [single, small_row, small_column, large_row, large_column, seen], -1
    )


class Network(nn.Module):
  """All but the classifier; names are those of the weights' file."""

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    """[batch, 299, 299, 3] in [-1, 1] to [batch, 8, 8, 2048]."""
    x = Layer(32, *_HALVING, name='Conv2d_1a_3x3')(x)
    x = Layer(32, (3, 3), padding='VALID', name='Conv2d_2a_3x3')(x)
    x = Layer(64, (3, 3), name='Conv2d_2b_3x3')(x)
    x = Layer(80, name='Conv2d_3b_1x1')(halving_pool(x))
    x = Layer(192, (3, 3), padding='VALID', name='Conv2d_4a_3x3')(x)
    x = BlockA(32, name='Mixed_5b')(halving_pool(x))
    x = BlockA(64, name='Mixed_5c')(x)
    x = BlockA(64, name='Mixed_5d')(x)
    x = BlockB(name='Mixed_6a')(x)
    x = BlockC(128, name='Mixed_6b')(x)
    x = BlockC(160, name='Mixed_6c')(x)
    x = BlockC(160, name='Mixed_6d')(x)
    x = BlockC(192, name='Mixed_6e')(x)
    x = BlockD(name='Mixed_7a')(x)
    x = BlockE(maximum=False, name='Mixed_7b')(x)
    return BlockE(maximum=True, name='Mixed_7c')(x)


def average_pool(x: chex.Array) -> chex.Array:
  """The mean of every 3x3 pixels, of those that there are at the borders."""
  return nn.avg_pool(x, (3, 3), (1, 1), 'SAME', count_include_pad=False)


def max_pool(x: chex.Array) -> chex.Array:
  """The maximum of every 3x3 pixels."""
  return nn.max_pool(x, (3, 3), (1, 1), 'SAME')


def halving_pool(x: chex.Array) -> chex.Array:
  """The maximum of every 3x3 pixels, in steps of two, without padding."""
  return nn.max_pool(x, (3, 3), (2, 2))
