"""Cuts a pickle into opcodes and their arguments, as `pickletools.genops` does,
but long bytes (and Python 2's strings, which may be bytes) are not copied."""

import functools
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


def instructions(stream: byte_stream.ByteStream) -> Iterator[tuple[str, Any]]:
  """Yields (name of the opcode, argument) up to the end of the stream.

  Raises:
    ValueError: what comes next is no opcode, or breaks off.
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


def _string(stream: byte_stream.ByteStream, width: int) -> str | memoryview:
  """Python 2's: text if short; no text that is needed is long."""
  size = int.from_bytes(_exactly(stream, width), 'little')
  data = _exactly(stream, size)
  return data.decode('latin-1') if isinstance(data, bytes) else data


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


def _integer(stream: byte_stream.ByteStream, width: int) -> int:
  size = int.from_bytes(_exactly(stream, width), 'little')
  if size > _MAX_INTEGER_BYTES:
    raise ValueError(f'an integer of {size:,} bytes')
  return int.from_bytes(_exactly(stream, size), 'little', signed=True)


def _digits(stream: byte_stream.ByteStream, kind: type) -> Any:
  line = _line(stream).removesuffix(b'L')
  if len(line) > _MAX_DIGITS:
    raise ValueError(f'a number of {len(line):,} digits')
  # How protocols 0 and 1 write False and True.
  return line == b'01' if line in (b'00', b'01') else kind(line)


# What is read otherwise than pickletools does: lengths that lie cost nothing
# there either, and bytes and text are not copied.
_READERS: Mapping[str, Callable[..., Any]] = {
  'bytearray8': pickletools.read_bytes8,
  'decimalnl_long': functools.partial(_digits, kind=int),
  'decimalnl_short': functools.partial(_digits, kind=int),
  'floatnl': functools.partial(_digits, kind=float),
  'long1': functools.partial(_integer, width=1),
  'long4': functools.partial(_integer, width=4),
  'string1': functools.partial(_string, width=1),
  'string4': functools.partial(_string, width=4),
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
