"""From indices to finished samples, on all devices."""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import parallel, rng
from dgan_jax.factory import sample as sample_lib
from dgan_jax.generators import generator as generator_lib
from dgan_jax.interpreter import ensemble, labelling
from dgan_jax.tasks import task as task_lib

Labeller = Callable[
  [chex.PRNGKey, Iterable[int]], Iterator[sample_lib.LabelledSample]
]


def labelled_block(
  generator: generator_lib.Generator,
  interpreter: ensemble.Interpreter,
  sampling: generator_lib.Sampling,
  keys: chex.PRNGKey,
  tile_pixels: int = labelling.TILE_PIXELS,
  latents: chex.Array | None = None,
  space: str = 'z',
) -> dict[str, Any]:
  """Samples and their labels as one computation: latent to finished sample.

  Args:
    generator: latent -> image and features.
    interpreter: features -> labels.
    sampling: truncation, noise, crop and type.
    keys: [n], one per sample.
    tile_pixels: see `labelling.label`.
    latents: [n, ...], see `generators.generator.styles`; None: the z of keys.
    space: 'z' or 'w', of the latents.

  Returns:
    The arrays of `LabelledSample`, each with a leading axis [n].
  """
  if latents is None:
    latents = rng.latents(keys, generator.architecture.latent_size)
  image, pyramid = generator_lib.sample_latents(
    generator, latents, keys, sampling, space
  )
  canvas = sampling.canvas(generator.architecture)
  labels = labelling.label(interpreter, pyramid, canvas, tile_pixels)
  fields = dict(vars(labels))
  uncertainty, score = fields.pop('uncertainty'), fields.pop('score')
  spec = interpreter.spec
  maximum = spec.task.uncertainty_maximum(spec.members)
  return {
    'key': jax.random.key_data(keys),
    'latent': latents,
    'image': image,
    'labels': fields,
    'uncertainty': task_lib.to_uint8(uncertainty, maximum),
    'score': score,
  }


def tile_size(
  generator: generator_lib.Generator, sampling: generator_lib.Sampling
) -> int:
  """Pixels that the devices should label at once."""
  if parallel.has_small_cache():
    return labelling.TILE_PIXELS
  canvas = sampling.canvas(generator.architecture)
  return canvas.height * canvas.width


def labeller(
  generator: generator_lib.Generator,
  interpreter: ensemble.Interpreter,
  sampling: generator_lib.Sampling,
  block_size: int,
  devices: list[jax.Device] | None = None,
) -> Labeller:
  """A function that makes the samples of given indices on all devices.

  Sample i is always row i % block_size of its block, as what a program makes
  of a row may depend on the row in the last bit. So its bytes are the same
  whatever else is asked for.

  Args:
    generator: latent -> image and features.
    interpreter: features -> labels.
    sampling: truncation, noise, crop and type.
    block_size: samples that a device computes as one array.
    devices: default all of this host.

  Returns:
    (root key, stream of global indices) -> iterator over the samples, in
    order. Neighbours that are not asked for are made all the same, and
    dropped: ask for ranges.
  """
  tile_pixels = tile_size(generator, sampling)

  def block(state: Any, keys: chex.Array) -> dict[str, Any]:
    generator, interpreter = state
    return labelled_block(
      generator, interpreter, sampling, rng.key_from_data(keys), tile_pixels
    )

  run = parallel.map_blocks(block, (generator, interpreter), devices)
  key_data = jax.jit(
    lambda root, indices: jax.random.key_data(rng.sample_keys(root, indices))
  )

  def samples(
    root: chex.PRNGKey, indices: Iterable[int]
  ) -> Iterator[sample_lib.LabelledSample]:
    wanted: collections.deque[list[int]] = collections.deque()

    def blocks() -> Iterator[np.ndarray]:
      for number, some in itertools.groupby(indices, lambda i: i // block_size):
        wanted.append(list(some))
        whole = np.arange(block_size, dtype=np.uint64) + number * block_size
        # A block may end beyond the largest index of all.
        yield np.asarray(key_data(root, whole.astype(np.uint32)))

    for arrays in run(blocks()):
      for index in wanted.popleft():
        row = jax.tree.map(lambda x, i=index % block_size: x[i], arrays)
        score = float(row.pop('score'))
        yield sample_lib.LabelledSample(index=index, score=score, **row)

  return samples
