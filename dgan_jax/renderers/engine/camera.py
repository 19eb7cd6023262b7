"""Where a car is seen from: an ideal camera that frames what it looks at."""

import dataclasses

import numpy as np

from dgan_jax.renderers.engine import arithmetic
from dgan_jax.renderers.engine.arithmetic import Array, Triple

# What is nearer than this is not drawn, in metres.
NEAR = 0.5


@dataclasses.dataclass(frozen=True)
class Camera:
  """An ideal (pinhole) camera."""

  eye: Triple  # its place, metres, in the car's frame
  right: Triple  # unit vector to the right of the picture
  up: Triple  # unit vector to the top
  forward: Triple  # unit vector into the picture
  # Size on the screen of what is as large as it is far, in picture widths.
  focal: float = 1.0
  # Where the optical axis meets the screen, from the top left corner to the
  # right and down, in picture widths.
  shift: tuple[float, float] = (0.5, 0.5)

  def project(self, points: Array) -> tuple[Array, Array, Array]:
    """Where points float64 [3, ...] (metres) are seen: column and row in
    picture widths, and nearness, 1 / depth in 1/m (of points behind the
    camera, that of NEAR)."""
    offset = [points[axis] - self.eye[axis] for axis in range(3)]
    axes = self.forward, self.right, self.up
    ahead, across, upward = (arithmetic.dot(offset, axis) for axis in axes)
    nearness = 1 / np.maximum(ahead, NEAR)
    column = self.shift[0] + self.focal * across * nearness
    row = self.shift[1] - self.focal * upward * nearness
    return column, row, nearness

  def rays(self, height: int, width: int) -> Array:
    """Directions [3, height * width] of the samples, of length 1."""
    across = ((np.arange(width) + 0.5) / width - self.shift[0]) / self.focal
    down = ((np.arange(height) + 0.5) / width - self.shift[1]) / self.focal
    across = np.tile(across, height)
    down = np.repeat(down, width)
    axes = zip(self.forward, self.right, self.up, strict=True)
    rays = np.stack([f + across * r - down * u for f, r, u in axes])
    return arithmetic.unit(rays).astype(np.float32)


def looking_at(
  target: Triple, yaw: float, elevation: float, distance: float
) -> Camera:
  """A camera that looks at a point, the horizon level.

  Target and distance are in metres, elevation in radians above the horizontal,
  yaw in radians round the car, counter-clockwise seen from above: 0 looks at
  the nose, pi / 2 at the left side, pi at the tail.
  """
  cos_yaw, sin_yaw = arithmetic.cosine_sine(yaw)
  cos_up, sin_up = arithmetic.cosine_sine(elevation)
  away = (cos_yaw * cos_up, sin_yaw * cos_up, sin_up)
  x, y, z = (t + distance * a for t, a in zip(target, away, strict=True))
  return Camera(
    eye=(x, y, z),
    right=(-sin_yaw, cos_yaw, 0.0),
    up=(-cos_yaw * sin_up, -sin_yaw * sin_up, cos_up),
    forward=(-away[0], -away[1], -away[2]),
  )


def framed(
  camera: Camera,
  points: Array,
  fill: float,
  aspect: float,
  offset: tuple[float, float] = (0.0, 0.0),
) -> Camera:
  """The same camera, zoomed and shifted so that points fill the picture.

  Args:
    camera: with any focal length and shift.
    points: float64 [3, n], metres.
    fill: share of the picture's width, or of its height if that is less.
    aspect: height of the picture over its width.
    offset: of their middle from that of the picture, to the right and down,
      in shares of the room that is left: at 1 they touch the edge.
  """
  plain = dataclasses.replace(camera, focal=1.0, shift=(0.0, 0.0))
  column, row, _ = plain.project(points)
  left, right = float(column.min()), float(column.max())
  top, bottom = float(row.min()), float(row.max())
  focal = fill * min(1 / (right - left), aspect / (bottom - top))
  room_x = (1 - focal * (right - left)) / 2
  room_y = (aspect - focal * (bottom - top)) / 2
  shift = (
    0.5 + offset[0] * room_x - focal * (left + right) / 2,
    aspect / 2 + offset[1] * room_y - focal * (top + bottom) / 2,
  )
  return dataclasses.replace(camera, focal=focal, shift=shift)
