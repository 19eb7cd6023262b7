"""How PyTorch's pickles describe tensors.

They name storages (by persistent ids) and say which part of which storage a
tensor is. Sizes, offsets and strides are checked against the bytes there are.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from dgan_jax.checkpoints.formats import pickle_tables, unpickle, untrusted
from dgan_jax.checkpoints.formats.byte_stream import ByteStream
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown

_DTYPES: Mapping[str, np.dtype] = {
  'Double': np.dtype(np.float64),
  'Float': np.dtype(np.float32),
  'Half': np.dtype(np.float16),
  'BFloat16': np.dtype(jnp.bfloat16),
  'Long': np.dtype(np.int64),
  'Int': np.dtype(np.int32),
  'Short': np.dtype(np.int16),
  'Char': np.dtype(np.int8),
  'Byte': np.dtype(np.uint8),
  'Bool': np.dtype(np.bool_),
}


@dataclasses.dataclass(frozen=True)
class Storage:
  """`size` values that several tensors may look at."""

  key: str
  dtype: np.dtype
  size: int


@dataclasses.dataclass(frozen=True)
class Tensor:
  """A view of a storage, or of its values [size]; offset and strides count
  values."""

  storage: Storage | np.ndarray
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]

  def array(self, values: np.ndarray) -> np.ndarray:
    """The tensor as a read-only view of its storage's values [size]."""
    # `_rebuild_tensor` has checked that this stays within the values.
    return np.lib.stride_tricks.as_strided(
      values[self.offset :],
      self.shape,
      [step * values.itemsize for step in self.strides],
      writeable=False,
    )


class Descriptions:
  """What a pickle of PyTorch may name, and the storages it described."""

  def __init__(self) -> None:
    self.storages: dict[str, Storage] = {}

  def load(self, stream: ByteStream, budget: Budget | None = None) -> Any:
    """Reads one pickle; see `unpickle.load`."""
    load = self._persistent_load
    return unpickle.load(stream, TABLE, load, budget, instances=True)

  def _persistent_load(self, identifier: Any) -> Storage:
    """('storage', type, key, device, size[, view]) to its description."""
    match identifier:
      case (
        'storage',
        unpickle.Global(value=np.dtype() as dtype),
        str(key),
        _,
        int(size),
        *view,
      ) if not view or (len(view) == 1 and view[0] is None):
        storage = Storage(key, dtype, size)
      case ('storage', unpickle.Global(name=name, value=value), *_) if (
        not isinstance(value, np.dtype)
      ):
        raise FormatError(
          f'has tensors of type {shown(name)}; expected one such as '
          'torch.FloatStorage.'
        )
      case _:
        raise FormatError('refers to data that is no tensor storage.')
    if not 0 <= storage.size <= untrusted.MAX_FILE_BYTES:
      raise FormatError('describes a storage of impossible size.')
    if self.storages.setdefault(storage.key, storage) != storage:
      raise FormatError(f'describes storage {shown(storage.key)} in two ways.')
    return storage


def values(storage: Storage, raw: bytes | memoryview, order: str) -> np.ndarray:
  """The values [size] of a storage: a view of its bytes where it can be one."""
  expected = storage.size * storage.dtype.itemsize
  if len(raw) != expected:
    raise FormatError(
      f'is damaged or truncated: storage {shown(storage.key)} has '
      f'{len(raw)} bytes; expected {expected}.'
    )
  # Through integers of the same width: byte order is not for bfloat16.
  words = np.frombuffer(raw, f'{order}u{storage.dtype.itemsize}')
  if storage.dtype == np.bool_:
    return words != 0
  native = words.astype(words.dtype.newbyteorder('='), copy=False)
  return native.view(storage.dtype)


def storage_name(dtype: np.dtype) -> str:
  """The name in `torch` of the storage type for these values.

  Raises:
    TypeError: PyTorch has none.
  """
  for name, known in _DTYPES.items():
    if known == dtype:
      return f'{name}Storage'
  raise TypeError(f'PyTorch has no tensors of type {dtype}.')


def _rebuild_tensor(
  storage: Any, offset: Any, shape: Any, strides: Any, *_: Any
) -> Tensor:
  if not (
    isinstance(storage, Storage | np.ndarray)
    and isinstance(shape, tuple)
    and isinstance(strides, tuple)
    and len(shape) == len(strides)
    and all(
      isinstance(n, int) and 0 <= n <= untrusted.MAX_FILE_BYTES
      for n in (offset, *shape, *strides)
    )
  ):
    raise FormatError('describes a tensor that cannot be.')
  end = offset
  if math.prod(untrusted.checked_shape(shape)):
    end += 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
  # An expanded tensor (stride 0) may be larger than its storage: not in any
  # real checkpoint, and a cheap way to ask for petabytes.
  if math.prod(shape) > storage.size or end > storage.size:
    raise FormatError(
      f'describes a tensor of shape {shape}, strides {strides} and offset '
      f'{offset} in a storage of {storage.size} values.'
    )
  return Tensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor: Any, *_: Any) -> Tensor:
  if not isinstance(tensor, Tensor):
    raise FormatError('describes a parameter that is no tensor.')
  return tensor


def _size(dimensions: Any = ()) -> tuple[int, ...]:
  if not isinstance(dimensions, tuple | list):
    raise FormatError('describes a torch.Size that cannot be.')
  return tuple(dimensions)


def _persistent(meta: Any) -> unpickle.Instance:
  """Stands in for StyleGAN2-ADA's function, that would compile
  `meta['module_src']`."""
  match meta:
    case {'type': 'class', 'class_name': str(name), 'state': dict(state)}:
      return unpickle.Instance(name, state)
    case _:
      raise FormatError('has an unknown kind of module.')


TABLE: Mapping[str, Any] = {
  **pickle_tables.TABLE,
  **{f'torch.{name}Storage': dtype for name, dtype in _DTYPES.items()},
  # Types of tensors, which are told by their storages.
  **{f'torch.{dtype.name}': dtype.name for dtype in _DTYPES.values()},
  'torch.Size': _size,
  'torch.device': lambda *_: None,
  'torch._utils._rebuild_tensor': _rebuild_tensor,
  'torch._utils._rebuild_tensor_v2': _rebuild_tensor,
  'torch._utils._rebuild_parameter': _rebuild_parameter,
  'torch._utils._rebuild_parameter_with_state': _rebuild_parameter,
  'torch_utils.persistence._reconstruct_persistent_obj': _persistent,
}
