"""Zip archives of unknown origin: their entries as views of a mapped file."""

import io
import os
import struct
import zipfile
import zlib

from dgan_jax import storage
from dgan_jax.checkpoints.formats import unpickle

# Of real ones 200 KB.
_MAX_DIRECTORY_BYTES = 2**22


def directory(path: storage.PathLike) -> list[zipfile.ZipInfo]:
  """The entries of an archive.

  Raises:
    unpickle.FormatError: it is none, or a damaged one.
  """
  try:
    with (
      _DirectoryFile(storage.path(path)) as file,
      zipfile.ZipFile(file) as archive,
    ):
      return archive.infolist()
  # What zipfile raises for an archive that isn't one, depending on where.
  except (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
  ) as error:
    reason = unpickle.shown(error).rstrip('.')
    raise unpickle.FormatError(f'is damaged or truncated ({reason}).') from None


def content(entry: zipfile.ZipInfo, data: memoryview) -> memoryview | bytes:
  """The bytes of an entry, checked; a view of the file unless compressed.

  Args:
    entry: of its directory.
    data: the file.

  Raises:
    unpickle.FormatError: they are not what the directory says.
  """
  name = unpickle.shown(entry.filename)
  # Behind a header of its own, which has the lengths of two more fields.
  header = bytes(data[entry.header_offset : entry.header_offset + 30])
  if len(header) != 30 or not header.startswith(b'PK\x03\x04'):
    raise unpickle.FormatError(f'is damaged: entry {name} has no header.')
  start = entry.header_offset + 30 + sum(struct.unpack('<2H', header[26:]))
  raw: memoryview | bytes = data[start : start + entry.compress_size]
  if entry.compress_type == zipfile.ZIP_DEFLATED:
    try:
      # No more than is announced, plus one byte that would be too many.
      raw = zlib.decompressobj(-zlib.MAX_WBITS).decompress(
        raw, entry.file_size + 1
      )
    except zlib.error:
      raw = b''
  elif entry.compress_type != zipfile.ZIP_STORED:
    raise unpickle.FormatError(f'has an entry {name} of an unknown kind.')
  if len(raw) != entry.file_size:
    raise unpickle.FormatError(f'is damaged or truncated in entry {name}.')
  if zlib.crc32(raw) != entry.CRC:
    raise unpickle.FormatError(f'is damaged: bad CRC-32 of entry {name}.')
  return raw


class _DirectoryFile(io.FileIO):
  """A file for zipfile, which makes 15 times its size of a directory."""

  def read(self, size: int | None = -1, /) -> bytes:
    left = os.fstat(self.fileno()).st_size - self.tell()
    size = left if size is None or size < 0 else min(size, left)
    if size > _MAX_DIRECTORY_BYTES:
      raise ValueError(f'directory of over {_MAX_DIRECTORY_BYTES:,} bytes')
    return super().read(size)
