"""Scenes: everything that is drawn by lot for one picture."""

import dataclasses

from dgan_jax.renderers.cars import fittings
from dgan_jax.renderers.cars import scenery as scenery_lib
from dgan_jax.renderers.cars import shape as shape_lib
from dgan_jax.renderers.cars import trim as trim_lib
from dgan_jax.renderers.cars.settings import Setting
from dgan_jax.renderers.engine import arithmetic, mesh, random_draws
from dgan_jax.renderers.engine import camera as camera_lib
from dgan_jax.renderers.engine import finish as finish_lib
from dgan_jax.renderers.engine import weather as weather_lib

# Distance from the car to the camera, in half lengths of the car.
_DISTANCE = (3.2, 5.0)
# Strongest grain of rich scenes, as a share of white.
_GRAIN = 0.03


@dataclasses.dataclass(frozen=True)
class Scene:
  """A car, its place and light, and a camera."""

  shape: shape_lib.Shape  # of the body
  trim: trim_lib.Trim  # what is fitted to it
  finish: finish_lib.Finish  # its colours
  weather: weather_lib.Weather  # the light
  scenery: scenery_lib.Scenery  # what is around
  camera: camera_lib.Camera  # that sees it
  solids: mesh.Solid  # the meshes of the car and of the things around
  yaw: float  # the camera's place round the car, radians
  grain: float  # of the picture, as a share of white


def draw(setting: Setting, aspect: float, seed: str, index: int) -> Scene:
  """Scene `index`.

  Args:
    setting: what may occur.
    aspect: height of the picture over its width.
    seed: a name; other names give other scenes.
    index: from 0 on.
  """

  def dice(stream: str) -> random_draws.Draws:
    return random_draws.Draws(seed, index, stream)

  body = shape_lib.draw(dice('shape'), setting.styles)
  fitted = trim_lib.draw(dice('trim'), body, setting.large_parts)
  car = fittings.car(body, fitted)
  view = dice('camera')
  yaw = view.uniform(*view.pick(setting.yaws))
  around = scenery_lib.draw(
    dice('scenery'), body, yaw, setting.rich, fittings.Kind.SCENERY
  )
  looking = camera_lib.looking_at(
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
    finish=finish_lib.draw(dice('finish')),
    weather=weather_lib.draw(
      dice('weather'), setting.weathers, (yaw - spread, yaw + spread)
    ),
    scenery=around,
    camera=camera_lib.framed(
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
