r"""The shell of a car: one smooth surface over (x, level).

At every x the cross-section runs from the sill (level 0) up the side to the
shoulder (level 1) and on over the windows and the roof, the hood or the deck
to the middle of the car (level 2):

        level 2 ____ 1.5
          |   roof  \
          |          \  windows
          |           \
          |____________) level 1: shoulder, at the belt
          |             )  side
          y = 0        / level 0: sill

At the nose and at the tail the half width falls to 0, so that the sides wrap
round and are the car's front and back.
"""

import numpy as np

from dgan_jax.renderers.cars.shape import Shape
from dgan_jax.renderers.engine import arithmetic, mesh
from dgan_jax.renderers.engine.arithmetic import Array, Value

SILL, SHOULDER = 0.0, 1.0

_ALONG, _ACROSS_END = 38, 9  # stations on the sides, and on either end
# Levels from the sill to the middle, close where the surface bends.
_OVER_LEVELS = (
  *(0.0, 0.01, 0.04, 0.1, 0.18, 0.27, 0.36, 0.45),
  *(0.54, 0.63, 0.72, 0.81, 0.9, 0.97, 1.0),
)
_LEVELS = np.concatenate([np.arange(9) / 9, SHOULDER + np.array(_OVER_LEVELS)])


def shell(shape: Shape, kind: int) -> mesh.Solid:
  """The whole shell; its surface coordinates are level and cap height."""
  x, level = _stations(shape)[None], _LEVELS[:, None]
  points = np.stack(surface(shape, x, level))
  normals = mesh.grid_normals(points)
  # In the plane of symmetry and at both ends the halves meet smoothly.
  normals[1, -1] = 0
  normals[1, :, [0, -1]] = 0
  normals = arithmetic.unit(normals)
  cap = np.broadcast_to(cap_height(shape, x), points[0].shape)
  coordinates = np.stack([np.broadcast_to(level, points[0].shape), cap])
  left = mesh.of_grid(points, kind, normals, coordinates)
  return mesh.join([left, mesh.mirrored(left)])


def surface(shape: Shape, x: Value, level: Value) -> tuple[Array, Array, Array]:
  """Points x, y, z of the left half at x (metres) and level (0 to 2), which may
  be arrays of shapes that fit."""
  x, level = (np.asarray(v, np.float64) for v in np.broadcast_arrays(x, level))
  side_y, side_z = _side(shape, x, np.minimum(level, SHOULDER))
  over = np.maximum(level - SHOULDER, 0)
  inward, upward = _cap_curve(shape, x, over)
  rise = cap_height(shape, x) * upward
  y = np.maximum(side_y - shape.lean * rise, 0) * inward
  return x, y, side_z + rise


def near_axle(shape: Shape, x: Array, z: Array) -> Array:
  """Distances from the nearer axle, seen from the side."""
  ahead, above = from_axle(shape, x, z)
  return np.sqrt(ahead * ahead + above * above)


def from_axle(shape: Shape, x: Array, z: Array) -> tuple[Array, Array]:
  """How far ahead of the nearer axle, and above it."""
  ahead = np.where(x > 0, x - shape.front_axle, x - shape.rear_axle)
  return ahead, z - shape.wheel_radius


def half_width(shape: Shape, x: Value) -> Array:
  """Half the width at x, before the sides' bow: the car seen from above."""
  x = np.asarray(x, np.float64)
  length = np.where(x > 0, shape.corner_front, shape.corner_rear)
  end = np.clip((np.abs(x) - (shape.half_length - length)) / length, 0, 1)
  square = end * end
  rounding = arithmetic.mix(square, square * square, shape.corner_square)
  corner = np.sqrt(np.maximum(1 - rounding, 0))
  along = x / shape.half_length
  taper = 1 - np.where(x > 0, 0.07, 0.05) * along * along
  return shape.half_width * taper * corner


def level_of(shape: Shape, x: Value, z: float) -> Array:
  """The level of a height on the side, 0 to 1."""
  sill, belt = sill_height(shape, x), belt_height(shape, x)
  return np.clip((z - sill) / (belt - sill), SILL, SHOULDER)


def ends_of_body(shape: Shape, y: Array, z: float, front: bool) -> Array:
  """x of the nose (or tail) at places [n] that are y to the side and z high;
  where the car is nowhere that wide, x of where the ends begin."""
  steps = np.arange(129) / 128
  x = shape.half_length * (0.6 + 0.4 * steps) * (1 if front else -1)
  width = _side(shape, x, level_of(shape, x, z))[0]
  # The sides close in, so the last place that is wide enough is the end.
  wide = width >= np.asarray(y)[:, None]
  last = len(x) - 1 - wide[:, ::-1].argmax(axis=1)
  return np.where(wide.any(axis=1), x[last], x[0])


