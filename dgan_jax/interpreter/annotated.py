"""The labelled pixels that an interpreter learns from.

What is kept of every annotated image is its feature pyramid at native
resolution; the feature vectors of a batch of pixels are read from it by
bilinear taps when they are needed.
"""

import functools

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, rng
from dgan_jax import pyramid as pyramid_lib
from dgan_jax.annotations import keypoint_file
from dgan_jax.generators import generator as generators
from dgan_jax.tasks import task as task_lib


@flax.struct.dataclass
class AnnotatedPixels:
  """Features and targets of all labelled pixels, sorted by region.

  A region is what one class covers of one image; see `Task.regions`.
  """

  task: task_lib.Task = flax.struct.field(pytree_node=False)  # to be learned
  pyramid: pyramid_lib.FeaturePyramid  # of the annotated images
  # The frame of rows and columns.
  canvas: pyramid_lib.Canvas = flax.struct.field(pytree_node=False)
  truth: chex.Array  # what annotations say, a row per image; see `Task.truth`
  image: chex.Array  # int32 [pixels]
  row: chex.Array  # likewise
  column: chex.Array  # likewise
  # int32 [regions + 1]; region k is pixels region_start[k] to [k + 1].
  region_start: chex.Array

  @property
  def num_pixels(self) -> int:
    return self.image.shape[0]

  @property
  def num_regions(self) -> int:
    return self.region_start.shape[0] - 1

  def gather(self, index: chex.Array) -> tuple[chex.Array, chex.Array]:
    """Feature vectors float32 [n, features] and targets [n, ...] of pixels
    [n]."""
    pixels = self.image[index], self.row[index], self.column[index]
    x = pyramid_lib.pixels(self.pyramid, self.canvas, *pixels)
    return x, self.task.targets(self.truth, self.canvas, pixels)


@functools.partial(jax.jit, static_argnames=('sampling', 'space', 'dtype'))
def _draw_one(
  generator: generators.Generator,
  latents: chex.Array,
  key: chex.Array | None,
  sampling: generators.Sampling,
  space: str,
  dtype: str,
) -> tuple[chex.Array, pyramid_lib.FeaturePyramid]:
  keys = None if key is None else rng.key_from_data(key)
  image, pyramid = generators.sample_latents(
    generator, latents, keys, sampling, space
  )
  return image, jax.tree.map(lambda level: level.astype(dtype), pyramid)


def draw(
  generator: generators.Generator,
  annotations: keypoint_file.Annotated,
  sampling: generators.Sampling,
  dtype: str = 'float32',
) -> tuple[np.ndarray, pyramid_lib.FeaturePyramid]:
  """Runs the generator on the annotated latents, one at a time.

  Args:
    generator, sampling: those that made the annotated images.
    annotations: what is known about its images, and their latents.
    dtype: of the features; 'float16' halves their memory (132 MB in float32
      for one 512 px image with the official channels).

  Returns:
    Images uint8 [n, height, width, 3], and their pyramid.

  Raises:
    errors.UserError: labels of another size than the generator's images.
  """
  canvas = sampling.canvas(generator.architecture)
  if annotations.size != (canvas.height, canvas.width):
    height, width = annotations.size
    raise errors.UserError(
      f'The labels are {width}x{height}; the images of this generator are '
      f'{canvas.width}x{canvas.height}.'
    )
  keys = annotations.noise_keys
  drawn = []
  for i in range(len(annotations)):
    latents = jnp.asarray(annotations.latents[i : i + 1])
    key = None if keys is None else jnp.asarray(keys[i : i + 1])
    drawn.append(
      _draw_one(generator, latents, key, sampling, annotations.space, dtype)
    )
  images, pyramids = zip(*drawn, strict=True)
  pyramid = jax.tree.map(lambda *x: jnp.concatenate(x), *pyramids)
  return np.concatenate(images), pyramid


def annotated_pixels(
  truth: np.ndarray,
  task: task_lib.Task,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
) -> AnnotatedPixels:
  """Lists the labelled pixels of what the annotations say; see `Task.truth`."""
  number = task.regions(truth, canvas)
  image, row, column = np.nonzero(number >= 0)
  region = image * (number.max() + 1) + number[number >= 0]
  order = np.argsort(region, kind='stable')
  counts = np.unique(region, return_counts=True)[1]
  return AnnotatedPixels(
    task=task,
    pyramid=pyramid,
    canvas=canvas,
    truth=jnp.asarray(truth),
    image=jnp.asarray(image[order], jnp.int32),
    row=jnp.asarray(row[order], jnp.int32),
    column=jnp.asarray(column[order], jnp.int32),
    region_start=jnp.asarray(np.r_[0, np.cumsum(counts)], jnp.int32),
  )
