"""Which samples to annotate: those that together stand for all.

Whoever paints sixteen masks wants sixteen different things to paint. So many
more samples are drawn, and of them the medoids are taken: the ones that leave
the others least far from the nearest of them (Kaufman and Rousseeuw 1990,
"Finding Groups in Data", chapter 2).
"""

import chex
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import parallel, rng
from dgan_jax.generators import generator as generators

# Feature maps of this size tell which way a thing looks and how it is built,
# without being about single pixels.
_RESOLUTION = 8
# Candidates, at most: it takes a matrix of all their distances.
MOST = 10_000
# Samples that a device draws in one go.
_BLOCK_SIZE = 16


def choose(
  generator: generators.Generator,
  sampling: generators.Sampling,
  seed: int,
  count: int,
  candidates: int,
  first: int = 0,
) -> np.ndarray:
  """Which samples of a seed to annotate: of so many candidates from index
  `first` on; where these are not more than `count`, the first ones.

  Returns:
    Indices int64 [count], ascending.
  """
  if candidates <= count:
    return np.arange(first, first + count)
  indices = np.arange(first, first + candidates)
  keys = rng.sample_keys(rng.root_key(seed), indices)
  return indices[medoids(describe(generator, sampling, keys), count)]


def describe(
  generator: generators.Generator,
  sampling: generators.Sampling,
  keys: chex.PRNGKey,
) -> np.ndarray:
  """What samples of keys [n] look like from afar: their feature maps of 8 x 8,
  float32 [n, d], scaled so that every map has a say."""
  run = parallel.map_items(_maps, generator, _BLOCK_SIZE, static=(sampling,))
  described = parallel.collect(run(np.asarray(jax.random.key_data(keys))))
  scaled = [x / max(np.sqrt(x.var(0).sum()), 1e-12) for x in described]
  return np.concatenate(scaled, axis=1)


def _maps(
  sampling: generators.Sampling,
  generator: generators.Generator,
  keys: chex.Array,
) -> tuple[chex.Array, ...]:
  keys = rng.key_from_data(keys)
  _, _, pyramid = generators.sample(generator, keys, sampling)
  maps = [x for x in pyramid.levels if x.shape[1] == _RESOLUTION]
  return tuple(x.reshape(len(x), -1).astype(jnp.float32) for x in maps)


def medoids(points: np.ndarray, count: int) -> np.ndarray:
  """Of points [n, d] those nearest to all, by distance to the nearest of them,
  in sum: places int64 [count], 1 to n of them, ascending. No exchange of one
  for another point is better."""
  distances = _distances(points)
  chosen = [int(distances.sum(0).argmin())]
  nearest = distances[chosen[0]]
  while len(chosen) < count:
    gains = np.maximum(nearest - distances, 0).sum(1)
    gains[chosen] = -1  # equal points gain nothing either
    chosen.append(int(gains.argmax()))
    nearest = np.minimum(nearest, distances[chosen[-1]])
  exchanged = count > 1
  while exchanged:
    exchanged = False
    for place in range(count):
      others = distances[chosen[:place] + chosen[place + 1 :]].min(0)
      costs = np.minimum(others, distances).sum(1)
      best = int(costs.argmin())
      if costs[best] < costs[chosen[place]] * (1 - 1e-6):
        chosen[place], exchanged = best, True
  return np.sort(chosen)


def _distances(points: np.ndarray) -> np.ndarray:
  """Euclidean, float64 [n, n]."""
  points = points - points.mean(0)
  products = (points @ points.T).astype(np.float64)
  squares = products.diagonal()
  squared = squares[:, None] + squares[None] - 2 * products
  distances: np.ndarray = np.sqrt(np.maximum(squared, 0))
  return distances
