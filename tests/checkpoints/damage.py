"""Ways to damage a file, at random but the same every time."""

import functools
import io
import pickletools
import re
import struct
from collections.abc import Callable

import numpy as np

from tests.checkpoints import pickles

_Damage = Callable[[bytes, np.random.Generator], bytes]

_LENGTHS = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1)
_NAMES = (
  *('os.system', 'builtins.eval', 'builtins.getattr', 'subprocess.Popen'),
  *('collections.OrderedDict', 'numpy.dtype', 'numpy.ndarray', 'builtins.set'),
  'torch._utils._rebuild_tensor_v2',
  'torch._utils._rebuild_parameter',
  'torch.storage._load_from_bytes',
  'numpy.core.multiarray._reconstruct',
  'numpy.core.multiarray.scalar',
  'numpy._core.numeric._frombuffer',
  'dnnlib.tflib.network.Network',
  'torch_utils.persistence._reconstruct_persistent_obj',
  'copyreg._reconstructor',
  '_codecs.encode',
)
# Every opcode that can call, make or set something, or find what can.
_CALLING = (
  *(b'R', b'b', b'o', b'\x81', b'\x92', b'\x93', b'Q', b'\x97', b'\x98'),
  *(b'\x82\x01', b'\x83\x01\x00', b'\x84\x01\x00\x00\x00', b'Px\n'),
  *(b'ios\nsystem\n', b'cos\nsystem\n', b'icollections\nOrderedDict\n'),
)
# Those that move what they find on the stack and in the memo.
_MOVING = (
  *(b'(', b'0', b'1', b'2', b't', b'l', b'd', b'a', b'e', b's', b'u'),
  *(b'\x85', b'\x86', b'\x87', b'\x90', b'\x91', b'\x94', b'}', b']', b')'),
  *(b'\x8f', b'N', b'\x88', b'h\x00', b'h\x01', b'q\x00', b'K\x05', b'.'),
)


def truncated(data: bytes, rng: np.random.Generator) -> bytes:
  return data[: rng.integers(len(data))]


def flipped(data: bytes, rng: np.random.Generator) -> bytes:
  """One to four bits."""
  damaged = bytearray(data)
  for place in rng.integers(len(data), size=rng.integers(1, 5)):
    damaged[place] ^= 1 << rng.integers(8)
  return bytes(damaged)


def overwritten(data: bytes, rng: np.random.Generator) -> bytes:
  """One to eight bytes in a row."""
  start = rng.integers(len(data))
  noise = rng.bytes(int(rng.integers(1, 9)))
  return data[:start] + noise + data[start + len(noise) :]


def spliced(data: bytes, rng: np.random.Generator) -> bytes:
  """A piece is repeated, moved or left out."""
  a, b, c, d = rng.integers(len(data), size=4)
  a, b = min(a, b), max(a, b)
  return data[:c] + data[a : min(b, a + 200)] + data[min(c + d % 50, c + 50) :]


def mismeasured(data: bytes, rng: np.random.Generator) -> bytes:
  """One, two, four or eight bytes become another length."""
  width = int(rng.choice((1, 2, 4, 8)))
  start = rng.integers(max(1, len(data) - width))
  lengths = (*_LENGTHS, len(data), len(data) + 1)
  value = lengths[rng.integers(len(lengths))] % 256**width
  order = rng.choice(('little', 'big'))
  return data[:start] + value.to_bytes(width, order) + data[start + width :]


ANYWHERE: tuple[_Damage, ...] = (
  *(truncated, flipped, overwritten, spliced, mismeasured),
)


@functools.lru_cache(maxsize=1)
def _boundaries(pickle: bytes) -> list[int]:
  """Where opcodes start."""
  places = pickletools.genops(io.BytesIO(pickle))
  return [place for _, _, place in places if place is not None]


def _insert(
  pickle: bytes, rng: np.random.Generator, what: Callable[[], bytes]
) -> bytes:
  place = int(rng.choice(_boundaries(pickle)[1:]))
  return pickle[:place] + what() + pickle[place:]


