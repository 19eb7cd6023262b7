"""TFRecord framing, without TensorFlow.

A record is its length (uint64, little-endian), the length's checksum, the
payload and the payload's checksum; checksums are CRC-32C, rotated and offset
(tensorflow/core/lib/hash/crc32c.h, `Mask`).
"""

import itertools
import os
import struct
from collections.abc import Iterable, Iterator

import google_crc32c
import numpy as np

_HEADER = struct.Struct('<QI')
_FOOTER = struct.Struct('<I')


class DamagedError(Exception):
  """A file is not what was written: cut short or changed."""


def frame(payload: bytes) -> bytes:
  """The bytes of one record."""
  length = struct.pack('<Q', len(payload))
  return b''.join(
    part + _FOOTER.pack(_masked_crc(part)) for part in (length, payload)
  )


def read(
  path: str | os.PathLike[str], starts: Iterable[int] | None = None
) -> Iterator[bytes]:
  """Yields the payloads of a file, every checksum verified: of the records at
  `starts`, in bytes, or of all.

  Raises:
    DamagedError: the file ends early or a checksum is wrong.
  """
  end = os.path.getsize(path)
  with open(path, 'rb') as file:
    for start in itertools.repeat(None) if starts is None else starts:
      if start is not None:
        file.seek(start)
      elif file.tell() == end:
        return
      header = file.read(_HEADER.size)
      if len(header) < _HEADER.size:
        raise DamagedError(f'{path} ends within a record')
      length, crc = _HEADER.unpack(header)
      if _masked_crc(header[:8]) != crc:
        raise DamagedError(f'{path} has a record whose length is damaged')
      # Before reading: a wrong length must not ask for all of the memory.
      if file.tell() + length + _FOOTER.size > end:
        raise DamagedError(f'{path} ends within a record')
      payload = file.read(length)
      if _FOOTER.pack(_masked_crc(payload)) != file.read(_FOOTER.size):
        raise DamagedError(f'{path} has a damaged record')
      yield payload


def size(payloads: np.ndarray) -> np.ndarray:
  """Bytes of the records of payloads of these sizes, ints [n]."""
  return payloads + (_HEADER.size + _FOOTER.size)


def _masked_crc(data: bytes) -> int:
  crc = google_crc32c.value(data)
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
