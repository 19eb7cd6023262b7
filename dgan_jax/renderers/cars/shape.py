r"""The measures of a car, and how they are drawn for each body style.

The car's frame, in metres; its origin lies on the ground, in the middle:

    z (up)           roof_rear     roof_front
    |                    .____________.                     height
    |        tail_end  / | window |    \
    |             .___/__|________|_____\.___ cowl
    |  deck_height |     |        |      | ''---...__       belt
    |              |  _  |  door  | door |   _       |      nose_height
    |              |_/ \_|________|______|__/ \______|      clearance
    |                \_/                    \_/
    +-----------------|----------O-----------|-------|----> x (forward)
                  rear_axle               front_axle  half_length

y points to the car's left: whoever looks along -y sees the left side, with
the nose to the left. (The picture above shows the right side.)
"""

import dataclasses
from collections.abc import Mapping

from dgan_jax.renderers.engine import random_draws
from dgan_jax.renderers.engine.arithmetic import Triple


@dataclasses.dataclass(frozen=True)
class Style:
  """What is typical of a body style."""

  size: Triple  # length, width, height, metres
  clearance: float  # height of the lower edge, metres
  wheel: float  # radius with tyre, metres
  cowl: float  # where the hood ends, in half lengths from the middle
  windscreen: float  # horizontal run of the windscreen, in half lengths
  roof_rear: float  # where the roof ends, in half lengths
  rear_run: float  # horizontal run of the rear window, in half lengths
  doors: tuple[int, ...]  # likely numbers of side doors
  lean: float = 0.28  # how far the side windows lean in, metres per metre
  # The rear window opens with the lid, and the tail lamps stand upright.
  tailgate: bool = False


STYLES: Mapping[str, Style] = {
  'sedan': Style((4.6, 1.80, 1.45), 0.20, 0.33, 0.32, 0.36, -0.40, 0.31, (4,)),
  'hatchback': Style(
    (4.1, 1.77, 1.48), 0.19, 0.32, 0.38, 0.32, -0.70, 0.24, (2, 4), 0.28, True
  ),
  'wagon': Style(
    (4.6, 1.80, 1.48), 0.20, 0.33, 0.33, 0.34, -0.82, 0.14, (4,), 0.26, True
  ),
  'suv': Style(
    (4.5, 1.88, 1.72), 0.26, 0.38, 0.38, 0.28, -0.80, 0.15, (4,), 0.24, True
  ),
  'coupe': Style((4.4, 1.83, 1.31), 0.16, 0.34, 0.26, 0.40, -0.28, 0.46, (2,)),
  'mini': Style(
    (3.6, 1.66, 1.50), 0.18, 0.30, 0.46, 0.28, -0.74, 0.20, (2, 4), 0.24, True
  ),
  'pickup': Style((5.2, 1.92, 1.80), 0.29, 0.40, 0.40, 0.26, -0.10, 0.06, (2,)),
  'van': Style(
    (4.8, 1.92, 1.95), 0.21, 0.34, 0.62, 0.30, -0.92, 0.055, (4,), 0.12, True
  ),
}


