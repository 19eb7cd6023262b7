"""Colours and materials of a car, the light of a scene, and how they meet.

Colours are linear light, 0 to 1.
"""

import dataclasses
import enum
from collections.abc import Mapping, Sequence

import numpy as np

from dgan_jax.renderers.engine import arithmetic, random_draws
from dgan_jax.renderers.engine.arithmetic import Array, Triple

Color = tuple[float, ...]


# What a point of a car is made of; a row of `draw_finish`.
Material = enum.IntEnum(
  'Material',
  'PAINT ROOF GLASS BUMPER SILL BLACK HEAD_LAMP TAIL_LAMP PLATE GRILLE '
  'GRILLE_BAR HANDLE MIRROR TYRE RIM DARK INK BULB TAIL_BULB',
  start=0,
)

# What cars are painted with, and how often.
_PAINTS: tuple[tuple[Color, float], ...] = (
  ((0.82, 0.82, 0.80), 0.15),  # white
  ((0.48, 0.50, 0.52), 0.14),  # silver
  ((0.20, 0.21, 0.22), 0.09),  # grey
  ((0.020, 0.021, 0.024), 0.09),  # black
  ((0.50, 0.025, 0.02), 0.12),  # red
  ((0.03, 0.12, 0.45), 0.11),  # blue
  ((0.20, 0.42, 0.65), 0.06),  # light blue
  ((0.02, 0.16, 0.07), 0.05),  # green
  ((0.70, 0.42, 0.03), 0.05),  # yellow
  ((0.62, 0.16, 0.02), 0.05),  # orange
  ((0.28, 0.20, 0.12), 0.04),  # brown
  ((0.03, 0.32, 0.33), 0.05),  # teal
)
_PLATES: tuple[Color, ...] = ((0.85, 0.85, 0.82), (0.85, 0.62, 0.08))

_BLACK: Color = (0.018, 0.018, 0.020)
_CHROME: Color = (0.58, 0.58, 0.60)


def draw_finish(dice: random_draws.Draws) -> Array:
  """Colours as one sees them on the road.

  float32 [materials, 8]: linear RGB, share of light mirrored head on, share of
  the mirrored sky at grazing angles, emitted RGB.
  """
  base = dice.tint(dice.likely(_PAINTS), 0.25)
  paint = tuple(min(max(channel, 0.012), 0.9) for channel in base)
  gloss = dice.uniform(0.05, 0.10)

  def black_or_paint(black: float) -> Color:
    return _BLACK if dice.chance(black) else paint

  glass = dice.uniform(0.006, 0.03)
  rim = dice.pick((0.55, 0.45, 0.35, 0.06), (4, 3, 2, 1))
  rows: dict[Material, tuple[Color, float, float]] = {
    Material.PAINT: (paint, gloss, 0.7),
    Material.ROOF: (black_or_paint(0.08), gloss, 0.7),
    Material.GLASS: ((glass, glass, glass * 1.15), 0.07, 0.6),
    Material.BUMPER: (black_or_paint(0.2), 0.05, 0.5),
    Material.SILL: (black_or_paint(0.5), 0.04, 0.4),
    Material.BLACK: (_BLACK, 0.03, 0.3),
    Material.HEAD_LAMP: ((0.30, 0.31, 0.33), 0.12, 0.6),
    Material.BULB: ((0.80, 0.80, 0.78), 0.10, 0.6),
    Material.TAIL_LAMP: ((0.10, 0.004, 0.006), 0.05, 0.5),
    Material.TAIL_BULB: ((0.70, 0.012, 0.02), 0.05, 0.5),
    Material.PLATE: (dice.pick(_PLATES, (3, 1)), 0.02, 0.1),
    Material.GRILLE: ((0.008, 0.008, 0.009), 0.02, 0.1),
    Material.GRILLE_BAR: (dice.pick((_CHROME, _BLACK)), 0.1, 0.4),
    Material.HANDLE: (_handle(dice, paint), 0.10, 0.4),
    Material.MIRROR: (black_or_paint(0.3), gloss, 0.6),
    Material.TYRE: ((0.016, 0.016, 0.017), 0.01, 0.05),
    Material.RIM: ((rim, rim, rim * 1.03), 0.12, 0.3),
    Material.DARK: ((0.004, 0.004, 0.004), 0.0, 0.0),
    Material.INK: ((0.03, 0.03, 0.04), 0.02, 0.1),
  }
  table = np.zeros((len(Material), 8), np.float32)
  for material, (color, mirrored, grazing) in rows.items():
    table[material, :5] = (*color, mirrored, grazing)
  table[Material.BULB, 5:] = 0.20, 0.20, 0.19
  table[Material.TAIL_BULB, 5:] = 0.22, 0.0, 0.004
  return table


def _handle(dice: random_draws.Draws, paint: Color) -> Color:
  """Chrome on dark cars, black on light ones, so that handles show."""
  if sum(paint) < 0.5:
    return _CHROME
  if sum(paint) > 1.3:
    return _BLACK
  return dice.pick((_CHROME, _BLACK))


@dataclasses.dataclass(frozen=True)
class WeatherKind:
  """What is typical of a kind of weather."""

  zenith: Color  # colour of the sky above
  horizon: Color  # colour of the sky at the horizon
  sun: float  # strength of the sun, 0 where it doesn't come through
  sun_color: Color = (1.0, 0.96, 0.90)  # its colour
  elevation: tuple[float, float] = (0.6, 1.2)  # range of its height, radians
  haze: float = 0.0  # per metre, how fast things take the colour of the horizon
  exposure: float = 0.8  # factor from light to the picture


