"""Zip archives of unknown origin: their entries as views of a mapped file."""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Sequence

from dgan_jax import storage
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown


def directory(path: storage.PathLike) -> list[zipfile.ZipInfo]:
  """The entries of an archive."""
  try:
    with (
      _DirectoryFile(storage.path(path)) as file,
      zipfile.ZipFile(file) as archive,
    ):
      return archive.infolist()
  except Exception as error:  # of seven kinds, for an archive that is none
    reason = shown(error).rstrip('.')
    raise FormatError(f'is damaged or truncated ({reason}).') from None


def content(
  entry: zipfile.ZipInfo, data: memoryview, budget: Budget
) -> memoryview | bytes:
  """The bytes of an entry of a file, checked; a view unless compressed."""
  name = shown(entry.filename)
  # Behind a header of its own, which has the lengths of two more fields.
  header = bytes(data[entry.header_offset : entry.header_offset + 30])
  if len(header) != 30 or not header.startswith(b'PK\x03\x04'):
    raise FormatError(f'is damaged: entry {name} has no header.')
  start = entry.header_offset + 30 + sum(struct.unpack('<2H', header[26:]))
  raw: memoryview | bytes = data[start : start + entry.compress_size]
  if entry.compress_type == zipfile.ZIP_DEFLATED:
    budget.make(entry.file_size)
    unpack = zlib.decompressobj(-zlib.MAX_WBITS).decompress
    try:
      # No more than is announced, plus one byte that would be too many.
      raw = unpack(raw, entry.file_size + 1)
    except zlib.error:
      raw = b''
  elif entry.compress_type != zipfile.ZIP_STORED:
    raise FormatError(f'has an entry {name} of an unknown kind.')
  if len(raw) != entry.file_size:
    raise FormatError(f'is damaged or truncated in entry {name}.')
  if zlib.crc32(raw) != entry.CRC:
    raise FormatError(f'is damaged: bad CRC-32 of entry {name}.')
  return raw


class _DirectoryFile(io.FileIO):
  """A file for zipfile, which makes 15 times its size of a directory."""

  def read(self, size: int | None = -1, /) -> bytes:
    left = os.fstat(self.fileno()).st_size - self.tell()
    size = left if size is None or size < 0 else min(size, left)
    if size > (most := untrusted.MAX_HEADER_BYTES):
      raise ValueError(f'directory of over {most:,} bytes')
    return super().read(size)


def is_checkpoint(name: str) -> bool:
  """Whether a name is like those of what can be opened."""
  return name.endswith(('.pt', '.pth', '.pkl', '.safetensors'))


def hint(names: Sequence[str]) -> str:
  """What to say of an archive of these entries, no checkpoint itself."""
  inside = [name for name in names if is_checkpoint(name)]
  if inside:
    return f'is an archive; unpack it and give {shown(inside[0])} of it.'
  first = ', '.join(map(shown, names[:3])) or 'nothing'
  return f'is an archive of other things ({first}).'
