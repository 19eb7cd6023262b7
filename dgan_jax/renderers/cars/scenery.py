"""Ground, horizon and things that stand around; all of it background."""

import dataclasses

import numpy as np

from dgan_jax.renderers.cars.fittings import Kind
from dgan_jax.renderers.cars.shape import Shape
from dgan_jax.renderers.engine import arithmetic, mesh
from dgan_jax.renderers.engine.arithmetic import Array, Triple
from dgan_jax.renderers.engine.light import Color, Weather, column
from dgan_jax.renderers.engine.random_draws import Draws

# What cars stand on: colour, and how uneven it looks.
_GROUNDS: tuple[tuple[Color, float], ...] = (
  ((0.17, 0.17, 0.175), 0.35),  # asphalt
  ((0.36, 0.355, 0.34), 0.22),  # concrete
  ((0.10, 0.19, 0.055), 0.6),  # grass
  ((0.42, 0.33, 0.21), 0.4),  # sand
  ((0.26, 0.26, 0.27), 0.12),  # a floor
)
_WALLS: tuple[Color, ...] = (
  *((0.45, 0.43, 0.40), (0.38, 0.20, 0.14), (0.60, 0.52, 0.38)),
  (0.28, 0.30, 0.34),
)
_POSTS: tuple[Color, ...] = (
  *((0.5, 0.5, 0.5), (0.6, 0.05, 0.04), (0.05, 0.05, 0.06)),
)
_BARK: Color = (0.09, 0.06, 0.04)
# Ground is drawn up to here, metres.
_HORIZON = 60.0


@dataclasses.dataclass(frozen=True)
class Thing:
  """A solid that stands around."""

  solid: mesh.Solid  # its mesh, of kind `SCENERY` + its place in the list
  color: Color  # of its surface
  foot: Triple  # x, y and radius of where it touches the ground, metres
  window: float = 0.0  # distance between windows, metres, 0 for none


@dataclasses.dataclass(frozen=True)
class Scenery:
  """Everything behind and below the car."""

  ground: Color  # colour
  grain: float  # strength of its texture
  # Height of the hills, as the tangent of their elevation; 0: none.
  hills: float
  hill_color: Color  # of the hills
  # Distance of a white line from the car's middle, metres, or None.
  marking: float | None
  seed: int  # of all textures
  things: tuple[Thing, ...] = ()  # that stand around


def draw(dice: Draws, shape: Shape, yaw: float, rich: bool) -> Scenery:
  """A plain ground under a sky, or a rich one with hills, buildings, trees and
  street furniture, most of it opposite the camera (yaw in radians); nothing
  touches the car."""
  ground, grain = dice.pick(_GROUNDS, (4, 3, 2, 1, 2))
  return Scenery(
    ground=dice.tint(ground, 0.2),
    grain=grain * (1.0 if rich else 0.5),
    hills=dice.uniform(0.03, 0.16) if rich and dice.chance(0.6) else 0.0,
    hill_color=dice.tint((0.10, 0.17, 0.07), 0.4),
    marking=(
      dice.pick((-1, 1)) * dice.uniform(1.6, 3.2)
      if rich and dice.chance(0.4)
      else None
    ),
    seed=dice.integer(0, 1 << 20),
    things=_things(dice, shape, yaw) if rich else (),
  )


