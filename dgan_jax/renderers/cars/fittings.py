"""What is not the shell: wheels, mirrors, spoiler, rails, underbody."""

import enum

import numpy as np

from dgan_jax.renderers.cars import body
from dgan_jax.renderers.cars.parts import Layer, layered
from dgan_jax.renderers.cars.shape import Shape
from dgan_jax.renderers.cars.trim import Trim
from dgan_jax.renderers.engine import arithmetic, mesh
from dgan_jax.renderers.engine.arithmetic import Array, Triple
from dgan_jax.renderers.engine.light import Material

# How far behind the wheel arches it gets dark, metres.
_LINER_DEPTH = 0.12
# How thick the body's skin is, metres.
_SKIN = 0.04


class Kind(enum.IntEnum):
  """Kinds of meshes: which rules say part and material."""

  SHELL = 0
  WHEEL = 1
  MIRROR = 2
  SPOILER = 3
  RAIL = 4
  UNDERBODY = 5
  SCENERY = 6  # and above: the scenery's own kinds


def car(shape: Shape, trim: Trim) -> mesh.Solid:
  """All of a car."""
  parts = [body.shell(shape, Kind.SHELL), *_underbody(shape)]
  for axle in (shape.front_axle, shape.rear_axle):
    parts += _pair(_wheel(shape, trim, axle))
  mirror = mirror_center(shape, trim)
  parts += _pair(mesh.ball(mirror, trim.mirror, Kind.MIRROR))
  if trim.spoiler:
    parts += _spoiler(shape)
  if trim.rails:
    parts += _rails(shape)
  return mesh.join(parts)


def _pair(left: mesh.Solid) -> list[mesh.Solid]:
  return [left, mesh.mirrored(left)]


def wheel_center(shape: Shape, axle: float) -> Triple:
  """Of the outer face of the left wheel, just within its arch."""
  y = float(body.half_width(shape, axle)) * 0.985 + shape.flare - 0.02
  return axle, y, shape.wheel_radius


def _wheel(shape: Shape, trim: Trim, axle: float) -> mesh.Solid:
  """The left wheel: the tyre's tread, its wall, and the hollow rim."""
  radius, width = shape.wheel_radius, shape.wheel_width
  profile = (
    *((0.5 * radius, -width), (0.97 * radius, -width)),
    *((radius, -0.92 * width), (radius, -0.08 * width)),
    *((0.96 * radius, 0.0), (trim.rim * radius + 0.01, 0.0)),
    *((trim.rim * radius - 0.01, -0.03), (0.25 * radius, -0.045)),
    (0.0, -0.02),
  )
  return mesh.turned(wheel_center(shape, axle), profile, Kind.WHEEL)


def mirror_center(shape: Shape, trim: Trim) -> Triple:
  """Of the left mirror."""
  x = min(shape.cowl - 0.22, shape.door_front - 0.05)
  z = float(body.belt_height(shape, x)) + trim.mirror[2] + 0.01
  y = float(body.half_width(shape, x)) + 0.6 * trim.mirror[1]
  return x, y, z


def _spoiler(shape: Shape) -> list[mesh.Solid]:
  """A blade on the lid, or over the rear window of a hatchback."""
  width = shape.half_width
  if shape.has_tailgate:
    center = (shape.roof_rear - 0.04, 0.0, shape.height - 0.07)
    return [mesh.box(center, (0.13, 0.58 * width, 0.02), Kind.SPOILER)]
  x = 0.22 - shape.half_length
  z = float(body.outline(shape, x)) + 0.13
  blade = mesh.box((x, 0.0, z), (0.11, 0.72 * width, 0.02), Kind.SPOILER)
  foot = (x, 0.55 * width, z - 0.08)
  return [blade, *_pair(mesh.box(foot, (0.05, 0.025, 0.09), Kind.SPOILER))]


