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

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence

import chex
import jax.numpy as jnp
import numpy as np
from jax import lax

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import layers

# A kernel for every group of levels.
Kernels = tuple[chex.Array, ...]
# (first row, number of rows) -> hidden maps [rows, width, hidden].
Rows = Callable[[chex.Array, int], chex.Array]


@dataclasses.dataclass(frozen=True)
class _Group:
  """Levels of one size and place as one map, or what the canvas sees of it.

  Attributes:
    levels: their numbers in the pyramid.
    place: of the map.
    top: row of the level that is the map's first.
    maps: [rows, width, channels of all].
  """

  levels: tuple[int, ...]
  place: pyramid_lib.Geometry
  top: int
  maps: chex.Array


class Projection:
  """The levels of one image, ready for the first layer of any member."""

  def __init__(
    self, pyramid: pyramid_lib.FeaturePyramid, canvas: pyramid_lib.Canvas
  ):
    """`pyramid` has levels [h, w, channels], of one image."""
    self._canvas = canvas
    self._channels = pyramid.channels
    same: dict[tuple[tuple[int, ...], pyramid_lib.Geometry], list[int]] = {}
    for number, place in enumerate(pyramid.places(canvas)):
      size = pyramid.levels[number].shape[:2]
      same.setdefault((size, place), []).append(number)
    self._groups = [
      _group([pyramid.levels[i] for i in numbers], numbers, place, canvas)
      for (_, place), numbers in same.items()
    ]

  def kernels(self, kernel: chex.Array) -> Kernels:
    """The rows of a kernel [members, features, hidden] for every group of
    levels: [members, channels of the group, hidden] each."""
    parts = jnp.split(kernel, np.cumsum(self._channels)[:-1], axis=1)
    return tuple(
      jnp.concatenate([parts[i] for i in group.levels], 1)
      for group in self._groups
    )

  def hidden(self, kernels: Kernels, bias: chex.Array) -> Rows:
    """One member's first layer, before its ReLU.

    Args:
      kernels: [channels, hidden] of every group, as `kernels` gives them.
      bias: [hidden].
    """
    canvas = self._canvas
    aligned, elsewhere, corners = [], [], []
    for group, kernel in zip(self._groups, kernels, strict=True):
      if group.place == pyramid_lib.Geometry():
        aligned.append((group.maps, kernel))
        continue
      projected = _project(group.maps, kernel)
      if _has_kinks_on_corners(group.place):
        corners.append(_on_corners(projected, group, canvas))
      else:
        elsewhere.append((projected, group.top, group.place))
    if corners:
      shape = corners[0].shape
      grid = functools.reduce(jnp.add, corners, jnp.broadcast_to(bias, shape))
      elsewhere.insert(0, (grid, canvas.rows[0] // 2, _CORNERS))

    def rows(first: chex.Array, count: int) -> chex.Array:
      parts = [
        _project(lax.dynamic_slice_in_dim(maps, first, count), kernel)
        for maps, kernel in aligned
      ]
      y = first + canvas.rows[0] + jnp.arange(count)
      x = jnp.arange(canvas.width)
      for projected, top, place in elsewhere:
        down, across = place.rows.position(y) - top, place.columns.position(x)
        parts.append(_interpolate(_interpolate(projected, 0, down), 1, across))
      if not corners:
        parts.append(jnp.broadcast_to(bias, (count, canvas.width, bias.size)))
      return functools.reduce(jnp.add, parts)

    return rows


# Where the corners lie: every second edge between the pixels of the labels.
_CORNERS = pyramid_lib.Geometry(
  pyramid_lib.Axis(2, -1), pyramid_lib.Axis(2, -1)
)


def _has_kinks_on_corners(place: pyramid_lib.Geometry) -> bool:
  """Whether the centres of all pixels of a level are corners."""
  return all(
    axis.scale % 2 == 0 and (axis.scale / 2 + axis.offset) % 2 == 0
    for axis in (place.rows, place.columns)
  )


def _on_corners(
  projected: chex.Array, group: _Group, canvas: pyramid_lib.Canvas
) -> chex.Array:
  """A hidden map at the corners that the canvas sees."""
  first, end = canvas.rows[0] // 2, (canvas.rows[1] + 1) // 2 + 1
  edges = 2 * jnp.arange(first, end) - 0.5
  across = group.place.columns.position(
    2 * jnp.arange((canvas.width + 1) // 2 + 1) - 0.5
  )
  down = group.place.rows.position(edges) - group.top
  return _interpolate(_interpolate(projected, 1, across), 0, down)


def _group(
  levels: Sequence[chex.Array],
  numbers: Sequence[int],
  place: pyramid_lib.Geometry,
  canvas: pyramid_lib.Canvas,
) -> _Group:
  """Levels of one size and place; those finer than the labels are reduced to
  them, as all others are later."""
  height, width = levels[0].shape[:2]
  here = pyramid_lib.Geometry()
  aligned = place == here and (height, width) == canvas.size
  first, end = canvas.rows
  if not aligned:
    first, end = _rows_seen(height, place.rows, canvas)
  maps = jnp.concatenate([level[first:end] for level in levels], -1)
  if not aligned and min(place.rows.scale, place.columns.scale) <= 1:
    down = place.rows.position(jnp.arange(*canvas.rows)) - first
    across = place.columns.position(jnp.arange(canvas.width))
    reduced = _interpolate(_interpolate(maps, 0, down), 1, across)
    maps, first, place = reduced.astype(maps.dtype), canvas.rows[0], here
  return _Group(tuple(numbers), place, first, maps)


def _rows_seen(
  height: int, axis: pyramid_lib.Axis, canvas: pyramid_lib.Canvas
) -> tuple[int, int]:
  """The rows (first, end) of a level that the canvas's rows, and the corners
  around them, are interpolated from."""
  first = math.floor((canvas.rows[0] - 1 - axis.offset) / axis.scale - 0.5)
  end = math.ceil((canvas.rows[1] + 1 - axis.offset) / axis.scale + 0.5)
  first = min(max(first, 0), height - 1)
  return first, max(min(end, height), first + 1)


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