WEATHERS: Mapping[str, WeatherKind] = {
  'clear': WeatherKind((0.22, 0.42, 0.80), (0.80, 0.88, 0.98), sun=1.5),
  'cloudy': WeatherKind((0.62, 0.65, 0.70), (0.86, 0.88, 0.90), sun=0.25),
  'golden': WeatherKind(
    zenith=(0.28, 0.38, 0.60),
    horizon=(0.98, 0.78, 0.56),
    sun=1.2,
    sun_color=(1.0, 0.72, 0.45),
    elevation=(0.25, 0.45),
  ),
  'dusk': WeatherKind(
    (0.14, 0.18, 0.34), (0.62, 0.46, 0.42), sun=0.0, exposure=1.15
  ),
  'fog': WeatherKind(
    (0.66, 0.68, 0.70), (0.78, 0.79, 0.80), sun=0.0, haze=0.03
  ),
}


@dataclasses.dataclass(frozen=True)
class Weather:
  """Where light comes from."""

  sun: Triple  # direction towards it, length 1
  sunlight: Color  # colour and strength of the sun; 0 where clouds hide it
  zenith: Color  # colour of the sky above
  horizon: Color  # colour of the sky at the horizon
  haze: float  # per metre, how fast things take the colour of the horizon
  exposure: float  # factor from light to the picture

  def sky(self, direction: Array) -> Array:
    """Light [3, n] from directions [3, n] above the horizon."""
    height = np.sqrt(np.clip(2 * direction[2], 0, 1))
    return _blend(self.horizon, self.zenith, height)

  def above(self) -> Color:
    """Light from the whole sky."""
    pairs = zip(self.zenith, self.horizon, strict=True)
    return tuple(0.55 * zenith + 0.45 * horizon for zenith, horizon in pairs)

  def ambient(self, normal: Array, ground: Color) -> Array:
    """Light [3, n] on surfaces from the whole sky and off the ground."""
    above = self.above()
    below = tuple(0.45 * g * a for g, a in zip(ground, above, strict=True))
    return _blend(below, above, 0.5 + 0.5 * normal[2])

  def toward_sun(self, direction: Array) -> Array:
    """Cosines [n] of directions [3, n] to the sun, 0 where they look away."""
    return np.maximum(arithmetic.dot(direction, self.sun), 0)

  def mirrored(self, direction: Array, ground: Color) -> Array:
    """Light [3, n] that a polished surface shows in directions [3, n]."""
    above = self.sky(direction)
    dark = tuple(0.5 * g * h for g, h in zip(ground, self.horizon, strict=True))
    share = arithmetic.ramp(-0.04, 0.06, direction[2])
    light = _blend(dark, above, share)
    # The sun's image on paint: bright where directions meet it.
    spread = np.maximum(1 - self.toward_sun(direction), 0) * 60
    glint = 3 / (1 + spread * spread * spread)
    return light + column(self.sunlight) * glint


def _blend(low: Color, high: Color | Array, share: Array) -> Array:
  return np.stack([a + (b - a) * share for a, b in zip(low, high, strict=True)])


def draw_weather(
  dice: random_draws.Draws,
  weights: Mapping[str, float],
  azimuths: tuple[float, float],
) -> Weather:
  """One of the weighted WEATHERS, the sun within a range of azimuths."""
  kind = WEATHERS[dice.likely(weights.items())]
  cos_up, sin_up = arithmetic.cosine_sine(dice.uniform(*kind.elevation))
  cos_round, sin_round = arithmetic.cosine_sine(dice.uniform(*azimuths))
  strength = dice.about(kind.sun, 0.2)
  return Weather(
    sun=(cos_round * cos_up, sin_round * cos_up, sin_up),
    sunlight=tuple(strength * channel for channel in kind.sun_color),
    zenith=dice.tint(kind.zenith, 0.10),
    horizon=dice.tint(kind.horizon, 0.04),
    haze=dice.about(kind.haze, 0.3),
    exposure=dice.about(kind.exposure, 0.08),
  )


def lit(
  position: Array,
  normal: Array,
  view: Array,
  material: Array,
  shade: Array,
  finish: Array,
  weather: Weather,
  ground: Color,
) -> Array:
  """Linear light [3, n] from points of the car.

  Positions [3, n] are in metres, normals [3, n] and directions `view` [3, n]
  from the camera of length 1, materials uint8 [n], and shades [n] 1, less in
  gaps; the ground shows in low parts.
  """
  *albedo, head_on, grazing = finish.T[:5, material]
  emitted = finish.T[5:, material]
  facing = np.clip(-arithmetic.dot(normal, view), 0, 1)
  mirrored = weather.mirrored(view + 2 * facing * normal, ground)
  # Schlick's approximation of how mirrors strengthen at grazing angles.
  away = 1 - facing
  fourth = away * away * away * away
  gloss = (head_on + grazing * fourth * away) * shade
  toward_sun = weather.toward_sun(normal)
  # The lower, the less sky there is: the ground and the car hide it.
  open_sky = 0.45 + 0.55 * arithmetic.ramp(0.0, 0.7, position[2])
  ambient = weather.ambient(normal, ground)
  received = ambient * open_sky + column(weather.sunlight) * toward_sun
  diffuse = np.stack(albedo) * received * shade * (1 - gloss)
  return diffuse + mirrored * gloss + emitted


def column(color: Sequence[float]) -> Array:
  """A colour float32 [3, 1], for light [3, n]."""
  return np.array(color, np.float32)[:, None]


def developed(light: Array, exposure: float) -> Array:
  """Linear light as a picture in 0 to 1: a soft shoulder, then gamma 2."""
  exposed = np.maximum(light * exposure, 0)
  # x (1 + x / 4) / (1 + x): nearly linear in the shadows, 1 at about 2.6.
  bent = exposed * (1 + 0.25 * exposed) / (1 + exposed)
  return np.sqrt(np.minimum(1.25 * bent, 1))
