"""PyTorch checkpoint files as numpy arrays, without PyTorch.

Both serialisations are read: the zip archive of PyTorch 1.6 and later
(`data.pkl` and one entry per storage) and the legacy stream before it (five
pickles, then the storages). The pickle only describes tensors; sizes, offsets
and strides are checked against the bytes that are really there.
"""

import dataclasses
import io
import math
import pathlib
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, files
from dgan_jax.checkpoints import unpickle

MAX_FILE_BYTES = 4 * 2**30
MAX_DEPTH = 16
MAX_ENTRIES = 100_000

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# What training checkpoints wrap their state dict in.
_WRAPPERS = ('model_state_dict', 'state_dict')

_DTYPES: Mapping[str, np.dtype] = {
  f'torch.{name}Storage': np.dtype(dtype)
  for name, dtype in {
    'Double': np.float64,
    'Float': np.float32,
    'Half': np.float16,
    'BFloat16': jnp.bfloat16,
    'Long': np.int64,
    'Int': np.int32,
    'Short': np.int16,
    'Char': np.int8,
    'Byte': np.uint8,
    'Bool': np.bool_,
  }.items()
}


@dataclasses.dataclass(frozen=True)
class _Storage:
  """`size` elements that several tensors may look at."""

  key: str
  dtype: np.dtype
  size: int

  @property
  def num_bytes(self) -> int:
    return self.size * self.dtype.itemsize


@dataclasses.dataclass(frozen=True)
class _Tensor:
  """A view of a storage; offset and strides count elements."""

  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


def read(path: files.PathLike) -> dict[str, np.ndarray]:
  """Reads a state dict.

  Args:
    path: a file written by `torch.save`. Dicts inside dicts are flattened to
      'outer.inner' keys; of a training checkpoint only its `state_dict` or
      `model_state_dict` is read. What is no tensor (an epoch count) is left
      out.

  Returns:
    {key: array}, read-only, in the type it was stored in.

  Raises:
    errors.UserError: no such file, one that is damaged or something else, or
      one whose pickle asks for more than arrays and plain containers.
  """
  path = pathlib.Path(path)
  if not path.is_file():
    raise errors.UserError(f'{path} does not exist or is not a file.')
  size = path.stat().st_size
  if size > MAX_FILE_BYTES:
    raise errors.UserError(
      f'{path} has {size:,} bytes; expected {MAX_FILE_BYTES:,} at most.'
    )
  data = path.read_bytes()
  try:
    reader = _read_zip if data.startswith(b'PK') else _read_legacy
    tree, storages = reader(data)
    return {
      key: _array(tensor, storages[tensor.storage.key])
      for key, tensor in _flatten(_unwrap(tree)).items()
    }
  except unpickle.FormatError as error:
    raise errors.UserError(f'{path} {error}') from None


class _Descriptions:
  """The pickle's side of a file: what it may name, and what it described."""

  def __init__(self) -> None:
    self.storages: dict[str, _Storage] = {}

  def load(self, stream: io.BytesIO) -> Any:
    return unpickle.load(stream, _TABLE, self._persistent_load)

  def _persistent_load(self, identifier: Any) -> _Storage:
    """('storage', type, key, device, size[, view]) to its description."""
    match identifier:
      case (
        'storage',
        unpickle.Global(value=np.dtype() as dtype),
        str(key),
        _,
        int(size),
        *view,
      ) if view in ([], [None]):
        storage = _Storage(key, dtype, size)
      case _:
        raise unpickle.FormatError('refers to data that is no tensor storage.')
    if not 0 <= storage.size <= MAX_FILE_BYTES:
      raise unpickle.FormatError('describes a storage of impossible size.')
    if self.storages.setdefault(storage.key, storage) != storage:
      raise unpickle.FormatError(
        f'describes storage {unpickle.shown(storage.key)} in two ways.'
      )
    return storage


def _rebuild_tensor(
  storage: Any, offset: Any, shape: Any, strides: Any, *_: Any
) -> _Tensor:
  """Stands in for torch._utils._rebuild_tensor and _rebuild_tensor_v2."""
  if not (
    isinstance(storage, _Storage)
    and isinstance(shape, tuple)
    and isinstance(strides, tuple)
    and len(shape) == len(strides) <= 8
    and all(isinstance(n, int) and n >= 0 for n in (offset, *strides))
    and all(isinstance(n, int) and n > 0 for n in shape)
  ):
    raise unpickle.FormatError('describes a tensor that cannot be.')
  last = offset + sum(
    (n - 1) * step for n, step in zip(shape, strides, strict=True)
  )
  # An expanded tensor (stride 0) may be larger than its storage: not in any
  # real checkpoint, and a cheap way to ask for petabytes.
  if math.prod(shape) > storage.size or last >= storage.size:
    raise unpickle.FormatError(
      f'describes a tensor of shape {shape}, strides {strides} and offset '
      f'{offset} in a storage of {storage.size} values.'
    )
  return _Tensor(storage, offset, shape, strides)


def _rebuild_parameter(tensor: Any, *_: Any) -> _Tensor:
  if not isinstance(tensor, _Tensor):
    raise unpickle.FormatError('describes a parameter that is no tensor.')
  return tensor


def _ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
  if not isinstance(pairs, list | tuple) or not all(
    isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
  ):
    raise unpickle.FormatError(
      'holds an OrderedDict that is not made of pairs.'
    )
  return {unpickle.hashable(key): value for key, value in pairs}


