"""What is fitted to the body: lamps, grille, plates, handles, wheels.

Places on the nose and the tail are given by the distance from the middle
(`..._side`) and the height above the ground, both in metres.
"""

import dataclasses

from dgan_jax.renderers.cars.shape import Shape
from dgan_jax.renderers.engine import random_draws
from dgan_jax.renderers.engine.arithmetic import Triple


@dataclasses.dataclass(frozen=True)
class Patch:
  """A rectangle with round corners on the shell, metres."""

  side: float  # distance of its centre from the middle of the car
  height: float  # of its centre above the ground
  half: tuple[float, float]  # half its width and half its height
  radius: float  # of its corners
  slant: float = 0.0  # by how much its middle line rises per metre to the side


@dataclasses.dataclass(frozen=True)
class Trim:
  """Everything about a car but its body and its colours; metres."""

  bumper_top: float  # height of the front bumper's upper edge
  back_bumper_top: float  # likewise at the back
  lamp: Patch  # either head lamp
  fog_lamp: Patch | None  # either fog lamp, or None
  grille: Patch  # between the head lamps
  grille_pattern: str  # 'bars', 'slats', 'mesh' or 'plain'
  intake: Patch  # in the bumper
  tail_lamp: Patch  # either of them
  front_plate: Patch | None  # None if there is none
  rear_plate: Patch  # on the lid or on the bumper
  handle: tuple[float, float]  # half length and half height
  handle_drop: float  # from the belt to the handles' middle
  mirror: Triple  # half sizes along x, y, z
  rim: float  # radius of the rims, in wheel radii
  spokes: int  # their number
  spoke_width: float  # metres
  hubcap: bool  # the rim is a closed disc
  spoiler: bool  # there is one
  rails: bool  # there are rails on the roof


def draw(dice: random_draws.Draws, shape: Shape, large_parts: bool) -> Trim:
  """Fittings for a body; large parts are at the upper end of what cars have,
  and nothing is thin, so that small pictures show every part."""
  scale = 1.25 if large_parts else 1.0
  low, nose = shape.clearance, shape.nose_height - shape.clearance
  tail = shape.deck_height - low
  fog_side = 0.74 * shape.half_width
  fog_lamp = Patch(fog_side, low + 0.22 * nose, (0.06, 0.05), radius=0.05)
  spokes = (5, 5, 6) if large_parts else (5, 5, 6, 7, 8, 10)
  return Trim(
    bumper_top=low + nose * dice.uniform(0.54, 0.60),
    back_bumper_top=low + tail * dice.uniform(0.40, 0.45),
    lamp=_head_lamp(dice, shape, scale),
    fog_lamp=fog_lamp if dice.chance(0.4) else None,
    grille=Patch(
      side=0.0,
      height=low + 0.72 * nose,
      half=(dice.uniform(0.26, 0.40), dice.uniform(0.055, 0.085) * scale),
      radius=dice.uniform(0.01, 0.05),
    ),
    grille_pattern=dice.pick(('bars', 'slats', 'mesh', 'plain')),
    intake=Patch(
      side=0.0,
      height=low + 0.15 * nose,
      half=(dice.uniform(0.40, 0.58), dice.uniform(0.04, 0.07)),
      radius=0.03,
    ),
    tail_lamp=_tail_lamp(dice, shape, scale),
    front_plate=(
      _plate(low + nose * dice.uniform(0.34, 0.40), scale)
      if large_parts or dice.chance(0.85)
      else None
    ),
    rear_plate=_plate(
      low + tail * dice.uniform(*dice.pick(_REAR_PLATES, (2, 1))), scale
    ),
    handle=(0.11 * scale, 0.03 * scale * scale),
    handle_drop=0.01 * scale + dice.uniform(0.09, 0.11),
    mirror=(0.07 * scale, 0.10 * scale, 0.075 * scale),
    rim=dice.uniform(0.64, 0.74),
    spokes=dice.pick(spokes),
    spoke_width=dice.uniform(0.06, 0.08) * scale,
    hubcap=dice.chance(0.2),
    spoiler=(not large_parts and shape.style != 'pickup' and dice.chance(0.2)),
    rails=(
      not large_parts and shape.style in ('suv', 'wagon') and dice.chance(0.5)
    ),
  )


# Heights, as shares of the tail's: on the lid, on the bumper.
_REAR_PLATES = ((0.58, 0.63), (0.20, 0.24))


def _plate(height: float, scale: float) -> Patch:
  return Patch(0.0, height, (0.26, 0.065 * scale), radius=0.015)


def _head_lamp(dice: random_draws.Draws, shape: Shape, scale: float) -> Patch:
  """A lamp at the corner of the nose; some are round."""
  half = (dice.uniform(0.15, 0.20), dice.uniform(0.065, 0.085) * scale)
  if dice.chance(0.15):
    half = (0.095 * scale, 0.095 * scale)
  nose = shape.nose_height - shape.clearance
  return Patch(
    side=shape.half_width - 0.06 - half[0] * dice.uniform(0.8, 1.0),
    height=shape.clearance + nose * dice.uniform(0.74, 0.80),
    half=half,
    radius=min(half) * dice.uniform(0.5, 1.0),
    slant=dice.uniform(0.0, 0.25),
  )


def _tail_lamp(dice: random_draws.Draws, shape: Shape, scale: float) -> Patch:
  """A lamp at the corner of the tail: upright where that is tall."""
  if shape.has_tailgate or shape.style == 'pickup':
    half = (dice.uniform(0.11, 0.15), dice.uniform(0.14, 0.19))
  else:
    half = (dice.uniform(0.16, 0.22), dice.uniform(0.07, 0.09) * scale)
  tail = shape.deck_height - shape.clearance
  return Patch(
    side=shape.half_width - 0.05 - half[0] * dice.uniform(0.8, 1.0),
    height=shape.clearance + tail * dice.uniform(0.70, 0.76),
    half=half,
    radius=min(half) * dice.uniform(0.3, 0.9),
  )
