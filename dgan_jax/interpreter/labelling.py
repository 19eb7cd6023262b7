"""Labels, uncertainty and score from native-resolution features.

The reference upsamples every feature map to image size, stacks them and runs
each member on the stack. Upsampling acts on pixels and the first dense layer
on channels, so they commute: here every level is projected to the hidden width
where it lives, and the hidden maps are upsampled and added,

  dense(concat(up(f_l))) = sum_l up(dense_l(f_l)).

Levels up to a quarter of the label size meet on one grid that holds every
kink of their piecewise linear interpolants (the corners between the pixels of
half the label size), so the sum of all of them is interpolated to the label
size once, in tiles of rows that stay in the processor's cache.
"""

import math
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
from jax import lax

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import layers
from dgan_jax.interpreter import ensemble

# About what fits in a CPU core's cache with 128 hidden channels. An
# accelerator wants whole images: pass a larger one.
TILE_PIXELS = 8192

# torch.finfo(float32).eps: how far the reference keeps probabilities from 0
# and 1 before it takes their logarithm.
_EPS = 1.1920929e-07


@flax.struct.dataclass
class Labels:
  """What is known about the pixels of a batch of images.

  Attributes:
    mask: uint8 [batch, height, width], the class of every pixel.
    uncertainty: float32 [batch, height, width], Jensen-Shannon divergence of
      the members in nats, 0 where all agree, at most log(classes).
    score: float32 [batch], mean of the tenth of the pixels that is most
      uncertain.
  """

  mask: chex.Array
  uncertainty: chex.Array
  score: chex.Array


@flax.struct.dataclass
class Statistics:
  """Sums over the members of an ensemble, per pixel.

  Attributes:
    softmax: [..., classes].
    votes: uint8 [..., classes], members whose argmax a class is.
    entropy: [...], in nats.
  """

  softmax: chex.Array
  votes: chex.Array
  entropy: chex.Array

  @classmethod
  def zeros(cls, shape: tuple[int, ...], classes: int) -> 'Statistics':
    return cls(
      jnp.zeros((*shape, classes)),
      jnp.zeros((*shape, classes), jnp.uint8),
      jnp.zeros(shape),
    )


def member_statistics(logits: chex.Array) -> Statistics:
  """The statistics of one member's logits [..., classes]."""
  centred = logits - logits.max(-1, keepdims=True)
  exponents = jnp.exp(centred)
  total = exponents.sum(-1, keepdims=True)
  softmax = exponents / total
  entropy = jnp.log(total[..., 0]) - (softmax * centred).sum(-1)
  vote = jax.nn.one_hot(logits.argmax(-1), logits.shape[-1], dtype=jnp.uint8)
  return Statistics(softmax, vote, entropy)


def uncertainty(statistics: Statistics, members: int) -> chex.Array:
  """Jensen-Shannon divergence [...]: H(mean softmax) - mean H(softmax).

  The mean is renormalised and its logarithm clamped, as in the release; what
  rounding leaves below zero is zero.
  """
  mean = statistics.softmax / statistics.softmax.sum(-1, keepdims=True)
  logarithm = jnp.log(jnp.clip(mean, _EPS, 1 - _EPS))
  entropy = -(mean * logarithm).sum(-1)
  return jnp.maximum(entropy - statistics.entropy / members, 0)


