"""State dicts as PyTorch saves them: a pickle that describes the tensors, its
byte order, one plain entry per tensor; for `torch.load(weights_only=True)`."""

import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Mapping

import numpy as np

from dgan_jax import storage as storage_lib
from dgan_jax.checkpoints.formats import torch_tensors

# Of archives by torch.save, whatever the version of PyTorch.
_VERSION = b'3\n'
# The first that an archive can tell: equal tensors give equal files.
_DATE = (1980, 1, 1, 0, 0, 0)
_ORDERED_DICT = b'ccollections\nOrderedDict\n)R'


def write(
  path: storage_lib.PathLike,
  state_dict: Mapping[str, np.ndarray],
  wrapper: str | None = None,
) -> None:
  """Writes a state dict {key: array} for `torch.load`, as the file or under a
  key: 'model_state_dict' for the pixel classifiers of DatasetGAN's release.

  Raises:
    OSError: the disk is full or the folder cannot be written.
    TypeError: PyTorch has no such type.
  """
  arrays = {
    key: array.astype(array.dtype.newbyteorder('='), order='C', copy=False)
    for key, array in state_dict.items()
  }
  tree = _ORDERED_DICT
  if arrays:
    tree += pickle.MARK
    for i, (key, array) in enumerate(arrays.items()):
      tree += _text(key) + _tensor(array, str(i))
    tree += pickle.SETITEMS
  if wrapper is not None:
    tree = pickle.EMPTY_DICT + _text(wrapper) + tree + pickle.SETITEM
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w', zipfile.ZIP_STORED) as archive:

    def add(name: str, data: bytes) -> None:
      archive.writestr(zipfile.ZipInfo(f'archive/{name}', _DATE), data)

    add('data.pkl', pickle.PROTO + b'\x02' + tree + pickle.STOP)
    add('byteorder', sys.byteorder.encode())
    for i, array in enumerate(arrays.values()):
      add(f'data/{i}', array.tobytes())
    add('version', _VERSION)
  storage_lib.write_bytes(path, stream.getvalue())


def _tensor(array: np.ndarray, key: str) -> bytes:
  """_rebuild_tensor_v2(storage, offset, shape, strides, gradient, hooks)."""
  kind = torch_tensors.storage_name(array.dtype)
  storage = _text('storage') + b'ctorch\n' + kind.encode() + b'\n'
  storage += _text(key) + _text('cpu') + _integer(array.size)
  strides = tuple(step // array.itemsize for step in array.strides)
  arguments = _tuple(storage) + pickle.BINPERSID + _integer(0)
  for numbers in (array.shape, strides):
    arguments += _tuple(b''.join(map(_integer, numbers)))
  arguments += pickle.NEWFALSE + _ORDERED_DICT
  return b'ctorch._utils\n_rebuild_tensor_v2\n' + _tuple(arguments) + b'R'


def _tuple(items: bytes) -> bytes:
  return pickle.MARK + items + pickle.TUPLE


def _text(text: str) -> bytes:
  data = text.encode()
  return pickle.BINUNICODE + struct.pack('<I', len(data)) + data


def _integer(value: int) -> bytes:
  data = value.to_bytes(8, 'little', signed=True)
  return pickle.LONG1 + bytes([len(data)]) + data
