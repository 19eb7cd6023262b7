"""Twenty places on a car, and which of them a camera sees."""

import dataclasses
import math

import numpy as np

from dgan_jax.renderers.cars import body, fittings, parts
from dgan_jax.renderers.cars.shape import Shape
from dgan_jax.renderers.cars.trim import Patch, Trim
from dgan_jax.renderers.engine import arithmetic
from dgan_jax.renderers.engine.arithmetic import Triple, Value
from dgan_jax.renderers.engine.camera import Camera
from dgan_jax.renderers.engine.rasteriser import Samples

_PAIRS = (
  *('front_wheel', 'rear_wheel', 'head_lamp', 'tail_lamp', 'mirror'),
  *('handle', 'windshield_top', 'windshield_bottom', 'roof_rear'),
)
NAMES: tuple[str, ...] = (
  *(f'{side}_{name}' for name in _PAIRS for side in ('left', 'right')),
  *('front_plate', 'rear_plate'),
)

# A surface is seen up to nearly a right angle: less than this cosine is not.
_GRAZING = 0.12


@dataclasses.dataclass(frozen=True)
class Keypoint:
  """A place on the left half of a car."""

  place: Triple  # metres
  # Direction that the surface there looks in; zeros if it can be seen from
  # everywhere.
  facing: Triple = (0.0, 0.0, 0.0)
  # How far it may lie behind what is seen there and still counts as seen,
  # metres.
  depth: float = 0.06


def places(shape: Shape, trim: Trim) -> list[Keypoint | None]:
  """The keypoints in the order of NAMES; None: the car has no such part."""
  found: list[Keypoint | None] = []
  for left in _left_half(shape, trim):
    (x, y, z), (to_x, to_y, to_z) = left.place, left.facing
    right = Keypoint((x, -y, z), (to_x, -to_y, to_z), left.depth)
    found += [left, right]
  plate = trim.front_plate
  found.append(_on_end(shape, plate, front=True) if plate else None)
  found.append(_on_end(shape, trim.rear_plate, front=False))
  return found


def _left_half(shape: Shape, trim: Trim) -> list[Keypoint]:
  """Those of the left half, in the order of _PAIRS."""
  outwards = (0.0, 1.0, 0.0)
  handle_x, handle_z = parts.handle_places(shape, trim)[0]
  handle_level = body.level_of(shape, handle_x, handle_z)
  roof = 1.55  # level of the roof's corners, see body.py
  return [
    *(
      Keypoint(fittings.wheel_center(shape, axle), outwards)
      for axle in (shape.front_axle, shape.rear_axle)
    ),
    _on_end(shape, trim.lamp, front=True),
    _on_end(shape, trim.tail_lamp, front=False),
    Keypoint(fittings.mirror_center(shape, trim), depth=1.2 * max(trim.mirror)),
    _on_shell(shape, handle_x, handle_level, outwards),
    _on_shell(shape, shape.roof_front + 0.05, roof),
    _on_shell(shape, shape.cowl - 0.06, roof),
    _on_shell(shape, shape.roof_rear + 0.03, roof),
  ]


def _on_end(shape: Shape, patch: Patch, front: bool) -> Keypoint:
  """The middle of a patch on the nose or on the tail."""
  step = 0.04
  sides = np.abs(patch.side + np.array([-step, 0, step]))
  inner, x, outer = body.ends_of_body(shape, sides, patch.height, front)
  # Seen from above, the ends fall back to the sides: the normals turn there.
  ahead = 1 if front else -1
  facing = (2 * step * ahead, float(inner - outer) * ahead, 0.0)
  return Keypoint((float(x), patch.side, patch.height), facing)


def _on_shell(
  shape: Shape, x: float, level: Value, facing: Triple = (0.0, 0.0, 0.0)
) -> Keypoint:
  _, y, z = body.surface(shape, x, level)
  return Keypoint((x, float(y), float(z)), facing)


def seen(
  shape: Shape, trim: Trim, camera: Camera, samples: Samples
) -> tuple[np.ndarray, np.ndarray]:
  """Where the keypoints are, and which are seen.

  Returns:
    float64 [20, 2], x and y in picture widths from the top left corner, zeros
    for what the car doesn't have; bool [20], whether it is in the samples.
  """
  where = np.zeros((len(NAMES), 2))
  visible = np.zeros(len(NAMES), bool)
  nearness = samples.nearness.reshape(samples.height, samples.width)
  for number, keypoint in enumerate(places(shape, trim)):
    if keypoint is None:
      continue
    column, row, near = map(float, camera.project(np.array(keypoint.place)))
    where[number] = column, row
    across = math.floor(column * samples.width)
    down = math.floor(row * samples.width)
    if 0 <= across < samples.width and 0 <= down < samples.height:
      nearest = nearness[down, across]
      in_sight = nearest > 0 and 1 / near <= 1 / nearest + keypoint.depth
      visible[number] = in_sight and _faces(keypoint, camera.eye)
  return where, visible


def _faces(keypoint: Keypoint, eye: Triple) -> bool:
  """Whether the surface at a keypoint looks towards the camera."""
  facing = np.array(keypoint.facing)
  toward = np.array(eye) - np.array(keypoint.place)
  product = float(arithmetic.dot(facing, toward))
  lengths = arithmetic.dot(facing, facing) * arithmetic.dot(toward, toward)
  return not facing.any() or product > _GRAZING * math.sqrt(lengths)
