"""A generator of two blobs whose places are known from the latent."""

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from dgan_jax import pyramid as pyramid_lib
from dgan_jax import schema
from dgan_jax.generators import generator as generators

SIZE = 32
SCHEMA = schema.Schema.from_json(
  {'name': 'blobs', 'classes': ['blob'], 'keypoints': ['red', 'blue']}
)


def places(z):
  """Of the two blobs in images of latents [n, 6]: float32 [n, 2, 3], x, y and
  whether it is there; the second often is not."""
  where = SIZE * (0.5 + 0.4 * jnp.tanh(jnp.asarray(z)[:, :4]))
  x, y = where[:, 0::2], where[:, 1::2]
  there = jnp.stack([jnp.ones(len(x)), z[:, 4] > 0], -1)
  return jnp.stack([x, y, there], -1)


@dataclasses.dataclass(frozen=True)
class Blobs:
  """What a generator asks of its architecture."""

  resolution: int = SIZE
  latent_size: int = 6
  num_ws: int = 1
  num_labels: int = 0
  truncation_layers: int = 1
  noise_resolutions: tuple[int, ...] = ()
  feature_channels: tuple[int, ...] = (2, 3)

  def map(self, params, z, labels):
    del params, labels
    return z

  def synthesize(self, params, ws, noise, dtype):
    del params, noise
    x, y, there = jnp.moveaxis(places(ws[:, 0]), -1, 0)

    def blobs(size, sigma):
      centre = (jnp.arange(size) + 0.5)[None, :, None] * (SIZE / size)
      across = jnp.square(centre - x[:, None])
      down = jnp.square(centre - y[:, None])
      distance = across[:, None] + down[:, :, None]
      bumps = jnp.exp(-distance / (2 * sigma**2))
      return there[:, None, None] * bumps

    coarse, fine = blobs(SIZE // 2, 6.0), blobs(SIZE, 3.0)
    light = jnp.concatenate([fine, fine[..., :1]], -1)
    pyramid = pyramid_lib.FeaturePyramid(
      (coarse.astype(dtype), light.astype(dtype))
    )
    return 2 * light - 1, pyramid


_ANY: Any = Blobs()  # no architecture of ours
GENERATOR = generators.Generator(_ANY, {}, np.zeros((1, 6), np.float32))
