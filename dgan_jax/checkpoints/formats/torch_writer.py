"""State dicts as PyTorch saves them, written without PyTorch.

The archive has what `torch.load(path, weights_only=True)` looks for: a pickle
that describes the tensors, its byte order, one plain entry per tensor.
"""

import io
import pickle
import struct
import sys
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np

from dgan_jax import storage as storage_lib
from dgan_jax.checkpoints.formats import torch_tensors

# Of archives by torch.save, whatever the version of PyTorch.
_VERSION = b'3\n'
# The first that an archive can tell: equal tensors give equal files.
_DATE = (1980, 1, 1, 0, 0, 0)


def write(
  path: storage_lib.PathLike,
  state_dict: Mapping[str, np.ndarray],
  wrapper: str | None = None,
) -> None:
  """Writes a state dict for `torch.load`.

  Args:
    path: of the file, `.pt` or `.pth`.
    state_dict: {key: array}, of types that PyTorch has.
    wrapper: a key to keep it under, such as 'model_state_dict' for the pixel
      classifiers of DatasetGAN's release; None: the file is the state dict.

  Raises:
    OSError: the disk is full or the folder cannot be written.
    TypeError: PyTorch has no such type.
  """
  arrays = {
    key: array.astype(array.dtype.newbyteorder('='), order='C', copy=False)
    for key, array in state_dict.items()
  }
  stream = io.BytesIO()
  with zipfile.ZipFile(stream, 'w', zipfile.ZIP_STORED) as archive:

    def add(name: str, data: bytes) -> None:
      archive.writestr(zipfile.ZipInfo(f'archive/{name}', _DATE), data)

    add('data.pkl', b''.join(_pickle(arrays, wrapper)))
    add('byteorder', sys.byteorder.encode())
    for i, array in enumerate(arrays.values()):
      add(f'data/{i}', array.tobytes())
    add('version', _VERSION)
  storage_lib.write_bytes(path, stream.getvalue())


def _pickle(
  arrays: Mapping[str, np.ndarray], wrapper: str | None
) -> Iterator[bytes]:
  """The opcodes that make {wrapper: {key: tensor}}; tensor i has storage i."""
  yield pickle.PROTO + b'\x02'
  if wrapper is not None:
    yield pickle.EMPTY_DICT + _text(wrapper)
  yield _ORDERED_DICT
  if arrays:
    yield pickle.MARK
    for i, (key, array) in enumerate(arrays.items()):
      yield _text(key)
      yield from _tensor(array, str(i))
    yield pickle.SETITEMS
  if wrapper is not None:
    yield pickle.SETITEM
  yield pickle.STOP


def _tensor(array: np.ndarray, key: str) -> Iterator[bytes]:
  """_rebuild_tensor_v2(storage, offset, shape, strides, gradient, hooks)."""
  try:
    storage = torch_tensors.storage_name(array.dtype)
  except KeyError:
    raise TypeError(f'PyTorch has no tensors of type {array.dtype}.') from None
  yield _global('torch._utils', '_rebuild_tensor_v2') + pickle.MARK
  yield pickle.MARK + _text('storage') + _global('torch', storage)
  yield _text(key) + _text('cpu') + _integer(array.size)
  yield pickle.TUPLE + pickle.BINPERSID + _integer(0)
  strides = (step // array.itemsize for step in array.strides)
  for numbers in (array.shape, strides):
    yield pickle.MARK + b''.join(map(_integer, numbers)) + pickle.TUPLE
  yield pickle.NEWFALSE + _ORDERED_DICT + pickle.TUPLE + pickle.REDUCE


def _global(module: str, name: str) -> bytes:
  return pickle.GLOBAL + f'{module}\n{name}\n'.encode()


def _text(text: str) -> bytes:
  data = text.encode()
  return pickle.BINUNICODE + struct.pack('<I', len(data)) + data


def _integer(value: int) -> bytes:
  data = value.to_bytes(8, 'little', signed=True)
  return pickle.LONG1 + bytes([len(data)]) + data


_ORDERED_DICT = (
  _global('collections', 'OrderedDict') + pickle.EMPTY_TUPLE + pickle.REDUCE
)