def _things(dice: Draws, shape: Shape, yaw: float) -> tuple[Thing, ...]:
  """Buildings and trees behind the car, cones and posts around it."""
  things: list[Thing] = []

  def add(
    solid: mesh.Solid, color: Color, foot: Triple, window: float = 0.0
  ) -> None:
    kinds = np.full(len(solid.kind), Kind.SCENERY + len(things))
    solid = dataclasses.replace(solid, kind=kinds)
    things.append(Thing(solid, color, foot, window))

  def behind(low: float, high: float) -> tuple[float, float]:
    """Behind the car as the camera sees it, more or less."""
    angle = yaw + arithmetic.PI + dice.uniform(-0.7, 0.7)
    cosine, sine = arithmetic.cosine_sine(angle)
    distance = dice.uniform(low, high)
    return distance * cosine, distance * sine

  for _ in range(dice.integer(0, 5) if dice.chance(0.6) else 0):
    x, y = behind(18, 40)
    half = (dice.uniform(2, 6), dice.uniform(2, 6), dice.uniform(2, 7))
    house = mesh.box((x, y, half[2]), half, 0)
    color = dice.tint(dice.pick(_WALLS), 0.2)
    add(house, color, (x, y, min(half[:2])), dice.uniform(1.5, 3.0))
  for _ in range(dice.integer(0, 4) if dice.chance(0.6) else 0):
    x, y = behind(8, 25)
    height, radius = dice.uniform(1.8, 3.5), dice.uniform(0.9, 2.0)
    trunk = mesh.box((x, y, height / 2), (0.15, 0.15, height / 2), 0)
    top = (x, y, height + 0.4 * radius)
    crown = mesh.ball(top, (radius, radius, 0.8 * radius), 0)
    add(trunk, _BARK, (x, y, 0.6 * radius))
    add(crown, dice.tint((0.07, 0.15, 0.04), 0.4), (x, y, 0.0))
  for _ in range(dice.integer(0, 3) if dice.chance(0.5) else 0):
    cosine, sine = arithmetic.cosine_sine(dice.uniform(0, 2 * arithmetic.PI))
    reach = shape.half_length + dice.uniform(0.5, 2.0)
    x, y = reach * cosine, reach * sine
    if dice.chance(0.5):
      post = mesh.box((x, y, 0.5), (0.06, 0.06, 0.5), 0)
      add(post, dice.pick(_POSTS), (x, y, 0.12))
    else:
      cone = mesh.ball((x, y, 0.2), (0.15, 0.15, 0.3), 0)
      add(cone, (0.7, 0.17, 0.02), (x, y, 0.2))
  return tuple(things)


def light(
  scenery: Scenery, weather: Weather, shape: Shape, eye: Triple, rays: Array
) -> Array:
  """Linear light [3, n] from ground, hills and sky along rays [3, n] (of length
  1) from the camera's eye (metres); the car throws its shadow."""
  picture = np.empty_like(rays)
  down = rays[2] < -eye[2] / _HORIZON
  below, above = rays[:, down], rays[:, ~down]
  picture[:, down] = _ground(scenery, weather, shape, eye, below)
  picture[:, ~down] = _distance(scenery, weather, above)
  return picture


def things_lit(
  scenery: Scenery,
  weather: Weather,
  eye: Triple,
  which: Array,
  position: Array,
  normal: Array,
) -> Array:
  """Linear light [3, n] from points of the things that stand around: of the
  `which`th [n], at positions [3, n] (metres) with normals [3, n]."""
  things = scenery.things
  color = np.array([thing.color for thing in things], np.float32).T[:, which]
  window = np.array([thing.window for thing in things], np.float32)[which]
  x, y, z = position
  pitch = np.maximum(window, 0.1)
  along, upward = (x + y) / pitch, z / pitch
  pane = (along - np.floor(along) > 0.5) & (upward - np.floor(upward) > 0.5)
  pane &= (window > 0) & (normal[2] < 0.5)
  off = position - column(eye)
  distance = np.sqrt(arithmetic.dot(off, off))
  veil = 1 - 1 / (1 + (weather.haze + 0.004) * distance)
  ambient = weather.ambient(normal, scenery.ground)
  shade = np.where(pane, np.float32(0.35), np.float32(1))
  toward_sun = weather.toward_sun(normal)
  received = ambient + column(weather.sunlight) * toward_sun
  return arithmetic.mix(color * shade * received, column(weather.horizon), veil)


