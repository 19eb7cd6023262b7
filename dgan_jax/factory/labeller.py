"""From indices to finished samples, on all devices."""

from collections.abc import Callable, Iterator
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import parallel, rng
from dgan_jax.factory import sample as sample_lib
from dgan_jax.generators import generator as generator_lib
from dgan_jax.interpreter import ensemble, labelling

Labeller = Callable[
  [chex.PRNGKey, np.ndarray], Iterator[sample_lib.LabelledSample]
]


def labelled_block(
  generator: generator_lib.Generator,
  interpreter: ensemble.Interpreter,
  sampling: generator_lib.Sampling,
  keys: chex.PRNGKey,
  tile_pixels: int = labelling.TILE_PIXELS,
) -> dict[str, chex.Array]:
  """Samples and their labels as one computation: latent to finished sample.

  Args:
    generator: latent -> image and features.
    interpreter: features -> labels.
    sampling: truncation, noise, crop and type.
    keys: [n], one per sample.
    tile_pixels: see `labelling.label`.

  Returns:
    The arrays of `LabelledSample`, each with a leading axis [n].
  """
  z, image, pyramid = generator_lib.sample(generator, keys, sampling)
  canvas = sampling.canvas(generator.architecture)
  labels = labelling.label(interpreter, pyramid, canvas, tile_pixels)
  return {
    'key': jax.random.key_data(keys),
    'latent': z,
    'image': image,
    'mask': labels.mask,
    'uncertainty': labels.uncertainty.astype(jnp.float16),
    'score': labels.score,
  }


def labeller(
  generator: generator_lib.Generator,
  interpreter: ensemble.Interpreter,
  sampling: generator_lib.Sampling,
  block_size: int,
  devices: list[jax.Device] | None = None,
) -> Labeller:
  """A function that makes the samples of given indices on all devices.

  Args:
    generator: latent -> image and features.
    interpreter: features -> labels.
    sampling: truncation, noise, crop and type.
    block_size: samples that a device computes as one array; sample i has the
      same bytes whatever else is asked for, as long as this stays the same.
    devices: default all of this host.

  Returns:
    (root key, global indices [n]) -> iterator over the samples, in order.
  """
  canvas = sampling.canvas(generator.architecture)
  tile_pixels = (
    labelling.TILE_PIXELS
    if parallel.has_small_cache()
    else canvas.height * canvas.width
  )

  def block(state: Any, keys: chex.Array) -> dict[str, chex.Array]:
    generator, interpreter = state
    return labelled_block(
      generator, interpreter, sampling, rng.key_from_data(keys), tile_pixels
    )

  run = parallel.map_blocks(
    block, (generator, interpreter), block_size, devices
  )

  def samples(
    root: chex.PRNGKey, indices: np.ndarray
  ) -> Iterator[sample_lib.LabelledSample]:
    keys = rng.sample_keys(root, jnp.asarray(indices, jnp.uint32))
    remaining = iter(np.asarray(indices))
    for count, arrays in run(np.asarray(jax.random.key_data(keys))):
      for row in range(count):
        yield sample_lib.LabelledSample(
          index=int(next(remaining)),
          score=float(arrays['score'][row]),
          **{k: v[row] for k, v in arrays.items() if k != 'score'},
        )

  return samples
