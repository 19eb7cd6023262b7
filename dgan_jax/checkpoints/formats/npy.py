"""Arrays from `.npy` and `.npz` files of unknown origin, whose headers numpy's
own reader would evaluate as Python literals."""

import re

import numpy as np

from dgan_jax import storage
from dgan_jax.checkpoints.formats import byte_stream, untrusted, zip_entries
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown

# The header in each version of the format, behind magic and version.
_LENGTH_BYTES = {b'\x01\x00': 2, b'\x02\x00': 4, b'\x03\x00': 4}
_HEADER = re.compile(
  rb"\{'descr': *'([<>|=]?(?:b1|f[248]|[iu][1248]))', *"
  rb"'fortran_order': *(True|False), *"
  # 10L is how Python 2 writes a long.
  rb"'shape': *\(((?:[0-9]{1,15}L?,? *){0,9})\),? *\} *\n?"
)


def read_npy(path: storage.PathLike) -> np.ndarray:
  """Reads one numeric array, read-only.

  Raises:
    errors.UserError: no such file, or not a whole `.npy` of numbers.
  """
  with untrusted.refusing(path, 'is no whole .npy file of numbers: it '):
    return _array(byte_stream.map_file(path))


def read_npz(path: storage.PathLike) -> dict[str, np.ndarray]:
  """Reads an archive of numeric arrays, read-only.

  Raises:
    errors.UserError: no such file, or not a whole `.npz` of numbers.
  """
  budget = Budget()
  arrays = {}
  with untrusted.refusing(path, 'is no whole .npz file of numbers: it '):
    data = byte_stream.map_file(path, budget)
    for entry in zip_entries.directory(path):
      key = entry.filename.removesuffix('.npy')
      try:
        arrays[key] = _array(zip_entries.content(entry, data, budget))
        budget.array(arrays[key].shape)
      except FormatError as error:
        raise FormatError(f'has an entry {shown(key)} that {error}') from None
  return arrays


def _array(data: bytes | memoryview) -> np.ndarray:
  """The array in the bytes of an `.npy` file."""
  width = _LENGTH_BYTES.get(bytes(data[6:8]))
  if bytes(data[:6]) != b'\x93NUMPY' or width is None:
    raise FormatError('is no array.')
  start = 8 + width
  end = start + int.from_bytes(data[8:start], 'little')
  # The header of numbers is short; what is longer is something else.
  header = bytes(data[start : min(end, start + 1024)])
  match = _HEADER.fullmatch(header)
  if match is None:
    text = shown(header.decode('latin-1').strip())
    raise FormatError(f'does not hold numbers (header {text}).')
  dtype = np.dtype(match[1].decode())
  shape = tuple(int(n) for n in re.findall(rb'[0-9]+', match[3]))
  order = 'F' if match[2] == b'True' else 'C'
  return byte_stream.array(data[end:], dtype, shape, order)
