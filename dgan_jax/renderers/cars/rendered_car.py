"""Rendered cars: images, exact part masks and keypoints, in any number.

Image `index` of a domain is a function of the two alone: the same bytes on
every machine (see arithmetic.py). A car keeps its looks at every resolution.
"""

import dataclasses
from collections.abc import Mapping
from typing import Annotated

import numpy as np

from dgan_jax import errors, validation
from dgan_jax import schema as schema_lib
from dgan_jax.renderers.cars import keypoints, picture
from dgan_jax.renderers.cars.settings import SETTINGS as _SETTINGS
from dgan_jax.renderers.engine import pixels
from dgan_jax.renderers.engine.renderer import Rendered

NAME = 'rendered_car'
# Rises whenever a bit of any picture changes, so that nobody takes pictures
# kept on a disk for those drawn now; the dataset's VERSION rises with it.
VERSION = 2
SETTINGS = tuple(_SETTINGS)
ASPECTS: Mapping[str, float] = {'square': 1.0, '4:3': 0.75}
KEYPOINTS = keypoints.NAMES
SCHEMA = dataclasses.replace(
  schema_lib.get_schema('car_20'), keypoints=KEYPOINTS
)


@dataclasses.dataclass(frozen=True)
class Domain:
  """Which pictures; see `renderer.Domain`.

  Raises:
    errors.UserError: there are no such pictures.
  """

  setting: Annotated[str, validation.choice(SETTINGS)] = 'three_quarter'
  # Width of the pictures, pixels; one that 4 divides for '4:3'.
  resolution: Annotated[int, validation.between(16, 1024)] = 64
  aspect: Annotated[str, validation.choice(ASPECTS)] = 'square'
  # Samples per pixel along each axis. The colour of a pixel is their mean, its
  # label that of most of them.
  supersampling: Annotated[int, validation.between(1, 8)] = 2

  def __post_init__(self) -> None:
    validation.check(self)
    if self.aspect == '4:3' and self.resolution % 4:
      validation.refuse(
        'resolution', self.resolution, 'a multiple of 4 for 4:3'
      )

  @property
  def size(self) -> tuple[int, int]:
    return int(self.resolution * ASPECTS[self.aspect]), self.resolution

  @property
  def version(self) -> int:
    return VERSION

  @property
  def schema(self) -> schema_lib.Schema:
    return SCHEMA

  def render(self, index: int) -> Rendered:
    """Picture `index`.

    Raises:
      errors.UserError: the index is negative or not below 2^63.
    """
    if not 0 <= index < 2**63:
      raise errors.UserError(
        f'There is no rendered car {index}; the first is 0, the last 2^63 - 1.'
      )
    factor = self.supersampling
    height, width = (side * factor for side in self.size)
    drawn = draw_scene(self, index)
    samples, label, light = picture.look(drawn, height, width)
    car = drawn.shape, drawn.trim
    where, visible = keypoints.seen(*car, drawn.camera, samples)
    grain = pixels.grain(_seed(self), index, self.size, drawn.grain)
    return Rendered(
      image=pixels.mean(light, factor, grain),
      mask=pixels.majority(label, factor),
      keypoints=(where * self.resolution).astype(np.float32),
      visible=visible,
    )


def draw_scene(domain: Domain, index: int) -> picture.Scene:
  """The scene of picture `index`, before it is rendered."""
  setting = _SETTINGS[domain.setting]
  return picture.draw(setting, ASPECTS[domain.aspect], _seed(domain), index)


def _seed(domain: Domain) -> str:
  return f'{NAME}/{domain.setting}'
