"""Cuts a pickle into opcodes and their arguments.

As `pickletools.genops` does, whose table of opcodes it uses, but what is long
is not copied: bytes (and Python 2's strings, which may be bytes) come as views
of the stream.
"""

import pickletools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dgan_jax.checkpoints.formats import byte_stream

# The longest integer in use is the magic number of legacy torch files.
_MAX_INTEGER_BYTES = 16
_MAX_DIGITS = 40
# What Python 2's repr writes of a string between its quotes.
_ESCAPED = re.compile(
  rb'(?:[^\\]++|\\[\\\'"abfnrtv]|\\x[0-9a-fA-F]{2}|\\[0-7]{3})*+'
)


def instructions(
  stream: byte_stream.ByteStream,
) -> Iterator[tuple[str, Any]]:
  """Yields (name of the opcode, argument) up to the end of the stream.

  Raises:
    ValueError: what comes next is no opcode, or breaks off. An unknown opcode
      is shown as a byte.
  """
  while code := bytes(stream.read(1)):
    if code not in _OPCODES:
      raise ValueError(f'opcode {code[0]:#04x} is unknown')
    name, reader = _OPCODES[code]
    yield name, reader(stream) if reader else None


def _exactly(stream: byte_stream.ByteStream, size: int) -> bytes | memoryview:
  data = stream.read(size)
  if len(data) != size:
    raise ValueError(f'{size:,} bytes are announced; {len(data):,} are left')
  return data


def _line(stream: byte_stream.ByteStream) -> bytes:
  line = stream.readline()
  if not line.endswith(b'\n'):
    raise ValueError('a line breaks off')
  return line[:-1]


def _string(width: int) -> Callable[[byte_stream.ByteStream], Any]:
  """Python 2's: text if short; no text that is needed is long."""

  def read(stream: byte_stream.ByteStream) -> str | memoryview:
    size = int.from_bytes(_exactly(stream, width), 'little')
    data = _exactly(stream, size)
    return data.decode('latin-1') if isinstance(data, bytes) else data

  return read


def _string_line(stream: byte_stream.ByteStream) -> str:
  line = _line(stream).strip()
  inside = line[1:-1]
  if line[:1] not in (b'"', b"'") or line[-1:] != line[:1] or len(line) < 2:
    raise ValueError('a string has no quotes')
  # Checked before, because Python warns of other escapes.
  if not _ESCAPED.fullmatch(inside):
    raise ValueError('a string has an unknown escape')
  return inside.decode('unicode_escape')


def _name(stream: byte_stream.ByteStream) -> str:
  return _line(stream).decode('utf-8')


def _integer(width: int) -> Callable[[byte_stream.ByteStream], Any]:
  def read(stream: byte_stream.ByteStream) -> int:
    size = int.from_bytes(_exactly(stream, width), 'little')
    if size > _MAX_INTEGER_BYTES:
      raise ValueError(f'an integer of {size:,} bytes')
    return int.from_bytes(_exactly(stream, size), 'little', signed=True)

  return read


def _digits(kind: type) -> Callable[[byte_stream.ByteStream], Any]:
  def read(stream: byte_stream.ByteStream) -> Any:
    line = _line(stream).removesuffix(b'L')
    if len(line) > _MAX_DIGITS:
      raise ValueError(f'a number of {len(line):,} digits')
    # How protocols 0 and 1 write False and True.
    return line == b'01' if line in (b'00', b'01') else kind(line)

  return read


# What is read otherwise than pickletools does: lengths that lie cost nothing
# there either, and bytes and text are not copied.
_READERS: Mapping[str, Callable[..., Any]] = {
  'bytearray8': pickletools.read_bytes8,
  'decimalnl_long': _digits(int),
  'decimalnl_short': _digits(int),
  'floatnl': _digits(float),
  'long1': _integer(1),
  'long4': _integer(4),
  'string1': _string(1),
  'string4': _string(4),
  'stringnl': _string_line,
  'stringnl_noescape': _name,
  'stringnl_noescape_pair': lambda stream: (_name(stream), _name(stream)),
}
_OPCODES: Mapping[bytes, tuple[str, Callable[..., Any] | None]] = {
  opcode.code.encode('latin-1'): (
    opcode.name,
    _READERS.get(opcode.arg.name, opcode.arg.reader) if opcode.arg else None,
  )
  for opcode in pickletools.opcodes
}
