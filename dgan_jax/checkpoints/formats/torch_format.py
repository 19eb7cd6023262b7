"""PyTorch checkpoint files as numpy arrays, without PyTorch.

Read are the zip archive of PyTorch 1.6 and later (`data.pkl` and one entry per
storage), the folder that unpacking it makes, and the legacy stream before it
(five pickles, then the storages).
"""

import dataclasses
import functools
import pathlib
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dgan_jax import storage as storage_lib
from dgan_jax.checkpoints.formats import (
  byte_stream,
  pickled_tree,
  torch_tensors,
  unpickle,
  untrusted,
  zip_entries,
)
from dgan_jax.checkpoints.formats.byte_stream import ByteStream
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# What training checkpoints wrap their network in. Those of rosinality and
# EditGAN have more of them; the averaged one is wanted.
_WRAPPERS = ('model_state_dict', 'state_dict', 'g_ema', 'G_ema')

# The values [size] of a storage, fetched when they are needed.
_Fetch = Callable[[torch_tensors.Storage], np.ndarray]
# The bytes of a part of an archive: 'data.pkl', 'data/0'.
_Read = Callable[[str], bytes | memoryview]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """The tensors of a file; arrays are read-only views of it."""

  state_dict: dict[str, np.ndarray]  # {key: array} of the network
  # Of a network that was saved whole, the attributes of its modules
  # ('synthesis.b8.architecture').
  settings: Mapping[str, Any]
  # Under which key the file keeps it; None if it holds nothing else.
  wrapper: str | None
  # The tensors that it keeps beside, under dotted keys: read, and checked, when
  # they are asked for.
  beside: Mapping[str, np.ndarray]


def read(path: storage_lib.PathLike) -> dict[str, np.ndarray]:
  """Reads a state dict {key: array}, read-only, in the types it is stored in.

  Dicts inside dicts, and modules that were saved whole, are flattened to
  'outer.inner' keys; of a training checkpoint only its `state_dict`,
  `model_state_dict` or `g_ema` is read. What is no tensor is left out.

  Raises:
    errors.UserError: no such file, one that is damaged or something else, or
      one whose pickle asks for more than arrays and plain containers.
  """
  return read_checkpoint(path).state_dict


def read_checkpoint(
  path: storage_lib.PathLike, budget: Budget | None = None
) -> Checkpoint:
  """Reads a state dict and what is kept beside it; see `read`."""
  path = storage_lib.path(path)
  budget = budget or Budget()
  with untrusted.refusing(path):
    if is_unpacked(path):
      tree, fetch = _read_archive(_unpacked(path, budget), budget)
    else:
      data = byte_stream.map_file(path, budget)
      if not data:
        raise FormatError('is empty.')
      if data[:2] == b'PK':
        tree, fetch = _read_archive(_packed(path, data, budget), budget)
      else:
        tree, fetch = read_legacy(ByteStream(data), budget)
    network, wrapper, beside = _unwrap(tree)
    contents, others = (pickled_tree.Contents(budget) for _ in range(2))
    contents.add(network)
    others.add(beside)
    return Checkpoint(
      state_dict=dict(Arrays(path, contents.arrays, budget, fetch)),
      settings=contents.settings,
      wrapper=wrapper,
      beside=Arrays(path, others.arrays, budget, fetch),
    )


def is_unpacked(path: pathlib.Path) -> bool:
  """Whether a folder is what unpacking an archive of `torch.save` makes."""
  return (path / 'data.pkl').is_file()


class Arrays(Mapping[str, np.ndarray]):
  """Tensors as arrays, whose storages are fetched when they are needed."""

  def __init__(
    self,
    path: storage_lib.PathLike,
    tensors: Mapping[str, torch_tensors.Tensor | np.ndarray],
    budget: Budget,
    fetch: _Fetch | None = None,
  ) -> None:
    """Takes what a `pickled_tree` holds; `fetch` is for what isn't at hand."""
    self._path = path
    self._tensors = tensors
    self._budget = budget
    # Tensors share storages, and of some a copy is made.
    self._fetch = functools.cache(fetch) if fetch else None

  def __len__(self) -> int:
    return len(self._tensors)

  def __iter__(self) -> Iterator[str]:
    return iter(self._tensors)

  def __getitem__(self, key: str) -> np.ndarray:
    tensor = self._tensors[key]
    with untrusted.refusing(self._path):
      self._budget.array(tensor.shape)
      if isinstance(tensor, np.ndarray):
        return tensor
      values = tensor.storage
      if not isinstance(values, np.ndarray):
        assert self._fetch is not None
        values = self._fetch(values)
      return tensor.array(values)


