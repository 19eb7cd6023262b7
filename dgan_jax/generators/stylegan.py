"""What StyleGAN1 and StyleGAN2 share: resolutions 4, 8, 16, ... of two layers
each, up to the image, and the way from z to w."""

import dataclasses
from collections.abc import Callable
from typing import Annotated, Any

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp

from dgan_jax import pyramid, validation
from dgan_jax.generators import layers

# Of a layer, and layers between z and w.
Width = Annotated[int, validation.between(1, 2**16)]
Depth = Annotated[int, validation.between(1, 100)]
MIN_RESOLUTION, MAX_RESOLUTION = 8, 1024


def check(resolution: int, channels: tuple[int, ...]) -> None:
  """Checks an image size, and that every resolution has its channels.

  Raises:
    ValueError: it is no power of two from 8 to 1024, or they are too few or
      too many.
  """
  stages = max(resolution, 1).bit_length() - 2
  if resolution != 2 ** (stages + 1) or not (
    MIN_RESOLUTION <= resolution <= MAX_RESOLUTION
  ):
    expected = f'a power of two from {MIN_RESOLUTION} to {MAX_RESOLUTION}'
    validation.refuse('resolution', resolution, expected)
  if len(channels) != stages:
    expected = f'{stages}, one per resolution up to {resolution}'
    validation.refuse('channels', channels, expected)


@dataclasses.dataclass(frozen=True)
class StyleGAN:
  """The architecture: everything about a network but its weights."""

  resolution: int  # height and width of the image, a power of two, 8 to 1024
  channels: tuple[Width, ...]  # of every resolution from 4x4 up
  latent_size: Width = 512  # length of z and of w
  mapping_layers: Depth = 8  # dense layers between z and w

  def __post_init__(self) -> None:
    validation.check(self)
    check(self.resolution, self.channels)

  @property
  def num_labels(self) -> int:
    """Classes of a conditional network; 0 if it is none."""
    return 0

  @property
  def resolutions(self) -> tuple[int, ...]:
    return pyramid.resolutions_up_to(self.resolution)

  @property
  def num_ws(self) -> int:
    """Rows of ws."""
    return 2 * len(self.channels)

  @property
  def feature_channels(self) -> tuple[int, ...]:
    """Channels of every level of the pyramid."""
    return tuple(c for c in self.channels for _ in range(2))

  def mapping_network(self) -> nn.Module:
    """(z, labels) -> w."""
    raise NotImplementedError

  def synthesis_network(self, dtype: chex.ArrayDType) -> nn.Module:
    """(ws, noise) -> (rgb, pyramid)."""
    raise NotImplementedError

  def map(
    self, params: Any, z: chex.Array, labels: chex.Array | None = None
  ) -> chex.Array:
    """Latents to w.

    Args:
      params: as `init` lays them out.
      z: [batch, latent_size].
      labels: ints [batch] in [0, num_labels), for a conditional network.

    Returns:
      w [batch, latent_size].

    Raises:
      ValueError: a conditional network without labels.
    """
    chex.assert_shape(z, (None, self.latent_size))
    if self.num_labels and labels is None:
      raise ValueError(f'A network of {self.num_labels} classes needs labels.')
    network = self.mapping_network()
    result: Any = network.apply({'params': params['mapping']}, z, labels)
    return result

  def synthesize(
    self,
    params: Any,
    ws: chex.Array,
    noise: tuple[chex.Array, ...] | None,
    dtype: chex.ArrayDType = jnp.float32,
  ) -> tuple[chex.Array, pyramid.FeaturePyramid]:
    """Styles to an image and its features.

    Args:
      params: as `init` lays them out.
      ws: [batch, rows, latent_size] with rows >= num_ws; more are ignored.
      noise: [batch or 1, r, r, 1] for r in `noise_resolutions`, or None.
      dtype: of the computation; styles, statistics and the image stay float32.

    Returns:
      rgb float32 [batch, resolution, resolution, 3], about [-1, 1], and the
      pyramid that the class describes.
    """
    chex.assert_rank(ws, 3)
    network = self.synthesis_network(dtype)
    result: Any = network.apply({'params': params['synthesis']}, ws, noise)
    return result

  def init(self, key: chex.PRNGKey) -> Any:
    """Random parameters: weights standard normal, biases of StyleGAN2's styles
    and of StyleGAN1's constant one, other biases zero."""
    z = jnp.zeros((1, self.latent_size))
    ws = jnp.zeros((1, self.num_ws, self.latent_size))
    labels = jnp.zeros((1,), int) if self.num_labels else None
    mapping_key, synthesis_key = jax.random.split(key)
    mapping = self.mapping_network().init(mapping_key, z, labels)
    network = self.synthesis_network(jnp.float32)
    synthesis = network.init(synthesis_key, ws, None)
    return {'mapping': mapping['params'], 'synthesis': synthesis['params']}


class Mapping(nn.Module):
  """z, and the class of a conditional network, to w: pixel norm, then dense
  layers that learn at a hundredth the rate."""

  architecture: StyleGAN
  gain: float
  activation: Callable[[chex.Array], chex.Array]

  @nn.compact
  def __call__(self, z: chex.Array, labels: chex.Array | None) -> chex.Array:
    size = self.architecture.latent_size
    num_labels = self.architecture.num_labels
    x = layers.pixel_norm(z)
    if num_labels:
      embed = layers.EqualizedDense(size, name='embed')
      embedded = embed(jax.nn.one_hot(labels, num_labels))
      x = jnp.concatenate([x, layers.pixel_norm(embedded)], axis=-1)
    for i in range(self.architecture.mapping_layers):
      dense = layers.EqualizedDense(size, self.gain, 0.01, name=f'dense_{i}')
      x = self.activation(dense(x))
    return x
