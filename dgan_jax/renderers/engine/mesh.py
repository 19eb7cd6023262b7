"""Solids as triangle meshes: vertices with attributes, and a few shapes."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from dgan_jax.renderers.engine import arithmetic
from dgan_jax.renderers.engine.arithmetic import Triple


@dataclasses.dataclass(frozen=True)
class Solid:
  """Triangles, counter-clockwise seen from outside."""

  positions: np.ndarray  # float64 [3, vertices], metres
  normals: np.ndarray  # float64 [3, vertices], length 1, outwards
  triangles: np.ndarray  # int64 [triangles, 3], rows of vertices
  # float64 [2, vertices], coordinates that the solid's painter knows how to
  # read; zeros where it needs none.
  surface: np.ndarray
  kind: np.ndarray  # int64 [triangles], which painter that is


def of_grid(
  points: np.ndarray,
  kind: int,
  normals: np.ndarray | None = None,
  surface: np.ndarray | None = None,
) -> Solid:
  """A solid of one kind over a grid of points [3, rows, columns].

  It faces the viewer where rows go up and columns go right. Its normals
  [3, rows, columns] are those of the grid, unless given; its surface
  coordinates [2, rows, columns] are zeros.
  """
  if normals is None:
    normals = grid_normals(points)
  triangles = _grid_triangles(*points.shape[1:])
  if surface is None:
    surface = np.zeros((2, *points.shape[1:]))
  return Solid(
    points.reshape(3, -1),
    normals.reshape(3, -1),
    triangles,
    surface.reshape(2, -1),
    np.full(len(triangles), kind),
  )


def join(meshes: Iterable[Solid]) -> Solid:
  """One solid of several."""
  meshes = list(meshes)
  starts = np.cumsum([0, *(mesh.positions.shape[1] for mesh in meshes)])
  joined = {
    name: np.concatenate([getattr(mesh, name) for mesh in meshes], axis=-1)
    for name in ('positions', 'normals', 'surface', 'kind')
  }
  triangles = [m.triangles + at for m, at in zip(meshes, starts, strict=False)]
  return Solid(triangles=np.concatenate(triangles), **joined)


def mirrored(mesh: Solid) -> Solid:
  """The same on the other side of the plane y = 0."""
  flip = np.array([[1.0], [-1.0], [1.0]])
  return dataclasses.replace(
    mesh,
    positions=mesh.positions * flip,
    normals=mesh.normals * flip,
    triangles=mesh.triangles[:, ::-1],
  )


def inside_out(solid: Solid) -> Solid:
  """The same surface, seen from its other side."""
  return dataclasses.replace(
    solid, normals=-solid.normals, triangles=solid.triangles[:, ::-1]
  )


@functools.cache
def _grid_triangles(rows: int, columns: int) -> np.ndarray:
  """int64 [2 * (rows-1) * (columns-1), 3] over vertices in rows."""
  first = np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)
  a, b, c, d = first, first + 1, first + columns, first + columns + 1
  halves = [np.stack([a, b, d], -1), np.stack([a, d, c], -1)]
  return np.concatenate(halves, -1).reshape(-1, 3)


def grid_normals(points: np.ndarray) -> np.ndarray:
  """Normals [3, rows, columns] of a grid of points, by differences."""
  up, right = np.gradient(points, axis=(1, 2))
  return arithmetic.unit(np.cross(right, up, axis=0))


# Corners of a cube: x slowest, z fastest; its faces with their normals.
_CORNERS = np.array(
  [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64
).T
_FACES = (
  ((0, 1, 3, 2), (-1, 0, 0)),
  ((4, 6, 7, 5), (1, 0, 0)),
  ((0, 4, 5, 1), (0, -1, 0)),
  ((2, 3, 7, 6), (0, 1, 0)),
  ((0, 2, 6, 4), (0, 0, -1)),
  ((1, 5, 7, 3), (0, 0, 1)),
)
_BOX_CORNERS = _CORNERS[:, [corner for face, _ in _FACES for corner in face]]
_BOX_NORMALS = np.repeat(np.array([n for _, n in _FACES], np.float64), 4, 0).T
_BOX_TRIANGLES = np.array(
  [[4 * f + i for i in h] for f in range(6) for h in ((0, 1, 2), (0, 2, 3))]
)


def box(center: Triple, half: Triple, kind: int) -> Solid:
  """A box along the axes: its centre and its half sizes in metres."""
  positions = _BOX_CORNERS * np.array(half)[:, None] + np.array(center)[:, None]
  kinds, surface = np.full(len(_BOX_TRIANGLES), kind), np.zeros((2, 24))
  return Solid(positions, _BOX_NORMALS, _BOX_TRIANGLES, surface, kinds)


@functools.cache
def _unit_ball(rings: int, sides: int) -> np.ndarray:
  """Points [3, rings, sides + 1] of the unit ball, a squarish one."""
  cosine, sine = arithmetic.circle(sides)
  around = np.arange(sides + 1) % sides
  upper, height = arithmetic.circle(2 * (rings - 1))
  # From the lowest point up: a quarter turn back, then half a circle.
  quarter = (rings - 1) // 2
  up = (np.arange(rings) - quarter) % (2 * (rings - 1))

  def square(value: np.ndarray) -> np.ndarray:
    return np.sign(value) * np.sqrt(np.abs(value)) * 0.5 + value * 0.5

  radius = square(np.maximum(upper[up], 0))[:, None]
  x, y = radius * square(cosine[around]), radius * square(sine[around])
  return np.stack([x, y, np.broadcast_to(square(height[up])[:, None], x.shape)])


def ball(center: Triple, half: Triple, kind: int) -> Solid:
  """A rounded block: its centre and its half sizes in metres."""
  points = _unit_ball(rings=9, sides=12)
  sizes, middle = np.array(half)[:, None, None], np.array(center)[:, None, None]
  return of_grid(points * sizes + middle, kind, arithmetic.unit(points / sizes))


def turned(
  center: Triple, profile: tuple[tuple[float, float], ...], kind: int
) -> Solid:
  """A profile turned round an axis along y, e.g. a wheel.

  The profile is (radius, y) pairs in metres, from the far side over the rim to
  the near one (seen from +y). The first surface coordinate is the radius.
  """
  sides = 32
  cosine, sine = arithmetic.circle(sides)
  around = np.arange(sides + 1) % sides
  radius, y = np.array(profile).T[:, :, None]
  y = np.broadcast_to(y, (len(profile), sides + 1))
  points = np.stack([radius * cosine[around], y, -radius * sine[around]])
  surface = np.zeros((2, *y.shape))
  surface[0] = radius
  middle = np.array(center)[:, None, None]
  return of_grid(points + middle, kind, grid_normals(points), surface)