def _distance(scenery: Scenery, weather: Weather, rays: Array) -> Array:
  """Sky, and hills where there are some."""
  sky = weather.sky(rays)
  if not scenery.hills or not rays.shape[1]:
    return sky
  flat = np.sqrt(rays[0] * rays[0] + rays[1] * rays[1])
  x, y = rays[0] / flat, rays[1] / flat
  bumps = arithmetic.value_noise(4 * x + 2 * y, 4 * y, 3, scenery.seed)
  ridge = scenery.hills * (0.4 + 1.2 * bumps)
  hill = arithmetic.ramp(-0.004, 0.004, ridge - rays[2] / flat)
  up = 40 * y + 60 * rays[2]
  leaves = arithmetic.value_noise(40 * x, up, 2, scenery.seed)
  share = 0.75 if weather.haze == 0 else 0.2
  shade = 0.6 + 0.8 * leaves
  color = column(scenery.hill_color) * shade
  color = arithmetic.mix(column(weather.horizon), color, share)
  return arithmetic.mix(sky, color, hill)


def _ground(
  scenery: Scenery, weather: Weather, shape: Shape, eye: Triple, rays: Array
) -> Array:
  """The ground with its texture, the car's shadow and the haze."""
  distance = -eye[2] / rays[2]
  x, y = eye[0] + distance * rays[0], eye[1] + distance * rays[1]
  # Texture finer than a sample would flicker; far away there is none.
  fine = arithmetic.value_noise(x * 1.3, y * 1.3, 3, scenery.seed) - 0.5
  texture = 1 + scenery.grain * fine / (1 + distance * 0.04)
  white = np.zeros_like(x)
  if scenery.marking is not None:
    aside = np.abs(y - scenery.marking)
    white = arithmetic.ramp(-0.03, 0.03, 0.07 - aside)
  open_sky = 1 - 0.85 * _under(shape, x, y, -0.05, 0.40)
  for thing in scenery.things:
    foot_x, foot_y, radius = thing.foot
    if radius:
      off_x, off_y = x - foot_x, y - foot_y
      off = arithmetic.rounded_box(off_x, off_y, radius, radius, radius)
      soft = 0.3 * radius + 0.1
      open_sky = open_sky * (0.4 + 0.6 * arithmetic.ramp(-soft, soft, off))
  sunny = 1 - 0.9 * _sun_shadow(weather, shape, x, y)
  far = arithmetic.ramp(18.0, _HORIZON, distance)
  fog = 1 - 1 / (1 + weather.haze * distance)
  veil = np.maximum(far, fog)
  color = arithmetic.mix(column(scenery.ground) * texture, 0.6, white)
  direct = column([weather.sun[2] * s for s in weather.sunlight])
  received = column(weather.above()) * open_sky + direct * sunny * open_sky
  return arithmetic.mix(color * received, column(weather.horizon), veil)


def _under(
  shape: Shape, x: Array, y: Array, margin: float, soft: float
) -> Array:
  """1 under the car, falling to 0 around it."""
  half_x = 0.95 * shape.half_length + margin
  half_y = 0.95 * shape.half_width + margin
  outside = arithmetic.rounded_box(x, y, half_x, half_y, 0.3)
  return 1 - arithmetic.ramp(-soft, soft, outside)


def _sun_shadow(weather: Weather, shape: Shape, x: Array, y: Array) -> Array:
  """The shadow of slabs of the car's size, the highest one smaller."""
  shadow = np.zeros_like(x)
  slabs = ((0.0, 0.0), (0.4, 0.0), (shape.belt, 0.0), (shape.height, -0.25))
  for height, margin in slabs if weather.sunlight[0] else ():
    scale = height / max(weather.sun[2], 0.3)
    at_x, at_y = x + weather.sun[0] * scale, y + weather.sun[1] * scale
    shadow = np.maximum(shadow, _under(shape, at_x, at_y, margin, 0.12))
  return shadow
