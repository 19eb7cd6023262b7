"""TFRecord framing, without TensorFlow.

A record is its length (uint64, little-endian), the length's checksum, the
payload and the payload's checksum; checksums are CRC-32C, rotated and offset
(tensorflow/core/lib/hash/crc32c.h, `Mask`).
"""

import os
import struct
from collections.abc import Iterator

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
    (
      length,
      _FOOTER.pack(_masked_crc(length)),
      payload,
      _FOOTER.pack(_masked_crc(payload)),
    )
  )


def read(path: str | os.PathLike[str]) -> Iterator[bytes]:
  """Yields the payloads of a file, every checksum verified.

  Raises:
    DamagedError: the file ends early or a checksum is wrong.
  """
  left = os.path.getsize(path)
  with open(path, 'rb') as file:
    while header := file.read(_HEADER.size):
      left -= len(header) + _FOOTER.size
      if len(header) < _HEADER.size:
        raise DamagedError(f'{path} ends within a record')
      length, crc = _HEADER.unpack(header)
      if _masked_crc(header[:8]) != crc:
        raise DamagedError(f'{path} has a record whose length is damaged')
      # Before reading: a wrong length must not ask for all of the memory.
      left -= length
      if left < 0:
        raise DamagedError(f'{path} ends within a record')
      payload = file.read(length)
      if _FOOTER.pack(_masked_crc(payload)) != file.read(_FOOTER.size):
        raise DamagedError(f'{path} has a damaged record')
      yield payload


def size(payloads: np.ndarray) -> np.ndarray:
  """Bytes of the records of payloads of these sizes, ints [n]."""
  return payloads + (_HEADER.size + _FOOTER.size)


def read_some(
  path: str | os.PathLike[str], sizes: np.ndarray, wanted: np.ndarray
) -> Iterator[bytes]:
  """Yields some of the payloads of a file, every checksum verified.

  Args:
    path: of the file.
    sizes: bytes of its first n payloads, ints [n].
    wanted: which of these to read, bool [n].

  Raises:
    DamagedError: the file is not what was written.
  """
  lengths = size(sizes)
  starts = np.cumsum(lengths) - lengths
  with open(path, 'rb') as file:
    for start, length in zip(
      starts[wanted].tolist(), lengths[wanted].tolist(), strict=True
    ):
      file.seek(start)
      record = file.read(length)
      payload = record[_HEADER.size : -_FOOTER.size]
      if frame(payload) != record:
        raise DamagedError(f'{path} has a damaged record')
      yield payload


def _masked_crc(data: bytes) -> int:
  crc = google_crc32c.value(data)
  return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