def score(uncertainty_map: chex.Array) -> chex.Array:
  """Mean of the int(n / 10) most uncertain pixels of a map [h, w]."""
  flat = uncertainty_map.ravel()
  top, _ = lax.top_k(flat, max(flat.size // 10, 1))
  return top.mean()


def votes_to_mask(statistics: Statistics, soft_voting: bool) -> chex.Array:
  """Classes uint8 [...]: the majority's choice, ties to the smallest class;
  or, with soft voting, the argmax of the mean softmax."""
  ballot = statistics.softmax if soft_voting else statistics.votes
  return ballot.argmax(-1).astype(jnp.uint8)


def label(
  interpreter: ensemble.Interpreter,
  pyramid: pyramid_lib.FeaturePyramid,
  canvas: pyramid_lib.Canvas,
  tile_pixels: int = TILE_PIXELS,
) -> Labels:
  """Labels every pixel of a batch, one image after another.

  Args:
    interpreter: the ensemble.
    pyramid: levels [batch, r, r, channels], float32 or bfloat16.
    canvas: the frame of the labels.
    tile_pixels: about how many pixels to hold at once.

  Raises:
    ValueError: the interpreter was made for other features.
  """
  spec = interpreter.spec
  if pyramid.channels != spec.feature_channels:
    raise ValueError(
      f'The interpreter reads features of {spec.feature_channels} channels; '
      f'this generator has {pyramid.channels}.'
    )

  def one(levels: tuple[chex.Array, ...]) -> Labels:
    statistics = image_statistics(interpreter, levels, canvas, tile_pixels)
    doubt = uncertainty(statistics, spec.members)
    mask = votes_to_mask(statistics, spec.soft_voting)
    return Labels(mask, doubt, score(doubt))

  return lax.map(one, pyramid.levels)


def image_statistics(
  interpreter: ensemble.Interpreter,
  levels: tuple[chex.Array, ...],
  canvas: pyramid_lib.Canvas,
  tile_pixels: int = TILE_PIXELS,
) -> Statistics:
  """Sums over the members for one image.

  Args:
    interpreter: the ensemble.
    levels: one image's pyramid, [r, r, channels] each.
    canvas: the frame of the labels.
    tile_pixels: about how many pixels to hold at once.

  Returns:
    Statistics of shape [height, width].
  """
  maps = _merge_levels(levels, canvas)
  params = interpreter.params
  kernels = _split_kernel(params['dense_0']['kernel'], levels, canvas)
  heads = ensemble.folded_heads(params)
  tile = _divisor(canvas.height, max(tile_pixels // canvas.width, 1))

  def member(total: Statistics, weights: Any) -> tuple[Statistics, None]:
    kernel, bias, head = weights
    hidden = _hidden_rows(maps, kernel, bias, canvas)

    def rows(total: Statistics, first: chex.Array) -> tuple[Statistics, None]:
      logits = _apply_heads(head, hidden(first, tile))
      one = member_statistics(logits)

      def add(whole: chex.Array, part: chex.Array) -> chex.Array:
        old = lax.dynamic_slice_in_dim(whole, first, tile)
        return lax.dynamic_update_slice_in_dim(whole, old + part, first, 0)

      return jax.tree.map(add, total, one), None

    starts = jnp.arange(0, canvas.height, tile)
    # Two at a time: one's small operations fill the gaps of the other's.
    return lax.scan(rows, total, starts, unroll=2)[0], None

  zeros = Statistics.zeros(
    (canvas.height, canvas.width), interpreter.spec.num_classes
  )
  weights = (kernels, params['dense_0']['bias'], heads)
  return lax.scan(member, zeros, weights)[0]


def _merge_levels(
  levels: tuple[chex.Array, ...], canvas: pyramid_lib.Canvas
) -> dict[int, chex.Array]:
  """One map [r, r, channels] per resolution, none larger than the canvas;
  only the rows that the canvas sees."""
  maps: dict[int, list[chex.Array]] = {}
  for level in levels:
    if level.shape[0] > canvas.size:
      level = pyramid_lib.resize(level[None], canvas.size)[0]
    maps.setdefault(level.shape[0], []).append(level)
  rows = {size: slice(*_rows_seen(size, canvas)) for size in maps}
  return {
    size: jnp.concatenate([x[rows[size]] for x in same], -1)
    for size, same in maps.items()
  }


def _rows_seen(size: int, canvas: pyramid_lib.Canvas) -> tuple[int, int]:
  """The rows (first, end) of a map of this size that the canvas's rows, and
  the corners around them, are interpolated from."""
  if size == canvas.size:
    return canvas.rows
  scale = size / canvas.size
  first = math.floor((canvas.rows[0] - 1) * scale - 0.5)
  end = math.ceil((canvas.rows[1] + 1) * scale + 0.5)
  return max(first, 0), min(end, size)


def _split_kernel(
  kernel: chex.Array, levels: tuple[chex.Array, ...], canvas: pyramid_lib.Canvas
) -> dict[int, chex.Array]:
  """The rows of a kernel [members, features, hidden] by resolution, in the
  order of `_merge_levels`."""
  parts: dict[int, list[chex.Array]] = {}
  start = 0
  for level in levels:
    end = start + level.shape[-1]
    size = min(level.shape[0], canvas.size)
    parts.setdefault(size, []).append(kernel[:, start:end])
    start = end
  return {size: jnp.concatenate(same, 1) for size, same in parts.items()}


def _project(maps: chex.Array, kernel: chex.Array) -> chex.Array:
  """[..., channels] x [channels, hidden] in the maps' type, to float32."""
  return jnp.matmul(
    maps,
    kernel.astype(maps.dtype),
    precision=layers.precision(maps.dtype),
    preferred_element_type=jnp.float32,
  )


def _interpolate(
  maps: chex.Array, axis: int, positions: chex.Array
) -> chex.Array:
  """Linear interpolation of one axis at positions given in its pixels,
  pixel i having its centre at i; clamped at the ends."""
  size = maps.shape[axis]
  exact = jnp.clip(positions, 0, size - 1)
  low = jnp.floor(exact).astype(jnp.int32)
  high = jnp.minimum(low + 1, size - 1)
  shape = [1] * maps.ndim
  shape[axis] = positions.shape[0]
  weight = (exact - low).reshape(shape)
  below = jnp.take(maps, low, axis, mode='clip')
  return below + weight * (jnp.take(maps, high, axis, mode='clip') - below)


def _hidden_rows(
  maps: dict[int, chex.Array],
  kernel: dict[int, chex.Array],
  bias: chex.Array,
  canvas: pyramid_lib.Canvas,
) -> Any:
  """Prepares one member's first layer.

  Returns:
    A function (first row, number of rows) -> [rows, width, hidden], the
    output of the first dense layer before its ReLU.
  """
  size, half = canvas.size, canvas.size // 2
  top = canvas.rows[0] // 2
  height = (canvas.rows[1] + 1) // 2 - top
  corners = jnp.broadcast_to(bias, (height + 1, half + 1, bias.size))
  for r in maps:
    if r < half:
      projected = _project(maps[r], kernel[r])
      across = jnp.arange(half + 1) * (r / half) - 0.5
      down = (top + jnp.arange(height + 1)) * (r / half) - 0.5
      down = down - _rows_seen(r, canvas)[0]
      projected = _interpolate(projected, 1, across)
      corners = corners + _interpolate(projected, 0, down)
  middle = _project(maps[half], kernel[half])
  middle_top = _rows_seen(half, canvas)[0] + 0.5

  def rows(first: chex.Array, count: int) -> chex.Array:
    down = (first + canvas.rows[0] + jnp.arange(count) + 0.5) / 2
    across = (jnp.arange(size) + 0.5) / 2
    fine = lax.dynamic_slice_in_dim(maps[size], first, count)
    hidden = _project(fine, kernel[size])
    for grid, y, x in (
      (corners, down - top, across),
      (middle, down - middle_top, across - 0.5),
    ):
      hidden = hidden + _interpolate(_interpolate(grid, 0, y), 1, x)
    return hidden

  return rows


def _apply_heads(heads: Any, hidden: chex.Array) -> chex.Array:
  """Hidden maps before their ReLU to logits [rows, width, classes]."""
  x = jax.nn.relu(hidden)
  x = jax.nn.relu(_dense(heads['dense_1'], x))
  return _dense(heads['dense_2'], x)


def _dense(layer: Any, x: chex.Array) -> chex.Array:
  return layers.add_channels(layers.dense(x, layer['kernel']), layer['bias'])


def _divisor(number: int, limit: int) -> int:
  """The largest divisor of `number` that is at most `limit`."""
  return next(d for d in range(min(limit, number), 0, -1) if not number % d)
