"""The first layer of every member, on features at their native resolution.

The reference upsamples every feature map to the size of the labels, stacks
them and runs each member on the stack. Upsampling acts on pixels and the first
dense layer on channels, so they commute: here every level is projected to the
hidden width where it lives, and the hidden maps are upsampled and added,

  dense(concat(up(f_l))) = sum_l up(dense_l(f_l)).

That holds for any level, wherever its pixels lie. Levels whose pixel centres
all lie on the corners between the pixels of half the label size (those of up to
a quarter of the label size, in a StyleGAN) meet on one grid of these corners:
it holds every kink of their piecewise linear interpolants, so the sum of all of
them is interpolated to the label size once.
"""

import functools
import math
from collections.abc import Callable

import chex
import jax.numpy as jnp
import numpy as np
from jax import lax

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import layers
from dgan_jax.pyramid import Axis, Canvas, FeaturePyramid, Geometry

# A kernel for every group of levels.
Kernels = tuple[chex.Array, ...]
# (first row, number of rows) -> hidden maps [rows, width, hidden].
Rows = Callable[[chex.Array, int], chex.Array]


class Projection:
  """The levels of one image, ready for the first layer of any member."""

  def __init__(self, pyramid: FeaturePyramid, canvas: Canvas):
    """`pyramid` has levels [h, w, channels], of one image."""
    self._canvas = canvas
    self._channels = pyramid.channels
    places = zip(pyramid.levels, pyramid.places(canvas), strict=True)
    seen = [_seen(*each, canvas) for each in places]
    same: dict[tuple[tuple[int, ...], Geometry], list[int]] = {}
    for number, (level, place) in enumerate(seen):
      same.setdefault((level.shape[:2], place), []).append(number)
    # Of levels of one size and place: their numbers, and all as one map.
    self._groups = [
      (numbers, jnp.concatenate([seen[i][0] for i in numbers], -1), place)
      for (_, place), numbers in same.items()
    ]

  def kernels(self, kernel: chex.Array) -> Kernels:
    """The rows of a kernel [members, features, hidden] for every group of
    levels: [members, channels of the group, hidden] each."""
    parts = jnp.split(kernel, np.cumsum(self._channels)[:-1], axis=1)
    groups = ([parts[i] for i in numbers] for numbers, _, _ in self._groups)
    return tuple(jnp.concatenate(group, 1) for group in groups)

  def hidden(self, kernels: Kernels, bias: chex.Array) -> Rows:
    """One member's first layer, before its ReLU.

    Args:
      kernels: [channels, hidden] of every group, as `kernels` gives them.
      bias: [hidden].
    """
    canvas = self._canvas
    aligned, elsewhere, corners = [], [], []
    for (_, maps, place), kernel in zip(self._groups, kernels, strict=True):
      if place == _labels(canvas):
        aligned.append((maps, kernel))
      elif _has_kinks_on_corners(place):
        corners.append(_on_corners(_project(maps, kernel), place, canvas))
      else:
        elsewhere.append((_project(maps, kernel), place))
    if corners:
      shape = corners[0].shape
      grid = functools.reduce(jnp.add, corners, jnp.broadcast_to(bias, shape))
      # Corners are 2 apart.
      down = Axis(2, 2 * (canvas.rows[0] // 2) - 1)
      place = Geometry(down, Axis(2, -1))
      elsewhere.insert(0, (grid, place))

    def rows(first: chex.Array, count: int) -> chex.Array:
      parts = [
        _project(lax.dynamic_slice_in_dim(maps, first, count), kernel)
        for maps, kernel in aligned
      ]
      y = first + canvas.rows[0] + jnp.arange(count)
      x = jnp.arange(canvas.width)
      for projected, place in elsewhere:
        part = _interpolate(projected, 0, place.rows.position(y))
        parts.append(_interpolate(part, 1, place.columns.position(x)))
      if not corners:
        parts.append(jnp.broadcast_to(bias, (count, canvas.width, bias.size)))
      return functools.reduce(jnp.add, parts)

    return rows


def _has_kinks_on_corners(place: Geometry) -> bool:
  """Whether the centres of all pixels of a level are corners."""
  return all(
    axis.scale % 2 == 0 and (axis.scale / 2 + axis.offset) % 2 == 0
    for axis in (place.rows, place.columns)
  )


def _on_corners(
  projected: chex.Array, place: Geometry, canvas: Canvas
) -> chex.Array:
  """A hidden map at the corners that the canvas sees."""
  first, end = canvas.rows[0] // 2, (canvas.rows[1] + 1) // 2 + 1
  down = 2 * jnp.arange(first, end) - 0.5
  across = 2 * jnp.arange((canvas.width + 1) // 2 + 1) - 0.5
  part = _interpolate(projected, 1, place.columns.position(across))
  return _interpolate(part, 0, place.rows.position(down))


def _labels(canvas: Canvas) -> Geometry:
  """Where the labels themselves lie."""
  return Geometry(Axis(1, canvas.rows[0]))


def _seen(
  level: chex.Array, place: Geometry, canvas: Canvas
) -> tuple[chex.Array, Geometry]:
  """What the canvas sees of a level, and where that lies: the rows that its
  rows, and the corners around them, are interpolated from. A level finer than
  the labels is reduced to them, as all others are later."""
  height = level.shape[0]
  if place == Geometry() and level.shape[:2] == canvas.size:
    return level[slice(*canvas.rows)], _labels(canvas)
  if min(place.rows.scale, place.columns.scale) <= 1:
    part = _interpolate(level, 0, place.rows.position(jnp.arange(*canvas.rows)))
    across = place.columns.position(jnp.arange(canvas.width))
    return _interpolate(part, 1, across).astype(level.dtype), _labels(canvas)
  ends = np.array([canvas.rows[0] - 1.5, canvas.rows[1] + 0.5])
  first, end = np.clip(place.rows.position(ends), 0, height - 1)
  first, end = math.floor(first), math.ceil(end) + 1
  scale, offset = place.rows.scale, place.rows.offset
  down = Axis(scale, offset + first * scale)
  return level[first:end], Geometry(down, place.columns)


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
  low, high, weight = pyramid_lib.taps(maps.shape[axis], positions)
  shape = [1] * maps.ndim
  shape[axis] = positions.shape[0]
  below = jnp.take(maps, low, axis, mode='clip')
  above = jnp.take(maps, high, axis, mode='clip')
  return below + weight.reshape(shape) * (above - below)
