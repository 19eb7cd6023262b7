"""Scenes: everything that is drawn by lot for one picture."""

import dataclasses

from dgan_jax.domains import (
  arithmetic,
  camera,
  draws,
  finish,
  fittings,
  mesh,
  scenery,
  shape,
  trim,
  weather,
)
from dgan_jax.domains.settings import Setting

# Distance from the car to the camera, in half lengths of the car.
_DISTANCE = (3.2, 5.0)
# Strongest grain of rich scenes, as a share of white.
_GRAIN = 0.03


@dataclasses.dataclass(frozen=True)
class Scene:
  """A car, its place and light, and a camera.

  Attributes:
    shape: of the body.
    trim: what is fitted to it.
    finish: its colours.
    weather: the light.
    scenery: what is around.
    camera: that sees it.
    solids: the meshes of the car and of the things around.
    yaw: the camera's place round the car, radians.
    grain: of the picture, as a share of white.
  """

  shape: shape.Shape
  trim: trim.Trim
  finish: finish.Finish
  weather: weather.Weather
  scenery: scenery.Scenery
  camera: camera.Camera
  solids: mesh.Solid
  yaw: float
  grain: float


def draw(setting: Setting, aspect: float, seed: str, index: int) -> Scene:
  """Scene `index`.

  Args:
    setting: what may occur.
    aspect: height of the picture over its width.
    seed: a name; other names give other scenes.
    index: from 0 on.
  """

  def dice(stream: str) -> draws.Draws:
    return draws.Draws(seed, index, stream)

  body = shape.draw(dice('shape'), setting.styles)
  fitted = trim.draw(dice('trim'), body, setting.large_parts)
  car = fittings.car(body, fitted)
  view = dice('camera')
  yaw = view.uniform(*view.pick(setting.yaws))
  around = scenery.draw(
    dice('scenery'), body, yaw, setting.rich, fittings.Kind.SCENERY
  )
  looking = camera.looking_at(
    target=(0.0, 0.0, 0.45 * body.height),
    yaw=yaw,
    elevation=view.uniform(*setting.elevation),
    distance=body.half_length * view.uniform(*_DISTANCE),
  )
  off = setting.off_center
  # In plain settings the sun is on the side that one sees.
  spread = arithmetic.PI if setting.rich else 1.4
  return Scene(
    shape=body,
    trim=fitted,
    finish=finish.draw(dice('finish')),
    weather=weather.draw(
      dice('weather'), setting.weathers, (yaw - spread, yaw + spread)
    ),
    scenery=around,
    camera=camera.framed(
      looking,
      car.positions,
      fill=view.uniform(*setting.fill),
      aspect=aspect,
      offset=(view.uniform(-off, off), view.uniform(-off, off)),
    ),
    solids=mesh.join([car, *(thing.solid for thing in around.things)]),
    yaw=yaw,
    grain=view.uniform(0.0, _GRAIN) if setting.rich else 0.0,
  )
