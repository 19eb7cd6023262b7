"""Labels, uncertainty and score of the pixels of a pyramid.

An image is labelled by one member after another, in tiles of rows that stay in
the processor's cache; the first layer is in `projection.py`.
"""

from typing import Any

import chex
import jax
import jax.numpy as jnp
from jax import lax

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import layers
from dgan_jax.interpreter import ensemble
from dgan_jax.interpreter import projection as projection_lib
from dgan_jax.tasks import task as task_lib

# About what fits in a CPU core's cache with 128 hidden channels. An
# accelerator wants whole images: pass a larger one.
TILE_PIXELS = 8192


def label(
  interpreter: ensemble.Interpreter,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
  tile_pixels: int = TILE_PIXELS,
) -> Any:
  """Labels a batch of levels [batch, h, w, channels], float32 or bfloat16, one
  image after another, in tiles of about so many pixels.

  Returns:
    `part_segmentation.Labels` or `keypoints.Labels`, of arrays [batch, ...].

  Raises:
    ValueError: the interpreter was made for other features.
  """
  spec = interpreter.spec
  if pyramid.channels != spec.feature_channels:
    raise ValueError(
      f'The interpreter reads features of {spec.feature_channels} channels; '
      f'this generator has {pyramid.channels}.'
    )

  def one(pyramid: pyramid_lib.FeaturePyramid) -> task_lib.Labels:
    sums = image_statistics(interpreter, pyramid, canvas, tile_pixels)
    return spec.task.decode(sums, spec.members)

  return lax.map(one, pyramid)


def image_statistics(
  interpreter: ensemble.Interpreter,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
  tile_pixels: int = TILE_PIXELS,
) -> Any:
  """Sums over the members for one image of levels [h, w, channels]: those of
  the interpreter's task, of shape [height, width]."""
  task = interpreter.spec.task
  projection = projection_lib.Projection(pyramid, canvas)
  params = interpreter.params
  kernels = projection.kernels(params['dense_0']['kernel'])
  heads = ensemble.folded_heads(params)
  # The largest number of rows that divides the height.
  most = min(max(tile_pixels // canvas.width, 1), canvas.height)
  tile = next(rows for rows in range(most, 0, -1) if not canvas.height % rows)

  def member(total: Any, weights: Any) -> tuple[Any, None]:
    kernel, bias, head = weights
    hidden = projection.hidden(kernel, bias)

    def rows(total: Any, first: chex.Array) -> tuple[Any, None]:
      x = jax.nn.relu(hidden(first, tile))
      x = jax.nn.relu(_dense(head['dense_1'], x))
      one = task.statistics(_dense(head['dense_2'], x))

      def add(whole: chex.Array, part: chex.Array) -> chex.Array:
        old = lax.dynamic_slice_in_dim(whole, first, tile)
        return lax.dynamic_update_slice_in_dim(whole, old + part, first, 0)

      return jax.tree.map(add, total, one), None

    starts = jnp.arange(0, canvas.height, tile)
    # Two at a time: one's small operations fill the gaps of the other's.
    return lax.scan(rows, total, starts, unroll=2)[0], None

  zeros = task.zeros((canvas.height, canvas.width))
  weights = (kernels, params['dense_0']['bias'], heads)
  return lax.scan(member, zeros, weights)[0]


def _dense(layer: Any, x: chex.Array) -> chex.Array:
  return layers.add_channels(layers.dense(x, layer['kernel']), layer['bias'])