_TABLE: Mapping[str, Any] = {
  **_DTYPES,
  'torch._utils._rebuild_tensor': _rebuild_tensor,
  'torch._utils._rebuild_tensor_v2': _rebuild_tensor,
  'torch._utils._rebuild_parameter': _rebuild_parameter,
  'collections.OrderedDict': _ordered_dict,
}

_Storages = Mapping[str, np.ndarray]


def _read_zip(data: bytes) -> tuple[Any, _Storages]:
  """What data.pkl describes, and the storages it refers to."""
  try:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
      return _read_archive(archive, len(data))
  except unpickle.FormatError:
    raise
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


def _read_archive(
  archive: zipfile.ZipFile, file_size: int
) -> tuple[Any, _Storages]:
  entries = archive.infolist()
  # Stored entries that don't overlap: so no entry is larger than it looks,
  # and reading all of them takes no more than the file has.
  if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
    raise unpickle.FormatError(
      'is compressed; PyTorch stores its entries plain.'
    )
  if sum(entry.file_size for entry in entries) > file_size:
    raise unpickle.FormatError('is damaged: its entries exceed its size.')
  pickles = [n for n in archive.namelist() if n.endswith('/data.pkl')]
  if len(pickles) != 1:
    raise unpickle.FormatError(
      f'has {len(pickles)} entries data.pkl; a PyTorch checkpoint has one.'
    )
  root = pickles[0].removesuffix('data.pkl')
  descriptions = _Descriptions()
  tree = descriptions.load(io.BytesIO(archive.read(pickles[0])))
  order = '<'
  if f'{root}byteorder' in archive.namelist():
    order = '>' if archive.read(f'{root}byteorder') == b'big' else '<'
  return tree, {
    key: _values(storage, archive.read(f'{root}data/{key}'), order)
    for key, storage in descriptions.storages.items()
  }


def _read_legacy(data: bytes) -> tuple[Any, _Storages]:
  """What the fourth pickle describes, and the storages behind the fifth."""
  stream = io.BytesIO(data)
  if unpickle.load(stream, {}) != _LEGACY_MAGIC:
    raise unpickle.FormatError('is not a PyTorch checkpoint.')
  protocol = unpickle.load(stream, {})
  if protocol != _LEGACY_PROTOCOL:
    raise unpickle.FormatError(
      f'has protocol {unpickle.shown(protocol)}; expected {_LEGACY_PROTOCOL}.'
    )
  unpickle.load(stream, {})  # type sizes of the machine that wrote it
  descriptions = _Descriptions()
  tree = descriptions.load(stream)
  keys = unpickle.load(stream, {})
  if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys):
    raise unpickle.FormatError('is damaged: it has no list of storages.')
  if set(keys) != set(descriptions.storages) or len(set(keys)) != len(keys):
    raise unpickle.FormatError(
      'is damaged: it lists other storages than it uses.'
    )
  storages = {}
  for key in keys:
    storage = descriptions.storages[key]
    count = int.from_bytes(stream.read(8), 'little')
    if count != storage.size:
      raise unpickle.FormatError(
        f'is damaged or truncated: storage {unpickle.shown(key)} has {count} '
        f'values; expected {storage.size}.'
      )
    storages[key] = _values(storage, stream.read(storage.num_bytes), '<')
  return tree, storages


def _values(storage: _Storage, raw: bytes, order: str) -> np.ndarray:
  """The values [size] of a storage from its bytes."""
  if len(raw) != storage.num_bytes:
    raise unpickle.FormatError(
      f'is damaged or truncated: storage {unpickle.shown(storage.key)} has '
      f'{len(raw)} bytes; expected {storage.num_bytes}.'
    )
  # Through integers of the same width: byte order is not for bfloat16.
  words = np.frombuffer(raw, f'{order}u{storage.dtype.itemsize}')
  if storage.dtype == np.bool_:
    return words != 0
  return words.astype(words.dtype.newbyteorder('='), copy=False).view(
    storage.dtype
  )


def _array(tensor: _Tensor, values: np.ndarray) -> np.ndarray:
  # `_rebuild_tensor` has checked that this stays within the values.
  return np.lib.stride_tricks.as_strided(
    values[tensor.offset :],
    tensor.shape,
    [step * values.itemsize for step in tensor.strides],
    writeable=False,
  )


def _unwrap(tree: Any) -> dict[Any, Any]:
  if not isinstance(tree, dict):
    raise unpickle.FormatError(
      'holds something else than a state dict ({key: tensor}).'
    )
  for name in _WRAPPERS:
    if isinstance(tree.get(name), dict):
      return tree[name]
  return tree


def _flatten(tree: dict[Any, Any]) -> dict[str, _Tensor]:
  """The tensors of a tree of dicts under dotted keys.

  Raises:
    unpickle.FormatError: it is deeper, or has more entries (a dict may be in
      many places at once), than any real checkpoint; or two keys are equal.
  """
  seen: dict[str, _Tensor] = {}
  visited = 0

  def visit(node: dict[Any, Any], prefix: str, depth: int) -> None:
    nonlocal visited
    if depth > MAX_DEPTH:
      raise unpickle.FormatError(f'nests dicts over {MAX_DEPTH} deep.')
    for name, value in node.items():
      visited += 1
      if visited > MAX_ENTRIES:
        raise unpickle.FormatError(f'has over {MAX_ENTRIES:,} entries.')
      key = f'{prefix}{name}'
      if isinstance(value, dict):
        visit(value, f'{key}.', depth + 1)
      elif isinstance(value, _Tensor):
        if key in seen:
          raise unpickle.FormatError(f'has two keys {unpickle.shown(key)}.')
        seen[key] = value

  visit(tree, '', 0)
  return seen
