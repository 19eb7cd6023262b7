"""Pickles and PyTorch files put together by hand, byte by byte.

What a test wants to say is often something that no pickler would write.
"""

import io
import struct
import zipfile
from collections.abc import Mapping

MAGIC = 0x1950A86A20F9469CFC6C


def program(*parts: bytes) -> bytes:
  """A whole pickle, protocol 2."""
  return b'\x80\x02' + b''.join(parts) + b'.'


def name(full: str) -> bytes:
  """GLOBAL, 'module.name'."""
  module, _, attribute = full.rpartition('.')
  return f'c{module}\n{attribute}\n'.encode()


def text(value: str) -> bytes:
  data = value.encode()
  return b'X' + struct.pack('<I', len(data)) + data


def integer(value: int) -> bytes:
  data = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
  return b'\x8a' + bytes([len(data)]) + data


def items(*parts: bytes) -> bytes:
  """A tuple."""
  return b'(' + b''.join(parts) + b't'


def integers(*values: int) -> bytes:
  return items(*map(integer, values))


def call(function: str, *arguments: bytes) -> bytes:
  """REDUCE."""
  return name(function) + items(*arguments) + b'R'


def mapping(entries: Mapping[str, bytes]) -> bytes:
  """A dict with text keys."""
  pairs = b''.join(text(key) + value for key, value in entries.items())
  return b'}(' + pairs + b'u'


def storage(size: int, key: str = '0', kind: str = 'Float') -> bytes:
  """A persistent id in the zip format."""
  return (
    items(
      text('storage'),
      name(f'torch.{kind}Storage'),
      text(key),
      text('cpu'),
      integer(size),
    )
    + b'Q'
  )


def tensor(
  where: bytes,
  shape: tuple[int, ...],
  strides: tuple[int, ...],
  offset: int = 0,
) -> bytes:
  return call(
    'torch._utils._rebuild_tensor_v2',
    where,
    integer(offset),
    integers(*shape),
    integers(*strides),
    b'\x89',
    call('collections.OrderedDict'),
  )


def zip_file(
  tree: bytes,
  storages: Mapping[str, bytes],
  *,
  byteorder: str | None = 'little',
  compression: int = zipfile.ZIP_STORED,
) -> bytes:
  """A file as PyTorch writes since 1.6."""
  entries: dict[str, str | bytes] = {'data.pkl': program(tree)}
  if byteorder is not None:
    entries['byteorder'] = byteorder
  for key, data in storages.items():
    entries[f'data/{key}'] = data
  return archive(entries, compression)


def archive(
  entries: Mapping[str, str | bytes], compression: int = zipfile.ZIP_STORED
) -> bytes:
  """A zip archive with its entries in one folder."""
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w', compression) as file:
    for key, data in entries.items():
      file.writestr(zipfile.ZipInfo(f'made/{key}'), data, compression)
  return stream.getvalue()


def legacy_file(
  tree: bytes, storages: Mapping[str, tuple[int, bytes]]
) -> bytes:
  """A file as PyTorch wrote before; storages are (count, bytes)."""
  keys = b'](' + b''.join(map(text, storages)) + b'e'
  return b''.join(
    [
      *legacy_start(),
      program(tree),
      program(keys),
      *(struct.pack('<q', n) + data for n, data in storages.values()),
    ]
  )


def legacy_start() -> list[bytes]:
  """The three pickles before the one that describes something."""
  return [
    program(integer(MAGIC)),
    program(integer(1001)),
    program(mapping({'little_endian': b'\x88'})),
  ]
