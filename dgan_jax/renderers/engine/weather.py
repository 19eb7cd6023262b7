"""The light of a scene: sun, sky and haze. Colours are linear light."""

import dataclasses
from collections.abc import Mapping

import numpy as np

from dgan_jax.renderers.engine import arithmetic, random_draws
from dgan_jax.renderers.engine.finish import Color

Array = np.ndarray


@dataclasses.dataclass(frozen=True)
class Kind:
  """What is typical of a kind of weather."""

  zenith: Color  # colour of the sky above
  horizon: Color  # colour of the sky at the horizon
  sun: float  # strength of the sun, 0 where it doesn't come through
  sun_color: Color = (1.0, 0.96, 0.90)  # its colour
  elevation: tuple[float, float] = (0.6, 1.2)  # range of its height, radians
  haze: float = 0.0  # per metre, how fast things take the colour of the horizon
  exposure: float = 0.8  # factor from light to the picture


KINDS: Mapping[str, Kind] = {
  'clear': Kind((0.22, 0.42, 0.80), (0.80, 0.88, 0.98), sun=1.5),
  'cloudy': Kind((0.62, 0.65, 0.70), (0.86, 0.88, 0.90), sun=0.25),
  'golden': Kind(
    zenith=(0.28, 0.38, 0.60),
    horizon=(0.98, 0.78, 0.56),
    sun=1.2,
    sun_color=(1.0, 0.72, 0.45),
    elevation=(0.25, 0.45),
  ),
  'dusk': Kind((0.14, 0.18, 0.34), (0.62, 0.46, 0.42), sun=0.0, exposure=1.15),
  'fog': Kind((0.66, 0.68, 0.70), (0.78, 0.79, 0.80), sun=0.0, haze=0.03),
}


@dataclasses.dataclass(frozen=True)
class Weather:
  """Where light comes from."""

  sun: tuple[float, float, float]  # direction towards it, length 1
  sunlight: Color  # colour and strength of the sun; 0 where clouds hide it
  zenith: Color  # colour of the sky above
  horizon: Color  # colour of the sky at the horizon
  haze: float  # per metre, how fast things take the colour of the horizon
  exposure: float  # factor from light to the picture

  def sky(self, direction: Array) -> Array:
    """Light [3, n] from directions [3, n] above the horizon."""
    height = np.sqrt(np.clip(2 * direction[2], 0, 1))
    return _blend(self.horizon, self.zenith, height)

  def ambient(self, normal: Array, ground: Color) -> Array:
    """Light [3, n] on surfaces from the whole sky and off the ground."""
    above = tuple(
      0.55 * z + 0.45 * h
      for z, h in zip(self.zenith, self.horizon, strict=True)
    )
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
    return light + np.stack([s * glint for s in self.sunlight])


def _blend(low: Color, high: Color | Array, share: Array) -> Array:
  return np.stack([a + (b - a) * share for a, b in zip(low, high, strict=True)])


def draw(
  dice: random_draws.Draws,
  weights: Mapping[str, float],
  azimuths: tuple[float, float],
) -> Weather:
  """One of the weighted KINDS, the sun within a range of azimuths."""
  kind = KINDS[dice.likely(weights.items())]
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
