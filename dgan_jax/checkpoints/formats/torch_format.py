"""PyTorch checkpoint files as numpy arrays, without PyTorch.

Both serialisations are read: the zip archive of PyTorch 1.6 and later
(`data.pkl` and one entry per storage) and the legacy stream before it (five
pickles, then the storages). Only the storages of tensors that are returned
are looked at.
"""

import dataclasses
import functools
import zipfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dgan_jax import errors
from dgan_jax import storage as storage_lib
from dgan_jax.checkpoints.formats import (
  byte_stream,
  torch_tensors,
  unpickle,
  zip_entries,
)

MAX_DEPTH = 16
MAX_ENTRIES = 100_000
# Real ones have 60 characters.
_MAX_KEY = 400

_LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY_PROTOCOL = 1001
# What training checkpoints wrap their state dict in. The networks of
# rosinality and EditGAN have more of them; the averaged one is wanted.
_WRAPPERS = ('model_state_dict', 'state_dict', 'g_ema')

# The values [size] of a storage, fetched when they are needed.
_Fetch = Callable[[torch_tensors.Storage], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Checkpoint:
  """The tensors of a file; arrays are read-only views of it.

  Attributes:
    state_dict: {key: array} of the network.
    wrapper: under which key the file keeps it; None if it holds nothing else.
    beside: the tensors that it keeps beside, under dotted keys: read, and
      checked, when they are asked for.
  """

  state_dict: dict[str, np.ndarray]
  wrapper: str | None
  beside: Mapping[str, np.ndarray]


def read(path: storage_lib.PathLike) -> dict[str, np.ndarray]:
  """Reads a state dict.

  Args:
    path: a file written by `torch.save`. Dicts inside dicts are flattened to
      'outer.inner' keys; of a training checkpoint only its `state_dict`,
      `model_state_dict` or `g_ema` is read. What is no tensor (an epoch
      count) is left out.

  Returns:
    {key: array}, read-only, in the type it was stored in.

  Raises:
    errors.UserError: no such file, one that is damaged or something else, or
      one whose pickle asks for more than arrays and plain containers.
  """
  return read_checkpoint(path).state_dict


def read_checkpoint(path: storage_lib.PathLike) -> Checkpoint:
  """Reads a state dict and what is kept beside it; see `read`."""
  data = byte_stream.map_file(path)
  try:
    if not data:
      raise unpickle.FormatError('is empty.')
    if data[:2] == b'PK':
      tree, fetch = _read_archive(zip_entries.directory(path), data)
    else:
      tree, fetch = read_legacy(byte_stream.ByteStream(data))
    network, wrapper, beside = _unwrap(tree)
    return Checkpoint(
      state_dict=dict(_Arrays(path, _flatten(network), fetch)),
      wrapper=wrapper,
      beside=_Arrays(path, _flatten(beside), fetch),
    )
  except unpickle.FormatError as error:
    raise errors.UserError(f'{path} {error}') from None


class _Arrays(Mapping[str, np.ndarray]):
  """Tensors as arrays, whose storages are fetched when they are needed."""

  def __init__(
    self,
    path: storage_lib.PathLike,
    tensors: Mapping[str, torch_tensors.Tensor],
    fetch: _Fetch,
  ) -> None:
    self._path = path
    self._tensors = tensors
    # Tensors share storages, and of some a copy is made.
    self._fetch = functools.cache(fetch)

  def __len__(self) -> int:
    return len(self._tensors)

  def __iter__(self) -> Iterator[str]:
    return iter(self._tensors)

  def __getitem__(self, key: str) -> np.ndarray:
    tensor = self._tensors[key]
    try:
      return tensor.array(self._fetch(tensor.storage))
    except unpickle.FormatError as error:
      raise errors.UserError(f'{self._path} {error}') from None


def _read_archive(
  entries: list[zipfile.ZipInfo], data: memoryview
) -> tuple[Any, _Fetch]:
  """What data.pkl describes, and where the values are."""
  # Stored entries that don't overlap: so no entry is larger than it looks,
  # and reading all of them takes no more than the file has.
  if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
    raise unpickle.FormatError(
      'is compressed; PyTorch stores its entries plain.'
    )
  if sum(entry.file_size for entry in entries) > len(data):
    raise unpickle.FormatError('is damaged: its entries exceed its size.')
  named = {entry.filename: entry for entry in entries}
  pickles = [e.filename for e in entries if e.filename.endswith('/data.pkl')]
  if len(pickles) != 1:
    raise unpickle.FormatError(
      f'has {len(pickles)} entries data.pkl; a PyTorch checkpoint has one.'
    )
  root = pickles[0].removesuffix('data.pkl')
  tree = torch_tensors.Descriptions().load(
    byte_stream.ByteStream(zip_entries.content(named[pickles[0]], data))
  )
  order = '<'
  if f'{root}byteorder' in named:
    order = (
      '>'
      if zip_entries.content(named[f'{root}byteorder'], data) == b'big'
      else '<'
    )

  def fetch(storage: torch_tensors.Storage) -> np.ndarray:
    name = f'{root}data/{storage.key}'
    if name not in named:
      raise unpickle.FormatError(
        f'is damaged: it has no entry {unpickle.shown(name)}.'
      )
    return torch_tensors.values(
      storage, zip_entries.content(named[name], data), order
    )

  return tree, fetch


def read_legacy(
  stream: byte_stream.ByteStream, budget: unpickle.Budget | None = None
) -> tuple[Any, _Fetch]:
  """Reads a legacy stream.

  Args:
    stream: from its start.
    budget: of the file that it is in; None: its own.

  Returns:
    What its fourth pickle describes, and a function that gives the values of
    a storage.

  Raises:
    unpickle.FormatError: it is something else, or damaged.
  """
  budget = budget or unpickle.Budget(len(stream))

  def load() -> Any:
    return unpickle.load(stream, {}, budget=budget)

  if not _equals(load(), _LEGACY_MAGIC):
    raise unpickle.FormatError('is not a PyTorch checkpoint.')
  protocol = load()
  if not _equals(protocol, _LEGACY_PROTOCOL):
    raise unpickle.FormatError(
      f'has protocol {unpickle.shown(protocol)}; expected {_LEGACY_PROTOCOL}.'
    )
  load()  # type sizes of the machine that wrote it
  descriptions = torch_tensors.Descriptions()
  tree = descriptions.load(stream, budget)
  keys = load()
  if not isinstance(keys, list) or not all(isinstance(k, str) for k in keys):
    raise unpickle.FormatError('is damaged: it has no list of storages.')
  if set(keys) != set(descriptions.storages) or len(set(keys)) != len(keys):
    raise unpickle.FormatError(
      'is damaged: it lists other storages than it uses.'
    )
  raw: dict[str, bytes | memoryview] = {}
  for key in keys:
    storage = descriptions.storages[key]
    count = int.from_bytes(stream.read(8), 'little')
    if count != storage.size:
      raise unpickle.FormatError(
        f'is damaged or truncated: storage {unpickle.shown(key)} has {count} '
        f'values; expected {storage.size}.'
      )
    raw[key] = stream.read(storage.num_bytes)
    if len(raw[key]) != storage.num_bytes:
      raise unpickle.FormatError(
        f'is damaged or truncated: storage {unpickle.shown(key)} has '
        f'{len(raw[key])} bytes; expected {storage.num_bytes}.'
      )
  return tree, lambda storage: torch_tensors.values(
    storage, raw[storage.key], '<'
  )


def _equals(value: Any, number: int) -> bool:
  return isinstance(value, int) and value == number


def _unwrap(
  tree: Any,
) -> tuple[dict[Any, Any], str | None, dict[Any, Any]]:
  """The network's dict, its key, and what is beside."""
  if not isinstance(tree, dict):
    raise unpickle.FormatError(
      'holds something else than a state dict ({key: tensor}).'
    )
  for name in _WRAPPERS:
    if isinstance(tree.get(name), dict):
      rest = {key: value for key, value in tree.items() if key != name}
      return tree[name], name, rest
  return tree, None, {}


def _flatten(tree: dict[Any, Any]) -> dict[str, torch_tensors.Tensor]:
  """The tensors of a tree of dicts under dotted keys.

  Raises:
    unpickle.FormatError: it is deeper, or has more entries (a dict may be in
      many places at once), than any real checkpoint; or two keys are equal.
  """
  seen: dict[str, torch_tensors.Tensor] = {}
  visited = 0

  def visit(node: dict[Any, Any], prefix: str, depth: int) -> None:
    """Adds the tensors below a dict whose keys start with `prefix`."""
    nonlocal visited
    if depth > MAX_DEPTH:
      raise unpickle.FormatError(f'nests dicts over {MAX_DEPTH} deep.')
    for name, value in node.items():
      visited += 1
      if visited > MAX_ENTRIES:
        raise unpickle.FormatError(f'has over {MAX_ENTRIES:,} entries.')
      if not isinstance(name, str | int):
        continue  # the keys of other things than tensors
      key = f'{prefix}{name}'
      if len(key) > _MAX_KEY:
        raise unpickle.FormatError(f'has a key of {len(key):,} characters.')
      if isinstance(value, dict):
        visit(value, f'{key}.', depth + 1)
      elif isinstance(value, torch_tensors.Tensor):
        if key in seen:
          raise unpickle.FormatError(f'has two keys {unpickle.shown(key)}.')
        seen[key] = value

  visit(tree, '', 0)
  return seen