def _packed(path: pathlib.Path, data: memoryview, budget: Budget) -> _Read:
  """Reads the entries of an archive, without the folder they are in."""
  entries = zip_entries.directory(path)
  names = [entry.filename for entry in entries]
  pickles = [name for name in names if name.endswith('/data.pkl')]
  if not pickles and 'data.pkl' not in names:
    raise FormatError(zip_entries.hint(names))
  # Stored entries that don't overlap: so no entry is larger than it looks,
  # and reading all of them takes no more than the file has.
  if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
    raise FormatError('is compressed; PyTorch stores its entries plain.')
  if sum(entry.file_size for entry in entries) > len(data):
    raise FormatError('is damaged: its entries exceed its size.')
  if len(pickles) > 1:
    raise FormatError(f'has {len(pickles)} entries data.pkl; expected one.')
  root = pickles[0].removesuffix('data.pkl') if pickles else ''
  named = dict(zip(names, entries, strict=True))

  def content(name: str) -> bytes | memoryview:
    if root + name not in named:
      raise KeyError(name)
    return zip_entries.content(named[root + name], data, budget)

  return content


def _unpacked(path: pathlib.Path, budget: Budget) -> _Read:
  """Reads the files of an archive that was unpacked."""

  def content(name: str) -> bytes | memoryview:
    # A name is from the pickle, and must not lead elsewhere.
    file = path / name
    if not re.fullmatch(r'(data/)?\w+(\.pkl)?', name) or not file.is_file():
      raise KeyError(name)
    byte_stream.refuse_links(path, file)
    return byte_stream.map_file(file, budget)

  return content


def _read_archive(content: _Read, budget: Budget) -> tuple[Any, _Fetch]:
  """What data.pkl describes, and where the values are."""
  stream = ByteStream(content('data.pkl'))
  tree = torch_tensors.Descriptions().load(stream, budget)
  try:
    order = '>' if content('byteorder') == b'big' else '<'
  except KeyError:
    order = '<'

  def fetch(storage: torch_tensors.Storage) -> np.ndarray:
    name = f'data/{storage.key}'
    try:
      raw = content(name)
    except KeyError:
      raise FormatError(f'is damaged: it has no {shown(name)}.') from None
    return torch_tensors.values(storage, raw, order)

  return tree, fetch


def read_legacy(stream: ByteStream, budget: Budget) -> tuple[Any, _Fetch]:
  """What a legacy stream describes, and what gives the values of a storage."""

  def load() -> Any:
    return unpickle.load(stream, {}, budget=budget)

  if load() != _LEGACY_MAGIC:
    raise FormatError('is not a PyTorch checkpoint.')
  if (found := load()) != _LEGACY_PROTOCOL:
    expected = f'expected {_LEGACY_PROTOCOL}'
    raise FormatError(f'has protocol {shown(found)}; {expected}.')
  load()  # type sizes of the machine that wrote it
  descriptions = torch_tensors.Descriptions()
  tree = descriptions.load(stream, budget)
  keys = load()
  if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys):
    raise FormatError('is damaged: it has no list of storages.')
  if set(keys) != set(descriptions.storages) or len(set(keys)) != len(keys):
    raise FormatError('is damaged: it lists other storages than it uses.')
  values = {}
  for key in keys:
    storage = descriptions.storages[key]
    count = int.from_bytes(stream.read(8), 'little')
    if count != storage.size:
      raise FormatError(
        f'is damaged or truncated: storage {shown(key)} has {count} '
        f'values; expected {storage.size}.'
      )
    raw = stream.read(storage.size * storage.dtype.itemsize)
    values[key] = torch_tensors.values(storage, raw, '<')
  return tree, lambda storage: values[storage.key]


def _unwrap(tree: Any) -> tuple[Any, str | None, dict[Any, Any]]:
  """The network, a dict or a module; its key, and what is beside."""
  if pickled_tree.is_module(tree):
    return tree, None, {}
  if not isinstance(tree, dict):
    alone = isinstance(tree, unpickle.Instance)
    found = f'an object of {shown(tree.name)}' if alone else 'something else'
    raise FormatError(
      f'holds {found}; expected a network or its state dict ({{key: tensor}}).'
    )
  for name in _WRAPPERS:
    network = tree.get(name)
    if isinstance(network, dict) or pickled_tree.is_module(network):
      rest = {key: value for key, value in tree.items() if key != name}
      return network, name, rest
  return tree, None, {}
