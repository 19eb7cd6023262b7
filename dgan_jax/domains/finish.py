"""Colours and materials of a car.

Colours are linear light, 0 to 1. A finish is how a material meets light.
"""

import dataclasses
import enum

import numpy as np

from dgan_jax.domains import draws

Color = tuple[float, ...]


class Material(enum.IntEnum):
  """What a point of a car is made of; an index of `Finish.table`."""

  PAINT = 0
  ROOF = 1
  GLASS = 2
  BUMPER = 3
  SILL = 4
  BLACK = 5
  CHROME = 6
  HEAD_LAMP = 7
  TAIL_LAMP = 8
  PLATE = 9
  GRILLE = 10
  GRILLE_BAR = 11
  HANDLE = 12
  MIRROR = 13
  TYRE = 14
  RIM = 15
  DARK = 16
  INK = 17
  BULB = 18
  TAIL_BULB = 19


# What cars are painted with, and how often; the rest is any hue.
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


@dataclasses.dataclass(frozen=True)
class Finish:
  """The colours of a car.

  Attributes:
    table: float32 [materials, 8]: linear RGB, share of light mirrored head
      on, share of the mirrored sky at grazing angles, emitted RGB.
    metallic: how strongly the paint sparkles, 0 to 1.
  """

  table: np.ndarray
  metallic: float


def draw(dice: draws.Draws) -> Finish:
  """Colours as one sees them on the road."""
  colors, weights = zip(*_PAINTS, strict=True)
  base = dice.tint(dice.pick(colors, weights), 0.25)
  paint = tuple(min(max(channel, 0.012), 0.9) for channel in base)
  metallic = dice.uniform(0.0, 1.0)
  glass = dice.uniform(0.006, 0.03)
  rim = dice.pick((0.55, 0.45, 0.35, 0.06), (4, 3, 2, 1))
  handle = dice.pick((_CHROME, _BLACK))
  if sum(paint) < 0.5:
    handle = _CHROME
  elif sum(paint) > 1.3:
    handle = _BLACK
  black_roof = dice.chance(0.08)
  gloss = 0.05 + 0.05 * metallic
  rows: dict[Material, tuple[Color, float, float, Color]] = {
    Material.PAINT: (paint, gloss, 0.7, ()),
    Material.ROOF: (_BLACK if black_roof else paint, gloss, 0.7, ()),
    Material.GLASS: ((glass, glass, glass * 1.15), 0.07, 0.6, ()),
    Material.BUMPER: (_BLACK if dice.chance(0.2) else paint, 0.05, 0.5, ()),
    Material.SILL: (_BLACK if dice.chance(0.5) else paint, 0.04, 0.4, ()),
    Material.BLACK: (_BLACK, 0.03, 0.3, ()),
    Material.CHROME: (_CHROME, 0.4, 0.8, ()),
    Material.HEAD_LAMP: ((0.30, 0.31, 0.33), 0.12, 0.6, ()),
    Material.BULB: ((0.80, 0.80, 0.78), 0.10, 0.6, (0.20, 0.20, 0.19)),
    Material.TAIL_LAMP: ((0.10, 0.004, 0.006), 0.05, 0.5, ()),
    Material.TAIL_BULB: ((0.70, 0.012, 0.02), 0.05, 0.5, (0.22, 0.0, 0.004)),
    Material.PLATE: (dice.pick(_PLATES, (3, 1)), 0.02, 0.1, ()),
    Material.GRILLE: ((0.008, 0.008, 0.009), 0.02, 0.1, ()),
    Material.GRILLE_BAR: (
      dice.pick((_CHROME, (0.05, 0.05, 0.055))),
      0.1,
      0.4,
      (),
    ),
    Material.HANDLE: (handle, 0.10, 0.4, ()),
    Material.MIRROR: (_BLACK if dice.chance(0.3) else paint, gloss, 0.6, ()),
    Material.TYRE: ((0.016, 0.016, 0.017), 0.01, 0.05, ()),
    Material.RIM: ((rim, rim, rim * 1.03), 0.12, 0.3, ()),
    Material.DARK: ((0.004, 0.004, 0.004), 0.0, 0.0, ()),
    Material.INK: ((0.03, 0.03, 0.04), 0.02, 0.1, ()),
  }
  table = np.zeros((len(Material), 8), np.float32)
  for material, (color, mirrored, grazing, emitted) in rows.items():
    table[material] = (*color, mirrored, grazing, *(emitted or (0, 0, 0)))
  return Finish(table, metallic)