@dataclasses.dataclass(frozen=True)
class Shape:
  """Everything about a car's body that is not paint; metres."""

  style: str  # a name in STYLES
  half_length: float  # half the length
  half_width: float  # half the width, without mirrors
  height: float  # of the roof
  clearance: float  # height of the lower edge
  wheel_radius: float  # with the tyre
  wheel_width: float  # of the tyre
  front_axle: float  # x of the front wheels
  rear_axle: float  # x of the rear wheels
  belt: float  # height of the shoulder, below the side windows, in the middle
  wedge: float  # by how much the shoulder rises per metre towards the tail
  nose_height: float  # of the hood's front edge
  hood_height: float  # of the hood's rear edge
  deck_height: float  # of what is behind the rear window
  cowl: float  # x of the hood's rear edge
  roof_front: float  # x of the windscreen's upper edge
  roof_rear: float  # x of the rear window's upper edge
  tail_end: float  # x of the rear window's lower edge
  lean: float  # how far the side windows lean in, metres per metre
  squareness: float  # of the roof in cross-section, 0 (round) to 1 (boxy)
  corner_front: float  # length over which the nose rounds off
  corner_rear: float  # length over which the tail rounds off
  corner_square: float  # how boxy the corners are, 0 to 1
  bulge: float  # by how much the sides bow out
  flare: float  # by how much the wheel arches stand out
  doors: int  # 2 or 4

  @property
  def arch(self) -> float:
    """Radius of the wheel arches."""
    return 1.13 * self.wheel_radius

  @property
  def door_front(self) -> float:
    """x of the front door's front edge."""
    behind_arch = self.front_axle - self.arch - 0.06
    return min(behind_arch, self.cowl - 0.02)

  @property
  def door_rear(self) -> float:
    """x of the last door's rear edge."""
    if self.style == 'pickup':
      return self.tail_end + 0.05
    if self.doors == 2:
      return max(self.door_front - 1.35, self.rear_axle + 0.5 * self.arch)
    return self.rear_axle + 0.35 * self.arch

  @property
  def door_split(self) -> float:
    """x of the pillar between the doors; of the last door if there is one."""
    if self.doors == 2:
      return self.door_rear
    return 0.52 * self.door_rear + 0.48 * self.door_front

  @property
  def windscreen(self) -> tuple[float, float]:
    """x of the upper and of the lower edge of its glass."""
    return self.roof_front + 0.05, self.cowl - 0.03

  @property
  def rear_window(self) -> tuple[float, float]:
    """x of the lower and of the upper edge of its glass."""
    run = self.roof_rear - self.tail_end
    return self.tail_end + 0.12 * run, self.roof_rear - 0.10 * run - 0.01

  @property
  def has_tailgate(self) -> bool:
    """The rear window opens with the lid."""
    return STYLES[self.style].tailgate


def draw(dice: random_draws.Draws, styles: Mapping[str, float]) -> Shape:
  """A car of one of the styles, which are as likely as their weights."""
  name = dice.likely(styles.items())
  style = STYLES[name]
  half = dice.about(style.size[0], 0.04) / 2
  height = dice.about(style.size[2], 0.03)
  clearance = dice.about(style.clearance, 0.12)
  belt = dice.uniform(0.52, 0.585) * (1 if name != 'van' else 0.94)
  belt = clearance + (height - clearance) * belt
  nose_drop = dice.uniform(0.10, 0.20) * (1.3 if name == 'coupe' else 1)
  cowl = style.cowl + dice.uniform(-0.04, 0.04)
  roof_front = cowl - dice.about(style.windscreen, 0.10)
  roof_rear = style.roof_rear + dice.uniform(-0.04, 0.04)
  tail_end = max(roof_rear - dice.about(style.rear_run, 0.12), -0.985)
  wheel = dice.about(style.wheel, 0.05)
  booted = name in ('sedan', 'coupe')
  return Shape(
    style=name,
    half_length=half,
    half_width=dice.about(style.size[1], 0.025) / 2,
    height=height,
    clearance=clearance,
    wheel_radius=wheel,
    wheel_width=dice.uniform(0.19, 0.24),
    front_axle=half * dice.uniform(0.58, 0.65),
    rear_axle=-half * dice.uniform(0.54, 0.62),
    belt=belt,
    wedge=dice.uniform(0.0, 0.035),
    nose_height=max(belt - nose_drop, 1.95 * wheel),
    hood_height=belt + dice.uniform(0.02, 0.07),
    deck_height=belt + (dice.uniform(0.06, 0.12) if booted else 0.05),
    cowl=half * cowl,
    roof_front=half * roof_front,
    roof_rear=half * roof_rear,
    tail_end=half * tail_end,
    lean=dice.about(style.lean, 0.25),
    squareness=dice.uniform(0.35, 0.75),
    corner_front=dice.uniform(0.45, 0.75),
    corner_rear=dice.uniform(0.30, 0.50),
    corner_square=dice.uniform(0.4, 0.9),
    bulge=dice.uniform(0.03, 0.06),
    flare=dice.uniform(0.0, 0.03),
    doors=dice.pick(style.doors),
  )