def calling(pickle: bytes, rng: np.random.Generator) -> bytes:
  """One to six opcodes more, that call and that move."""

  def opcodes() -> bytes:
    parts = []
    for _ in range(rng.integers(1, 7)):
      kind = rng.integers(3)
      if kind == 0:
        parts.append(pickles.name(_NAMES[rng.integers(len(_NAMES))]))
      else:
        choice = _CALLING if kind == 1 else _MOVING
        parts.append(choice[rng.integers(len(choice))])
    return b''.join(parts)

  return _insert(pickle, rng, opcodes)


def replaced(pickle: bytes, rng: np.random.Generator) -> bytes:
  """One to three opcodes become others."""
  damaged = bytearray(pickle)
  for place in rng.choice(_boundaries(pickle), rng.integers(1, 4)):
    damaged[place] = ord(
      pickletools.opcodes[rng.integers(len(pickletools.opcodes))].code
    )
  return bytes(damaged)


def renamed(pickle: bytes, rng: np.random.Generator) -> bytes:
  """A name becomes another of those that occur or would be dangerous."""
  found = [name for name in _NAMES if pickles.name(name) in pickle]
  if not found:
    return calling(pickle, rng)
  old, new = rng.choice(found), _NAMES[rng.integers(len(_NAMES))]
  return pickle.replace(pickles.name(old), pickles.name(new))


def renumbered(pickle: bytes, rng: np.random.Generator) -> bytes:
  """A small number is another: a size, a stride, an offset, a switch."""
  places = [
    (match.start(), match.end()) for match in _SMALL_NUMBER.finditer(pickle)
  ]
  if not places:
    return flipped(pickle, rng)
  start, end = places[rng.integers(len(places))]
  number = pickles.integer(int(rng.choice((-1, 0, 1, 2, 3, 4, 5, 7, 30, 999))))
  return pickle[:start] + number + pickle[end:]


def nested(pickle: bytes, rng: np.random.Generator) -> bytes:
  """A deep nest, or one that doubles with every level."""
  kinds = (b'(', b'\x85', b'2\x86', b'](', b'}', b'N\x85R', b']2a', b'(lp0\n')
  depth = int(rng.choice((20, 200, 2000)))
  return _insert(pickle, rng, lambda: kinds[rng.integers(len(kinds))] * depth)


def relengthened(pickle: bytes, rng: np.random.Generator) -> bytes:
  """The length of some bytes or text is another."""
  places = [
    (place + 1, chr(pickle[place]))
    for place in _boundaries(pickle)
    if chr(pickle[place]) in _WIDTHS
  ]
  if not places:
    return mismeasured(pickle, rng)
  start, code = places[rng.integers(len(places))]
  width = _WIDTHS[code]
  length = int.from_bytes(pickle[start : start + width], 'little')
  lengths = (*_LENGTHS, length + 1, max(length - 1, 0))
  value = lengths[rng.integers(len(lengths))] % 256**width
  return (
    pickle[:start] + value.to_bytes(width, 'little') + pickle[start + width :]
  )


# By protocol 2 (short and long) and by protocol 0.
_SMALL_NUMBER = re.compile(rb'K[\0-\x40]|\x8a\x01[\0-\x40]|I[0-9]{1,2}\n')
_WIDTHS = {
  **dict.fromkeys('UC\x8c\x8a', 1),
  **dict.fromkeys('TBX\x8b', 4),
  **dict.fromkeys('\x8d\x8e\x95\x96', 8),
}

PICKLES: tuple[_Damage, ...] = (
  *(calling, calling, replaced, renamed, renumbered, nested, relengthened),
  *ANYWHERE,
)


def header(data: bytes, rng: np.random.Generator) -> bytes:
  """The header of a .safetensors file in other words, its length right."""
  length = struct.unpack('<Q', data[:8])[0]
  damage = ANYWHERE[rng.integers(len(ANYWHERE))]
  text = damage(data[8 : 8 + length], rng)
  return struct.pack('<Q', len(text)) + text + data[8 + length :]
