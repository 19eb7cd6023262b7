"""Light on the car: what colour every sample has."""

import numpy as np

from dgan_jax.renderers.engine import arithmetic
from dgan_jax.renderers.engine.finish import Color, Finish
from dgan_jax.renderers.engine.weather import Weather

Array = np.ndarray


def lit(
  position: Array,
  normal: Array,
  view: Array,
  material: Array,
  shade: Array,
  finish: Finish,
  weather: Weather,
  ground: Color,
) -> Array:
  """Linear light [3, n] from points of the car.

  Args:
    position: [3, n], metres.
    normal: [3, n], length 1.
    view: [3, n], directions from the camera, length 1.
    material: uint8 [n].
    shade: [n], 1, less in gaps.
    finish: the car's colours.
    weather: the light.
    ground: its colour, which shows in low parts.
  """
  *albedo, head_on, grazing = finish.table.T[:5, material]
  emitted = finish.table.T[5:, material]
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
  channels = []
  for k in range(3):
    received = ambient[k] * open_sky + weather.sunlight[k] * toward_sun
    diffuse = albedo[k] * received * shade * (1 - gloss)
    channels.append(diffuse + mirrored[k] * gloss + emitted[k])
  return np.stack(channels)


def developed(light: Array, exposure: float) -> Array:
  """Linear light as a picture in 0 to 1: a soft shoulder, then gamma 2."""
  exposed = np.maximum(light * exposure, 0)
  # x (1 + x / 4) / (1 + x): nearly linear in the shadows, 1 at about 2.6.
  bent = exposed * (1 + 0.25 * exposed) / (1 + exposed)
  return np.sqrt(np.minimum(1.25 * bent, 1))
