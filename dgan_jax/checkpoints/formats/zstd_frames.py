"""How much zstd frames (RFC 8878), by which Orbax packs, unpack to: 12 KB can
be 4 GB, but every frame is a header and blocks that say their sizes."""

import re

from dgan_jax.checkpoints.formats import untrusted

_MAGIC = b'\x28\xb5\x2f\xfd'
_MAX_BLOCK = 2**17
_RAW, _REPEATED, _PACKED = range(3)


def spend_on(data: bytes | memoryview, budget: untrusted.Budget) -> None:
  """Counts what all frames in some bytes can unpack to, wherever they are; what
  only looks like a frame soon ends in a block that cannot be."""
  for match in re.finditer(re.escape(_MAGIC), data):
    _spend_on_frame(memoryview(data), match.end(), budget)


def _spend_on_frame(
  data: memoryview, place: int, budget: untrusted.Budget
) -> None:
  flags = int.from_bytes(data[place : place + 1], 'little')
  single = flags >> 5 & 1  # the content is the window
  id_width = (0, 1, 2, 4)[flags & 3]
  size_width = (single, 2, 4, 8)[flags >> 6]
  place += 2 - single + id_width
  largest = _MAX_BLOCK
  if single:
    size = int.from_bytes(data[place : place + size_width], 'little')
    largest = min(largest, size + 256 * (size_width == 2))
  place += size_width
  last = 0
  while not last and place + 3 <= len(data):
    header = int.from_bytes(data[place : place + 3], 'little')
    last, kind, size = header & 1, header >> 1 & 3, header >> 3
    if kind > _PACKED or size > _MAX_BLOCK:
      return
    budget.spend(1)
    budget.make(largest if kind == _PACKED else size)
    place += 3 + (1 if kind == _REPEATED else size)
