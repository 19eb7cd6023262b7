"""Files as bytes that are looked at, not copied: of a checkpoint of 360 MB and
three networks, one is wanted."""

import math
import mmap
import os
import pathlib

import numpy as np

from dgan_jax import errors, storage
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown

# More than any name has and less than arrays have that are worth sharing.
_SHORT = 1024


def map_file(
  path: storage.PathLike, budget: Budget | None = None
) -> memoryview:
  """The bytes of a file, mapped, which count towards the budget; they change if
  somebody writes into the file itself, as we never do.

  Raises:
    errors.UserError: there is no such file, or it is too large.
  """
  path = storage.path(path)
  if not path.is_file():
    raise errors.UserError(f'{path} does not exist or is not a file.')
  with untrusted.refusing(path), open(path, 'rb') as file:
    size = os.fstat(file.fileno()).st_size
    (budget or Budget()).announce(path, size)
    if not size:  # which cannot be mapped
      return memoryview(b'')
    return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def refuse_links(folder: pathlib.Path, path: pathlib.Path) -> None:
  """Refuses a file in a checkpoint's folder that is a link, or behind one."""
  for part in (path, *path.parents):
    if part == folder:
      return
    if part.is_symlink():
      name = shown(part.relative_to(folder).as_posix())
      raise FormatError(f'holds a link, {name}; put a copy in its place.')


def array(
  raw: bytes | memoryview, dtype: np.dtype, shape: tuple[int, ...], order: str
) -> np.ndarray:
  """Numbers [*shape], read-only: a view of their bytes where it can be one."""
  expected = math.prod(untrusted.checked_shape(shape)) * dtype.itemsize
  if len(raw) != expected:
    raise FormatError(
      f'is damaged: an array of shape {shape} has {len(raw):,} bytes; expected '
      f'{expected:,}.'
    )
  if dtype == np.bool_:  # of which other bytes than 0 and 1 are none
    values = np.frombuffer(raw, np.uint8) != 0
  else:
    values = np.frombuffer(raw, dtype)
    values = values.astype(dtype.newbyteorder('='), copy=False)
  values = values.reshape(shape, order='F' if order == 'F' else 'C')
  values.flags.writeable = False
  return values


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
