"""Colours and materials of a car.

Colours are linear light, 0 to 1. A finish is how a material meets light.
"""

import dataclasses
import enum

import numpy as np

from dgan_jax.renderers.engine import random_draws

Color = tuple[float, ...]


class Material(enum.IntEnum):
  """What a point of a car is made of; an index of `Finish.table`."""

  PAINT = 0
  ROOF = 1
  GLASS = 2
  BUMPER = 3
  SILL = 4
  BLACK = 5
  HEAD_LAMP = 6
  TAIL_LAMP = 7
  PLATE = 8
  GRILLE = 9
  GRILLE_BAR = 10
  HANDLE = 11
  MIRROR = 12
  TYRE = 13
  RIM = 14
  DARK = 15
  INK = 16
  BULB = 17
  TAIL_BULB = 18


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


@dataclasses.dataclass(frozen=True)
class Finish:
  """The colours of a car."""

  # float32 [materials, 8]: linear RGB, share of light mirrored head on, share
  # of the mirrored sky at grazing angles, emitted RGB.
  table: np.ndarray


def draw(dice: random_draws.Draws) -> Finish:
  """Colours as one sees them on the road."""
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
  return Finish(table)


def _handle(dice: random_draws.Draws, paint: Color) -> Color:
  """Chrome on dark cars, black on light ones, so that handles show."""
  if sum(paint) < 0.5:
    return _CHROME
  if sum(paint) > 1.3:
    return _BLACK
  return dice.pick((_CHROME, _BLACK))
