"""Solids as triangle meshes: vertices with attributes, and a few shapes."""

import dataclasses
import functools
from collections.abc import Iterable

import numpy as np

from dgan_jax.renderers.engine import arithmetic


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


def of_kind(
  positions: np.ndarray,
  normals: np.ndarray,
  triangles: np.ndarray,
  kind: int,
  surface: np.ndarray | None = None,
) -> Solid:
  """A solid of one kind."""
  if surface is None:
    surface = np.zeros((2, positions.shape[1]))
  kinds = np.full(len(triangles), kind)
  return Solid(positions, normals, triangles, surface, kinds)


def join(meshes: Iterable[Solid]) -> Solid:
  """One solid of several."""
  meshes = list(meshes)
  counts = [mesh.positions.shape[1] for mesh in meshes]
  starts = np.cumsum([0, *counts[:-1]])
  return Solid(
    np.concatenate([mesh.positions for mesh in meshes], axis=1),
    np.concatenate([mesh.normals for mesh in meshes], axis=1),
    np.concatenate(
      [mesh.triangles + at for mesh, at in zip(meshes, starts, strict=True)]
    ),
    np.concatenate([mesh.surface for mesh in meshes], axis=1),
    np.concatenate([mesh.kind for mesh in meshes]),
  )


def mirrored(mesh: Solid) -> Solid:
  """The same on the other side of the plane y = 0."""
  flip = np.array([[1.0], [-1.0], [1.0]])
  return Solid(
    mesh.positions * flip,
    mesh.normals * flip,
    mesh.triangles[:, ::-1],
    mesh.surface,
    mesh.kind,
  )


def inside_out(solid: Solid) -> Solid:
  """The same surface, seen from its other side."""
  return dataclasses.replace(
    solid, normals=-solid.normals, triangles=solid.triangles[:, ::-1]
  )


@functools.cache
def grid_triangles(rows: int, columns: int) -> np.ndarray:
  """Triangles over vertices in rows: int64 [2 * (rows-1) * (columns-1), 3].

  They face the viewer where rows go up and columns go right.
  """
  first = np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)
  a, b, c, d = first, first + 1, first + columns, first + columns + 1
  halves = [np.stack([a, b, d], -1), np.stack([a, d, c], -1)]
  return np.concatenate(halves, -1).reshape(-1, 3)


def grid_normals(points: np.ndarray) -> np.ndarray:
  """Normals [3, rows, columns] of a grid of points, by differences.

  They face the viewer where rows go up and columns go right.
  """
  along_rows = _differences(points, 1)
  along_columns = _differences(points, 2)
  return arithmetic.unit(arithmetic.cross(along_columns, along_rows))


def _differences(points: np.ndarray, axis: int) -> np.ndarray:
  """From the vertex before to the vertex behind, one-sided at the ends."""
  points = np.moveaxis(points, axis, -1)
  steps = np.empty_like(points)
  steps[..., 1:-1] = points[..., 2:] - points[..., :-2]
  steps[..., 0] = points[..., 1] - points[..., 0]
  steps[..., -1] = points[..., -1] - points[..., -2]
  return np.moveaxis(steps, -1, axis)


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


@functools.cache
def _unit_box() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  order = [corner for corners, _ in _FACES for corner in corners]
  normals = np.repeat(np.array([n for _, n in _FACES], np.float64), 4, axis=0)
  triangles = [
    [4 * face + i for i in half]
    for face in range(6)
    for half in ((0, 1, 2), (0, 2, 3))
  ]
  return _CORNERS[:, order], normals.T, np.array(triangles)


def box(
  center: tuple[float, float, float],
  half: tuple[float, float, float],
  kind: int,
) -> Solid:
  """A box along the axes: its centre and its half sizes in metres."""
  corners, normals, triangles = _unit_box()
  positions = corners * np.array(half)[:, None] + np.array(center)[:, None]
  return of_kind(positions, normals, triangles, kind)


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
  return np.stack(
    [
      radius * square(cosine[around]),
      radius * square(sine[around]),
      np.broadcast_to(square(height[up])[:, None], (rings, sides + 1)),
    ]
  )


def ball(
  center: tuple[float, float, float],
  half: tuple[float, float, float],
  kind: int,
) -> Solid:
  """A rounded block: its centre and its half sizes in metres."""
  rings, sides = 9, 12
  points = _unit_ball(rings, sides)
  stretched = points * np.array(half)[:, None, None]
  normals = arithmetic.unit(points / np.array(half)[:, None, None])
  positions = stretched + np.array(center)[:, None, None]
  triangles = grid_triangles(rings, sides + 1)
  return of_kind(
    positions.reshape(3, -1), normals.reshape(3, -1), triangles, kind
  )


def turned(
  center: tuple[float, float, float],
  profile: tuple[tuple[float, float], ...],
  kind: int,
  sides: int = 32,
) -> Solid:
  """A profile turned round an axis along y, e.g. a wheel.

  Args:
    center: of the axis, metres.
    profile: (radius, y) pairs in metres, from the far side over the rim to
      the near one (seen from +y).
    kind: of the mesh.
    sides: of the circle.

  Returns:
    A solid whose first surface coordinate is the radius.
  """
  cosine, sine = arithmetic.circle(sides)
  around = np.arange(sides + 1) % sides
  radius = np.array([r for r, _ in profile])[:, None]
  points = np.stack(
    [
      radius * cosine[around],
      np.broadcast_to(
        np.array([y for _, y in profile])[:, None], (len(profile), sides + 1)
      ),
      -radius * sine[around],
    ]
  )
  normals = grid_normals(points)
  positions = points + np.array(center)[:, None, None]
  surface = np.zeros((2, *positions.shape[1:]))
  surface[0] = radius
  return of_kind(
    positions.reshape(3, -1),
    normals.reshape(3, -1),
    grid_triangles(len(profile), sides + 1),
    kind,
    surface.reshape(2, -1),
  )
