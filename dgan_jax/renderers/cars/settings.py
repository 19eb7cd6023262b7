"""The settings of the rendered cars: how difficult their pictures are."""

import dataclasses
from collections.abc import Mapping

from dgan_jax.renderers.engine import arithmetic


@dataclasses.dataclass(frozen=True)
class Setting:
  """How difficult a domain is."""

  # Ranges of the camera's place round the car, radians: 0 looks at the nose, pi
  # / 2 at the left side, pi at the tail.
  yaws: tuple[tuple[float, float], ...]
  elevation: tuple[float, float]  # range of the camera's height, radians
  # Range of the share of the picture's width that the car takes, or of its
  # height if that is less.
  fill: tuple[float, float]
  styles: Mapping[str, float]  # body styles and how often they occur
  weathers: Mapping[str, float]  # kinds of weather and how often they occur
  # How far the car may be from the middle, as a share of the room that is left.
  off_center: float = 0.15
  rich: bool = False  # scenes with hills, buildings, trees, posts, and grain
  # Lamps, mirrors and handles are large, and the car has nothing thin on it, so
  # that small pictures show every part.
  large_parts: bool = True


_PLAIN_STYLES = {
  **{'sedan': 0.27, 'hatchback': 0.2, 'wagon': 0.15, 'suv': 0.2},
  **{'coupe': 0.1, 'mini': 0.08},
}
_PLAIN_WEATHERS = {'clear': 0.5, 'cloudy': 0.5}

SETTINGS: Mapping[str, Setting] = {
  # Three-quarter front views, the nose to the left: a small GAN learns them
  # in an hour, but parts of the rear don't occur.
  'frontal': Setting(
    yaws=((0.42, 0.82),),
    elevation=(0.20, 0.34),
    fill=(0.78, 0.84),
    styles=_PLAIN_STYLES,
    weathers=_PLAIN_WEATHERS,
  ),
  # Front and rear, so that every part occurs; the nose to the left. Those that
  # look to the right are their mirror images: what a GAN need not learn twice.
  'three_quarter': Setting(
    yaws=((0.55, 0.95), (2.19, 2.59)),
    elevation=(0.18, 0.34),
    fill=(0.78, 0.86),
    styles=_PLAIN_STYLES,
    weathers=_PLAIN_WEATHERS,
  ),
  # From anywhere, in any weather, with things around.
  'all_views': Setting(
    yaws=((-arithmetic.PI, arithmetic.PI),),
    elevation=(0.04, 0.42),
    fill=(0.60, 0.95),
    styles={**_PLAIN_STYLES, 'pickup': 0.08, 'van': 0.08},
    weathers={
      **{'clear': 0.35, 'cloudy': 0.25, 'golden': 0.15},
      **{'dusk': 0.12, 'fog': 0.13},
    },
    off_center=0.6,
    rich=True,
    large_parts=False,
  ),
}
