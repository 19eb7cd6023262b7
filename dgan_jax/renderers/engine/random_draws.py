"""Random numbers for scenes: named streams of the raw bits of Philox, which
NumPy promises never to change, unlike what its distributions make of them."""

import zlib
from collections.abc import Iterable, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar('T')

_BLOCK = 64


class Draws:
  """A stream of draws, named so that a new one never shifts the others."""

  def __init__(self, domain: str, index: int, stream: str):
    """The stream `stream` of image `index` of a domain."""
    name = zlib.crc32(f'{domain}/{stream}'.encode())
    self._bits = np.random.Philox(key=np.array([name, index], np.uint64))
    self._ready: list[float] = []

  def unit(self) -> float:
    """A number in [0, 1)."""
    if not self._ready:
      self._ready = self.units(_BLOCK).tolist()
    return self._ready.pop()

  def units(self, count: int) -> np.ndarray:
    """Numbers float64 [count] in [0, 1)."""
    raw = self._bits.random_raw(count) >> np.uint64(11)
    return raw.astype(np.float64) * 2.0**-53

  def uniform(self, low: float, high: float) -> float:
    """A number between the two."""
    return low + (high - low) * self.unit()

  def about(self, value: float, share: float) -> float:
    """A number within a share of a value, e.g. 0.05 for 5 %."""
    return value * self.uniform(1 - share, 1 + share)

  def chance(self, probability: float) -> bool:
    return self.unit() < probability

  def integer(self, low: int, high: int) -> int:
    """A whole number from `low` to `high`, both included."""
    return low + int(self.unit() * (high - low + 1))

  def pick(self, options: Sequence[T], weights: Sequence[float] = ()) -> T:
    """One of the options; without weights all are as likely."""
    if not weights:
      return options[int(self.unit() * len(options))]
    return self.likely(zip(options, weights, strict=True))

  def likely(self, weighted: Iterable[tuple[T, float]]) -> T:
    """One of (option, weight) pairs, e.g. the items of a mapping."""
    weighted = list(weighted)
    place = self.unit() * sum(weight for _, weight in weighted)
    for option, weight in weighted:
      place -= weight
      if place < 0:
        return option
    return weighted[-1][0]

  def tint(self, color: Sequence[float], share: float) -> tuple[float, ...]:
    """A colour like the given one: its brightness within a share of it, its
    channels within a fifth of that of each other."""
    brightness = self.about(1.0, share)
    return tuple(brightness * self.about(c, share / 5) for c in color)
