"""Which part of the car each point of its shell belongs to: regions, given by a
few inequalities in metres, of which later ones cover earlier ones."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from dgan_jax import schema
from dgan_jax.renderers.cars import body
from dgan_jax.renderers.cars.shape import Shape
from dgan_jax.renderers.cars.trim import Patch, Trim
from dgan_jax.renderers.engine import arithmetic
from dgan_jax.renderers.engine.arithmetic import Array
from dgan_jax.renderers.engine.light import Material

CLASSES = schema.get_schema('car_20').classes
LABEL = {name: label for label, name in enumerate(CLASSES)}

# Levels of the shell (see body.py) up to which there are, from the shoulder
# on: the edges of hood and deck; side windows; pillars.
_EDGE, _GLASS, _PILLAR = 1.12, 1.40, 1.48

_SEAM = 0.014  # width of the gaps between panels, metres

# Patterns are drawn where samples are at most this large, metres: coarser
# ones would only make them flicker.
_FINE = 0.03


@dataclasses.dataclass(frozen=True)
class Points:
  """Points of the shell; arrays [n]."""

  x: Array  # metres in the car's frame
  y: Array  # likewise
  z: Array  # likewise
  level: Array  # 0 at the sill, 1 at the shoulder, 2 in the middle
  cap: Array  # height of the middle line above the shoulder, at this x
  footprint: float  # size of a sample on the car, metres


# (part, material, where [n]); a part '' or a material None stays as below.
Layer = tuple[str, Material | None, Array | slice]


def paint(
  shape: Shape, trim: Trim, points: Points
) -> tuple[Array, Array, Array]:
  """Labels uint8 [n], materials uint8 [n] and shades float32 [n] (1, and less
  in the gaps between panels) of points of the shell."""
  layers: list[Layer] = [
    ('car_body', Material.PAINT, np.s_[:]),
    *_top(shape, points),
    *_sides(shape, trim, points),
    *_front(shape, trim, points),
    *_back(shape, trim, points),
  ]
  label, material = layered(len(points.x), layers)
  return label, material, _seams(shape, trim, points, label)


def layered(count: int, layers: Iterable[Layer]) -> tuple[Array, Array]:
  """Labels and materials uint8 [count] of layers, each over those before."""
  label, material = np.zeros((2, count), np.uint8)
  for name, made_of, region in layers:
    if name:
      label[region] = LABEL[name]
    if made_of is not None:
      material[region] = made_of
  return label, material


def _top(shape: Shape, at: Points) -> Iterator[Layer]:
  """Hood, windscreen, roof, rear window, lid."""
  x, level = at.x, at.level
  screen_top, screen_foot = shape.windscreen
  rear_foot, rear_top = shape.rear_window
  edge = level <= _EDGE
  yield 'fender', None, (x > shape.door_front) & edge
  yield 'hoods', None, (x > shape.cowl - 0.05) & ~edge
  if shape.style == 'pickup':
    bed = (x < shape.tail_end) & (level > _EDGE + 0.06)
    yield '', Material.DARK, bed & (x > 0.08 - shape.half_length)
  else:
    yield 'trunk_lids', None, (x < rear_foot) & ~edge
  if shape.has_tailgate:
    frame = (level > _GLASS) | (at.z < _belt(shape, at) + 0.08)
    yield 'trunk_lids', None, (x < shape.roof_rear) & frame & ~edge
  roof = (x > shape.roof_rear - 0.02) & (x < screen_top)
  yield 'roof', Material.ROOF, roof & (level > _GLASS + 0.02)
  screen = (x > screen_top) & (x < screen_foot) & (level > _PILLAR)
  yield 'windshield', Material.GLASS, screen
  rear = (x > rear_foot) & (x < rear_top) & (level > _PILLAR)
  yield 'window', Material.GLASS, rear & (at.z > _belt(shape, at) + 0.06)


def _sides(shape: Shape, trim: Trim, at: Points) -> Iterator[Layer]:
  """Doors with their windows and handles, sills."""
  x, z, level = at.x, at.z, at.level
  belt = _belt(shape, at)
  window_low = belt + 0.035
  window_high = belt + 0.86 * at.cap - 0.035
  glazed = (level > body.SHOULDER) & (level < _GLASS)
  glazed &= (z > window_low) & (z < window_high)
  glazed &= (x < shape.cowl - 0.18) & (x > _glass_end(shape))
  yield '', Material.BLACK, glazed
  pillar = np.abs(x - shape.door_split) < 0.045
  if shape.doors == 4:
    pillar |= np.abs(x - shape.door_rear) < 0.035
  yield 'window', Material.GLASS, glazed & ~pillar
  door = (x < shape.door_front) & (x > shape.door_rear)
  door &= (z < window_low) & (level < 1.3) & ~(glazed & ~pillar)
  yield 'door', None, door
  sill = (level < 0.19) & (x < shape.front_axle) & (x > shape.rear_axle)
  yield 'running_boards', Material.SILL, sill
  for handle_x, handle_z in handle_places(shape, trim):
    half = trim.handle
    distance = arithmetic.rounded_box(
      x - handle_x, z - handle_z, *half, 0.6 * half[1]
    )
    yield 'handles', Material.HANDLE, door & (distance < 0)


def handle_places(shape: Shape, trim: Trim) -> list[tuple[float, float]]:
  """x and z of the handles of one side, the front door's first."""
  places = []
  for edge in dict.fromkeys((shape.door_split, shape.door_rear)):
    x = edge + trim.handle[0] + 0.06
    places.append((x, float(body.belt_height(shape, x)) - trim.handle_drop))
  return places


