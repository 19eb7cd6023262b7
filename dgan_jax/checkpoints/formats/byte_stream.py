"""Files as bytes that are looked at, not copied.

A checkpoint of three networks has 360 MB, of which one network is wanted: the
file is mapped, and what is read of it are views of the map.
"""

import mmap

from dgan_jax import errors, storage

MAX_FILE_BYTES = 4 * 2**30
# More than any name has and less than arrays have that are worth sharing.
_SHORT = 1024


def map_file(path: storage.PathLike) -> memoryview:
  """The bytes of a file, read when they are looked at.

  They stay good when another file takes the name, as all of ours are written;
  they change if somebody writes into the file itself.

  Raises:
    errors.UserError: there is no such file, or it is too large for what it
      should be.
  """
  path = storage.path(path)
  if not path.is_file():
    raise errors.UserError(f'{path} does not exist or is not a file.')
  size = path.stat().st_size
  if size > MAX_FILE_BYTES:
    raise errors.UserError(
      f'{path} has {size:,} bytes; expected {MAX_FILE_BYTES:,} at most.'
    )
  if not size:  # which cannot be mapped
    return memoryview(b'')
  with open(path, 'rb') as file:
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


class ByteStream:
  """Reads along bytes; a length that lies costs nothing."""

  def __init__(self, data: bytes | memoryview) -> None:
    self._data = memoryview(data)
    self._position = 0

  def __len__(self) -> int:
    """Bytes in all, also those behind the position."""
    return len(self._data)

  def read(self, size: int) -> bytes | memoryview:
    """The next `size` bytes, or what is left: long ones as a view."""
    start = self._position
    piece = self._data[start : start + size]
    self._position = start + len(piece)
    return bytes(piece) if len(piece) <= _SHORT else piece

  def readline(self) -> bytes:
    """The next line with its end, or what is left without."""
    start, chunk = self._position, 64
    end = -1
    while end < 0 and self._position < len(self._data):
      piece = bytes(self._data[self._position : self._position + chunk])
      end = piece.find(b'\n')
      self._position += len(piece) if end < 0 else end + 1
      chunk *= 2
    return bytes(self._data[start : self._position])