def _rails(shape: Shape) -> list[mesh.Solid]:
  x = (shape.roof_front + shape.roof_rear) / 2
  half = 0.38 * (shape.roof_front - shape.roof_rear)
  ends = np.array([x - half, x, x + half])
  _, y, z = body.surface(shape, ends, 1.62)
  center = (x, float(y[1]), float(z.min()) + 0.035)
  return _pair(mesh.box(center, (half, 0.025, 0.035), Kind.RAIL))


def _underbody(shape: Shape) -> list[mesh.Solid]:
  """A floor and liners, so that one does not see through the arches."""
  half = (0.74 * shape.half_length, 0.76 * shape.half_width, 0.14)
  center = (0.0, 0.0, shape.clearance + 0.08)
  blocks = [mesh.box(center, half, Kind.UNDERBODY)]
  reach, end = shape.arch + 0.3, shape.half_length - 0.01
  for axle in (shape.front_axle, shape.rear_axle):
    ahead, behind = min(axle + reach, end), max(axle - reach, -end)
    blocks += _pair(_liner(shape, ahead, behind, _LINER_DEPTH))
    # Seen through an arch, the inside of nose and tail is dark too.
    ahead, behind = (end, behind) if axle > 0 else (ahead, -end)
    blocks += _pair(mesh.inside_out(_liner(shape, ahead, behind, _SKIN)))
  return blocks


def _liner(
  shape: Shape, ahead: float, behind: float, depth: float
) -> mesh.Solid:
  """The left side from x = ahead to x = behind, so much further in."""
  x = arithmetic.mix(ahead, behind, np.arange(16) / 15)
  level = np.arange(6)[:, None] / 5 * 0.97
  points = np.stack(body.surface(shape, x, level))
  points[1] = np.maximum(points[1] - depth, 0)
  return mesh.of_grid(points, Kind.UNDERBODY)


def paint(
  kind: Array, position: Array, normal: Array, shape: Shape, trim: Trim
) -> tuple[Array, Array]:
  """Labels and materials uint8 [n] of points that are not on the shell, of
  `Kind`s [n], at positions [3, n] (metres) with normals [3, n]."""
  under_spoiler = 'roof' if shape.has_tailgate else 'trunk_lids'
  mirror = kind == Kind.MIRROR
  wheel = np.flatnonzero(kind == Kind.WHEEL)
  hub, solid = _rim(position[:, wheel], normal[:, wheel], shape, trim)
  layers: list[Layer] = [
    ('background', Material.DARK, np.s_[:]),
    ('car_body', Material.DARK, kind == Kind.UNDERBODY),
    ('roof', Material.BLACK, kind == Kind.RAIL),
    (under_spoiler, Material.PAINT, kind == Kind.SPOILER),
    ('mirror', Material.MIRROR, mirror),
    ('mirror', Material.GLASS, mirror & (normal[0] < -0.8)),
    ('tire', Material.TYRE, wheel),
    ('wheelhub', Material.DARK, wheel[hub]),
    ('wheelhub', Material.RIM, wheel[hub & solid]),
  ]
  return layered(len(kind), layers)


def _rim(
  position: Array, normal: Array, shape: Shape, trim: Trim
) -> tuple[Array, Array]:
  """Points [n] of the rims; of these, the ones on metal."""
  x, y, z = position
  ahead, above = body.from_axle(shape, x, z)
  distance = np.sqrt(ahead * ahead + above * above)
  radius = trim.rim * shape.wheel_radius
  outer = normal[1] * np.sign(y) > 0.3
  hub = (distance < radius) & outer
  solid = (distance < 0.24 * radius) | (distance > 0.86 * radius)
  if trim.hubcap:
    solid |= (distance < 0.55 * radius) | (distance > 0.68 * radius)
    return hub, solid
  for k in range(trim.spokes):  # the first upwards
    turn = 2 * arithmetic.PI * k / trim.spokes
    cosine, sine = arithmetic.cosine_sine(arithmetic.PI / 2 + turn)
    along = ahead * cosine + above * sine
    across = np.abs(above * cosine - ahead * sine)
    solid |= (along > 0) & (across < trim.spoke_width * 0.6)
  return hub, solid