def sill_height(shape: Shape, x: Value) -> Array:
  """Height of the lower edge, which rises a little towards both ends."""
  return shape.clearance + 0.05 * _fourth(x / shape.half_length)


def belt_height(shape: Shape, x: Value) -> Array:
  """Height of the shoulder, which is nowhere above hood or deck."""
  rising = shape.belt - shape.wedge * x
  return arithmetic.soft_min(rising, _deck(shape, x) - 0.03, 0.03)


def cap_height(shape: Shape, x: Value) -> Array:
  """How far the middle line lies above the shoulder."""
  return outline(shape, x) - belt_height(shape, x)


def outline(shape: Shape, x: Value) -> Array:
  """Height of the middle line: the deck, and on it the greenhouse.

  The greenhouse is the lowest of windscreen, roof and rear window, each a
  line, joined with rounded corners.
  """
  high = shape.height

  def slope(foot: float, low: float, head: float) -> Value:
    return low + (x - foot) * ((high - low) / (head - foot))

  screen = slope(shape.cowl, shape.hood_height, shape.roof_front)
  rear = slope(shape.tail_end, shape.deck_height, shape.roof_rear)
  middle = (shape.roof_front + shape.roof_rear) / 2
  reach = (x - middle) / shape.half_length
  roof = shape.height - 0.16 * reach * reach
  lowest = arithmetic.soft_min(screen, rear, 0.05)
  greenhouse = arithmetic.soft_min(lowest, roof, 0.09)
  return arithmetic.soft_max(greenhouse, _deck(shape, x), 0.03)


def _deck(shape: Shape, x: Value) -> Array:
  """The hood, and the lid of the boot, as if there were no greenhouse."""
  x = np.asarray(x, np.float64)
  ahead = np.clip((x - shape.cowl) / (shape.half_length - shape.cowl), 0, 1)
  fall = ahead * (0.55 + 0.45 * ahead)
  hood = arithmetic.mix(shape.hood_height, shape.nose_height, fall)
  behind = np.clip((shape.cowl - x) / (shape.cowl - shape.tail_end), 0, 1)
  lid = arithmetic.mix(shape.hood_height, shape.deck_height, behind)
  past = np.clip((np.abs(x) - shape.half_length + 0.25) / 0.21, 0, 1)
  edge = np.where(x > 0, 0.07, 0.05) * past * past
  return np.where(x > shape.cowl, hood, lid) - edge


def _side(shape: Shape, x: Array, level: Array) -> tuple[Array, Array]:
  """y and z below the shoulder."""
  z = arithmetic.mix(sill_height(shape, x), belt_height(shape, x), level)
  bow = level - 0.62
  tuck = np.maximum(0.22 - level, 0) / 0.22
  profile = 1 - shape.bulge * 2.6 * bow * bow - 0.05 * tuck * tuck
  width = half_width(shape, x)
  flares = np.zeros_like(x)
  for axle in (shape.front_axle, shape.rear_axle):
    reach = (x - axle) / (1.35 * shape.arch)
    band = np.maximum(1 - _fourth(reach), 0)
    flares = flares + shape.flare * band * np.maximum(1 - bow * bow * 4, 0)
  return width * profile + flares * (width > 0.8 * shape.half_width), z


def _cap_curve(shape: Shape, x: Array, over: Array) -> tuple[Array, Array]:
  """Shares of the width and of the cap's height above the shoulder: of a round
  superellipse where the cap is low, nearly of a box over the cabin."""
  # A quarter circle without sines: t is the tangent of half the angle.
  t = over
  scale = 1 / (1 + t * t)
  cosine = np.maximum((1 - t * t) * scale, 0)
  sine = 2 * t * scale
  boxy = arithmetic.ramp(0.08, 0.30, cap_height(shape, x))

  def flattened(value: Array) -> Array:
    root = np.sqrt(value)
    box = arithmetic.mix(root, np.sqrt(root), shape.squareness)
    return arithmetic.mix(value, box, boxy)

  return flattened(cosine), flattened(sine)


def _fourth(x: Array) -> Array:
  square = x * x
  return square * square


def _stations(shape: Shape) -> Array:
  """x of the cross-sections from the nose to the tail, close at both ends."""
  front = shape.half_length - shape.corner_front
  rear = shape.corner_rear - shape.half_length
  sides = front + (rear - front) * np.arange(1, _ALONG) / _ALONG
  # As far from the middle as keeps the half widths evenly spaced.
  share = np.arange(_ACROSS_END + 1) / _ACROSS_END
  out = np.sqrt(np.sqrt(1 - share * share))
  nose = front + shape.corner_front * out
  tail = rear - shape.corner_rear * out[::-1]
  return np.concatenate([nose, sides, tail])
