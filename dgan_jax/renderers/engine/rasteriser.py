"""Which surface is seen at every sample: triangles into a depth buffer.

Each size of bounding boxes is drawn by one array operation, so that the cost
is a small multiple of the number of covered samples.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from dgan_jax.renderers.engine.arithmetic import Array

# Edges count this far out, in shares of a triangle, so that rounding leaves no
# cracks between neighbours.
_SLACK = 1e-5
# Samples that one array operation looks at.
_AT_ONCE = 1 << 20

# Says of points on triangles, int64 [n], with weights of the corners, float64
# [3, n], which lie in a hole of the surface: bool [n].
Holes = Callable[[Array, Array], Array]


@dataclasses.dataclass(frozen=True)
class Samples:
  """What is seen, sample by sample."""

  height: int  # of the picture, in samples
  width: int  # likewise
  # int64 [n], the samples (row * width + column) that show a triangle, in
  # increasing order.
  covered: Array
  triangle: Array  # int64 [n], which
  weights: Array  # float64 [3, n], of its corners, for attributes in space
  # float64 [height * width], 1 / depth in 1/m; 0 where there is nothing.
  nearness: Array


class _Triangles(NamedTuple):
  """Triangles on the screen: [3, n] by corner, or [n]."""

  number: Array
  column: Array
  row: Array
  nearness: Array
  double_area: Array
  left: Array
  right: Array
  top: Array
  bottom: Array

  def take(self, which: Array) -> '_Triangles':
    return _Triangles(*(values[..., which] for values in self))


class _Fragments(NamedTuple):
  """Samples of triangles, before it is known which are seen; arrays [n].

  `second` and `third` are the weights of these corners on the screen.
  """

  sample: Array
  triangle: Array
  second: Array
  third: Array
  nearness: Array


_NONE = _Fragments(*np.zeros((2, 0), np.int64), *np.zeros((3, 0)))


def rasterise(
  columns: Array,
  rows: Array,
  nearness: Array,
  triangles: Array,
  height: int,
  width: int,
  pierced: Array | None = None,
  holes: Holes | None = None,
) -> Samples:
  """Finds the nearest triangle, of several the first, at every sample's centre.

  Args:
    columns: float64 [vertices], where they are seen; the centre of the first
      sample is at 0.5.
    rows: likewise, downwards.
    nearness: 1 / depth of the vertices, positive.
    triangles: int [triangles, 3]; those seen from behind are left out.
    height: of the picture, in samples.
    width: likewise.
    pierced: bool [triangles], those that may have holes.
    holes: where these are.
  """
  corners = np.stack([columns, rows, nearness])[:, triangles.T]
  on_screen = _on_screen(corners, height, width)
  parts = [_NONE, *_all_fragments(on_screen, height, width)]
  found = _Fragments(*map(np.concatenate, zip(*parts, strict=True)))

  def weights(which: Array) -> Array:
    """Of the corners in space, from those on the screen."""
    second, third = found.second[which], found.third[which]
    shares = np.stack([1 - second - third, second, third])
    near = corners[2][:, found.triangle[which]]
    return shares * near / found.nearness[which]

  there = np.ones(len(found.sample), bool)
  if pierced is not None and holes is not None:
    doubtful = np.flatnonzero(pierced[found.triangle])
    there[doubtful] = ~holes(found.triangle[doubtful], weights(doubtful))
  seen, buffer = _nearest(found, there, height * width)
  return Samples(
    height=height,
    width=width,
    covered=found.sample[seen],
    triangle=found.triangle[seen],
    weights=weights(seen),
    nearness=buffer,
  )


def _on_screen(corners: Array, height: int, width: int) -> _Triangles:
  """Of triangles, whose corners' column, row and nearness are [3, 3, n], those
  that face the viewer and may cover a sample."""
  column, row, nearness = corners
  (x1, x2), (y1, y2) = column[1:] - column[0], row[1:] - row[0]
  double_area = _turn(x1, y1, x2, y2)
  left, right = _span(column, width)
  top, bottom = _span(row, height)
  everything = _Triangles(
    *(np.arange(column.shape[1]), column, row, nearness),
    *(double_area, left, right, top, bottom),
  )
  # Rows count downwards, which makes counter-clockwise areas negative.
  seen = (double_area < -1e-9) & (left <= right) & (top <= bottom)
  return everything.take(np.flatnonzero(seen))


def _all_fragments(
  triangles: _Triangles, height: int, width: int
) -> Iterator[_Fragments]:
  """Fragments, a size of bounding boxes at a time."""
  # The least e with 2^e >= size.
  powers = 1 << np.arange(20)
  log_width = np.searchsorted(powers, triangles.right - triangles.left + 1)
  log_height = np.searchsorted(powers, triangles.bottom - triangles.top + 1)
  size = 32 * log_width + log_height
  for key in np.unique(size):
    box = 1 << int(key % 32), 1 << int(key // 32)
    members = np.flatnonzero(size == key)
    step = max(1, _AT_ONCE // (box[0] * box[1]))
    for start in range(0, len(members), step):
      part = triangles.take(members[start : start + step])
      yield _fragments(part, box, height, width)


def _fragments(
  triangles: _Triangles, box: tuple[int, int], height: int, width: int
) -> _Fragments:
  """Fragments of triangles that fit into boxes of a height and width."""
  offsets = np.arange(box[0] * box[1])
  row = triangles.top[:, None] + offsets // box[1]
  column = triangles.left[:, None] + offsets % box[1]
  x0, x1, x2 = triangles.column[:, :, None]
  y0, y1, y2 = triangles.row[:, :, None]
  x, y = column + 0.5 - x0, row + 0.5 - y0
  area = triangles.double_area[:, None]
  second = _turn(x, y, x2 - x0, y2 - y0) / area
  third = _turn(x1 - x0, y1 - y0, x, y) / area
  inside = (second >= -_SLACK) & (third >= -_SLACK)
  inside &= second + third <= 1 + _SLACK
  inside &= (column < width) & (row < height)
  which, where = np.nonzero(inside)
  second, third = second[which, where], third[which, where]
  near0, near1, near2 = triangles.nearness[:, which]
  return _Fragments(
    sample=row[which, where] * width + column[which, where],
    triangle=triangles.number[which],
    second=second,
    third=third,
    nearness=near0 + second * (near1 - near0) + third * (near2 - near0),
  )


def _nearest(
  found: _Fragments, there: Array, count: int
) -> tuple[Array, Array]:
  """int64 [n], the fragments seen, in the order of the `count` samples, of
  those that are `there` and in no hole; float64 [count], their nearness."""
  nearness = np.where(there, found.nearness, 0)
  buffer = np.zeros(count)
  np.maximum.at(buffer, found.sample, nearness)
  first = np.flatnonzero(there & (nearness == buffer[found.sample]))
  # Written from the last triangle to the first, which stays.
  first = first[np.argsort(-found.triangle[first], kind='stable')]
  seen = np.full(count, -1)
  seen[found.sample[first]] = first
  return seen[seen >= 0], buffer


def _turn(x1: Array, y1: Array, x2: Array, y2: Array) -> Array:
  """Twice the area that one vector spans with the other."""
  return x1 * y2 - x2 * y1


def _span(values: Array, size: int) -> tuple[Array, Array]:
  """First and last sample whose centre may lie within values [3, n]."""
  first = np.ceil(values.min(axis=0) - 0.5).astype(np.int64)
  last = np.floor(values.max(axis=0) - 0.5).astype(np.int64)
  return np.maximum(first, 0), np.minimum(last, size - 1)
