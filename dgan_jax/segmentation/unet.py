"""A U-Net (Ronneberger et al. 2015, "U-Net: convolutional networks for
biomedical image segmentation"), small and quick on CPUs: what comes from below
is reduced before it is enlarged, and added to what was seen on the way down.

Nothing in it crosses from one image of a batch to another.
"""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import chex
import flax.linen as nn
import jax.numpy as jnp

from dgan_jax import errors, validation
from dgan_jax.generators import layers


@dataclasses.dataclass(frozen=True)
class UNet:
  """The architecture: everything about the network but its weights."""

  num_classes: validation.Count
  # At full size, half of it, a quarter ...; 4 levels suit 64 pixels (900,000
  # parameters with 20 classes), 5 levels 128 pixels.
  channels: tuple[validation.Count, ...] = (32, 64, 96, 192)
  # That channels are normalised in (Wu and He 2018).
  groups: validation.Count = 8

  def __post_init__(self) -> None:
    validation.check(self)
    if not self.channels or any(size % self.groups for size in self.channels):
      expected = f'one multiple of {self.groups} (groups) for every level'
      validation.refuse('channels', self.channels, expected)

  @property
  def num_features(self) -> int:
    """Length of what `features` gives of an image."""
    return sum(self.channels)

  def check_size(self, size: Sequence[int]) -> None:
    """Raises errors.UserError for a (height, width) that cannot be halved as
    often as there are levels below the first."""
    unit = 2 ** (len(self.channels) - 1)
    if any(side % unit or not side for side in size):
      raise errors.UserError(
        f'Images of {size[0]} x {size[1]} (height x width) cannot be halved '
        f'{len(self.channels) - 1} times; expected multiples of {unit}, or '
        'fewer channels.'
      )

  def label(self, params: Any, images: chex.Array) -> chex.Array:
    """Logits [batch, height, width, num_classes] of images [batch, height,
    width, 3] in 0 to 255, uint8 or float; for the size see `check_size`."""
    return self._apply(params, images)[0]

  def features(self, params: Any, images: chex.Array) -> chex.Array:
    """What the way down has seen, with no regard to where: the mean over
    pixels of every channel of every level, [batch, num_features]."""
    levels = self._apply(params, images)[1]
    return jnp.concatenate([level.mean((1, 2)) for level in levels], axis=-1)

  def init(self, key: chex.PRNGKey) -> Any:
    """Random parameters."""
    side = 2 ** (len(self.channels) - 1)
    return _Network(self).init(key, jnp.zeros((1, side, side, 3)))['params']

  def _apply(self, params: Any, images: chex.Array) -> Any:
    chex.assert_shape(images, (None, None, None, 3))
    images = images.astype(jnp.float32) / 127.5 - 1
    return _Network(self).apply({'params': params}, images)


class _Network(nn.Module):
  architecture: UNet

  @nn.compact
  def __call__(self, x: chex.Array) -> tuple[chex.Array, list[chex.Array]]:
    """[batch, h, w, 3] to (logits, the levels on the way down)."""
    sizes, groups = self.architecture.channels, self.architecture.groups
    layer = functools.partial(Layer, groups=groups)
    levels: list[chex.Array] = []
    for depth, size in enumerate(sizes):
      if depth:
        x = halve(x)
      x = layer(size, name=f'down_{depth}_0')(x)
      x = layer(size, name=f'down_{depth}_1')(x)
      levels.append(x)
    for depth in reversed(range(len(sizes) - 1)):
      below = nn.Dense(sizes[depth], name=f'reduce_{depth}')(x)
      x = layer(sizes[depth], name=f'up_{depth}')(double(below) + levels[depth])
    return nn.Dense(self.architecture.num_classes, name='logits')(x), levels


class Layer(nn.Module):
  """3x3 convolution, group normalisation, ReLU."""

  size: int
  groups: int

  @nn.compact
  def __call__(self, x: chex.Array) -> chex.Array:
    shape = (3, 3, x.shape[-1], self.size)
    kernel = self.param('kernel', nn.initializers.he_normal(), shape)
    x = layers.conv(x, kernel)
    return nn.relu(nn.GroupNorm(self.groups, name='norm')(x))


def halve(x: chex.Array) -> chex.Array:
  """The mean of every 2x2 pixels."""
  batch, height, width, channels = x.shape
  tiles = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
  return tiles.mean((2, 4))


def double(x: chex.Array) -> chex.Array:
  """Every pixel as 2x2 pixels."""
  return x.repeat(2, axis=1).repeat(2, axis=2)
