"""How far a generator's images are from real ones."""

from collections.abc import Callable

import chex
import jax
import numpy as np

from dgan_jax import errors, metrics, rng, validation
from dgan_jax.generators import generator as generators

# uint8 [n, size, size, 3] -> [n, features], float.
Extractor = Callable[[np.ndarray], np.ndarray]

# As many as have a covariance.
Images = validation.Several

_BLOCK = 16  # images that are drawn at once
_COARSE = 8  # pixels that images are reduced to


class Drawer:
  """Draws a generator's samples, untruncated: number i is always that of the
  same latent and noise."""

  def __init__(self, key: chex.PRNGKey):
    self._key = key

  def __call__(self, generator: generators.Generator, count: int) -> np.ndarray:
    """Samples 0 to count - 1, uint8 [count, size, size, 3]."""
    blocks = []
    for start in range(0, count, _BLOCK):
      keys = rng.sample_keys(self._key, start + np.arange(_BLOCK))
      blocks.append(np.asarray(_draw(generator, keys)))
    return np.concatenate(blocks)[:count]


@jax.jit
def _draw(generator: generators.Generator, keys: chex.PRNGKey) -> chex.Array:
  sampling = generators.Sampling(truncation_psi=1, noise='const')
  return generators.sample(generator, keys, sampling)[1]


class FrechetDistance:
  """The distance between the features of real images and of drawn ones
  (Heusel et al. 2017, "GANs trained by a two time-scale update rule")."""

  def __init__(
    self,
    extract: Extractor,
    reals: np.ndarray,
    *,
    name: str,
    key: chex.PRNGKey,
    count: int = 5000,
  ):
    """Measures the real side, uint8 [n, size, size, 3]: at most `count` of them
    are taken, and `count` are drawn by the key; the name is the features'.

    Raises:
      errors.UserError: of either there are fewer than two.
    """
    validation.expect('count', count, Images)
    if len(reals) < 2:
      raise errors.UserError(
        f'A distance was asked for, and there is {len(reals)} real image; '
        'give two or more, or set evaluation_images to 0.'
      )
    self.name = name
    self._extract, self._count = extract, count
    self._draw = Drawer(key)
    chosen = np.linspace(0, len(reals), min(count, len(reals)), endpoint=False)
    self._reals = self._moments(np.asarray(reals[chosen.astype(int)]))

  def __call__(self, generator: generators.Generator) -> float:
    """The distance, 0 or more; the lower the better."""
    drawn = self._moments(self._draw(generator, self._count))
    return metrics.frechet_distance(*self._reals, *drawn)

  def _moments(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    blocks = [
      self._extract(images[i : i + 256]) for i in range(0, len(images), 256)
    ]
    found = np.concatenate(blocks, dtype=np.float64)
    return found.mean(0), np.cov(found, rowvar=False)


def coarse_pixels(images: np.ndarray) -> np.ndarray:
  """Features for when there is no network: images uint8 [n, size, size, 3],
  size a multiple of 8, reduced to 8x8 pixels, float32 [n, 192] in [-1, 1].
  They tell colours and where things are, no details."""
  count, size = images.shape[:2]
  block = size // _COARSE
  tiles = images.reshape(count, _COARSE, block, _COARSE, block, 3)
  means = tiles.mean((2, 4), dtype=np.float32) / 127.5 - 1
  return means.reshape(count, -1)