def _front(shape: Shape, trim: Trim, at: Points) -> Iterator[Layer]:
  """Bumper, grille, head lamps, plate."""
  x, z = at.x, at.z
  wrap = x > shape.front_axle + 0.9 * shape.arch
  bumper = wrap & (z < trim.bumper_top) & (at.level <= 1)
  yield 'bumper', Material.BUMPER, bumper
  face = x > shape.half_length - 0.16
  yield 'bumper', None, face & (at.level <= 1) & (z >= trim.bumper_top)
  yield 'grilles', Material.GRILLE, face & _on(trim.intake, at)
  grille = face & _on(trim.grille, at)
  yield 'grilles', Material.GRILLE, grille
  yield '', Material.GRILLE_BAR, grille & _grille_bars(trim, at)
  lamps = (x > shape.half_length - 0.62) & _on(trim.lamp, at)
  yield 'car_lights', Material.HEAD_LAMP, lamps & (at.level < 1.3)
  yield '', Material.BULB, lamps & _on(_core(trim.lamp), at)
  if trim.fog_lamp:
    yield 'car_lights', Material.HEAD_LAMP, wrap & _on(trim.fog_lamp, at)
  if trim.front_plate:
    yield from _plate(trim.front_plate, at, x > shape.half_length - 0.2)


def _back(shape: Shape, trim: Trim, at: Points) -> Iterator[Layer]:
  """Bumper, lid, tail lamps, plate."""
  x, z = at.x, at.z
  wrap = x < shape.rear_axle - 0.9 * shape.arch
  bumper = wrap & (z < trim.back_bumper_top) & (at.level <= 1)
  yield 'back_bumper', Material.BUMPER, bumper
  lid = (x < 0.22 - shape.half_length) & (z >= trim.back_bumper_top)
  lid &= np.abs(at.y) < trim.tail_lamp.side + 0.02
  yield 'trunk_lids', None, lid & (at.level <= 1.3)
  lamps = (x < 0.55 - shape.half_length) & _on(trim.tail_lamp, at)
  yield 'tailLight', Material.TAIL_LAMP, lamps & (at.level < 1.3)
  yield '', Material.TAIL_BULB, lamps & _on(_core(trim.tail_lamp), at)
  yield from _plate(trim.rear_plate, at, x < 0.25 - shape.half_length)


def _plate(patch: Patch, at: Points, where: Array) -> Iterator[Layer]:
  yield 'licensePlate', Material.PLATE, where & _on(patch, at)
  if at.footprint <= _FINE:  # Six marks.
    height = at.z - patch.height
    marks = (np.abs(height) < 0.55 * patch.half[1]) & (np.abs(at.y) < 0.21)
    phase = (at.y + 0.21) * (6 / 0.42)
    marks &= (phase - np.floor(phase) < 0.62) & _on(patch, at)
    yield '', Material.INK, where & marks


def _grille_bars(trim: Trim, at: Points) -> Array:
  """A frame, and bars where there are samples enough to show them."""
  patch = trim.grille
  bar = np.abs(at.z - patch.height) > patch.half[1] - 0.02
  if trim.grille_pattern == 'plain' or at.footprint > _FINE:
    return bar
  pitch = max(0.05, 3.2 * at.footprint)
  if trim.grille_pattern in ('bars', 'mesh'):
    phase = at.z / pitch
    bar = bar | (phase - np.floor(phase) < 0.35)
  if trim.grille_pattern in ('slats', 'mesh'):
    phase = at.y / (1.5 * pitch)
    bar = bar | (phase - np.floor(phase) < 0.35)
  return bar


def _on(patch: Patch, at: Points) -> Array:
  """Whether points lie within a patch, on either side of the car."""
  side = np.abs(at.y) - patch.side if patch.side else at.y
  height = at.z - patch.height - patch.slant * side
  return arithmetic.rounded_box(side, height, *patch.half, patch.radius) < 0


def _core(lamp: Patch) -> Patch:
  """The bright middle of a lamp."""
  half = (0.72 * lamp.half[0], 0.72 * lamp.half[1])
  return dataclasses.replace(lamp, half=half, radius=min(half) * 0.9)


def _belt(shape: Shape, at: Points) -> Array:
  return shape.belt - shape.wedge * at.x


def _glass_end(shape: Shape) -> float:
  """x where the side windows end."""
  if shape.style == 'pickup':
    return shape.door_rear - 0.02
  return shape.tail_end + 0.14 + 0.2 * (shape.roof_rear - shape.tail_end)


def _seams(shape: Shape, trim: Trim, at: Points, label: Array) -> Array:
  """How light the paint is: darker along the gaps between panels."""
  x, z = at.x, at.z
  side = (at.level > 0.17) & (z < _belt(shape, at) + 0.04)
  on_hood = (x > shape.cowl) & (at.level > 1)
  gaps = [
    (x - shape.door_front, side),
    (x - shape.door_split, side),
    (x - shape.door_rear, side),
    ((at.level - _EDGE) * 0.8, on_hood),
    (z - trim.bumper_top, x > shape.front_axle + 0.9 * shape.arch),
    (z - trim.back_bumper_top, x < shape.rear_axle - 0.9 * shape.arch),
  ]
  dark = np.zeros_like(x)
  for distance, where in gaps:
    drawn = arithmetic.line(distance, _SEAM, at.footprint)
    dark = np.maximum(dark, np.where(where, drawn, 0))
  painted = ~np.isin(label, _UNBROKEN)
  return (1 - 0.75 * dark * painted).astype(np.float32)


_UNBROKEN = [
  LABEL[name]
  for name in (
    *('window', 'windshield', 'car_lights', 'tailLight', 'licensePlate'),
    *('grilles', 'handles'),
  )
]
