"""The official `.pkl` files: networks of TensorFlow and of StyleGAN2-ADA.

TensorFlow's are `(G, D, Gs)`, each network with its variables and components.
StyleGAN2-ADA's are a dict of PyTorch modules that were pickled with their own
source code, tensors as nested files. The code in either is dropped unread.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgan_jax import storage as storage_lib
from dgan_jax.checkpoints.formats import (
  byte_stream,
  pickle_tables,
  pickled_tree,
  torch_format,
  torch_tensors,
  unpickle,
  untrusted,
)
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown

_TENSORFLOW = ('G', 'D', 'Gs')
# The start of PyTorch's legacy files: the magic number as a pickle.
_LEGACY_START = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'


@dataclasses.dataclass(frozen=True)
class Network:
  """One network of a file."""

  kind: str  # the function ('G_style') or class ('Generator') that built it
  # Read-only. TensorFlow: variables of the network and of its components
  # ('dlatent_avg', 'G_synthesis/4x4/Const/const'); ADA: the state dict.
  arrays: Mapping[str, np.ndarray]
  # Numbers, texts and None. TensorFlow: what the network was built with, and
  # '<component>.build_func_name'; ADA: attributes of the modules
  # ('synthesis.b8.architecture') and '_init_kwargs....'.
  settings: Mapping[str, Any]


def is_network_pickle(head: bytes) -> bool:
  """Whether a file starts as a pickle, and not as one of `torch.save`."""
  # PROTO, or how protocols 0 and 1 start a tuple, a dict or a global.
  starts = (b'\x80', b'(', b'c', b'}')
  return head.startswith(starts) and not head.startswith(_LEGACY_START)


def read(
  path: storage_lib.PathLike, budget: Budget | None = None
) -> dict[str, Network]:
  """Reads the networks of an official pickle: 'G', 'D', 'Gs' or 'G_ema', and
  what else there is; one that was pickled alone goes by the name of its kind.

  Raises:
    errors.UserError: no such file, one that is damaged or something else, or
      one that asks for more than arrays and plain containers.
  """
  budget = budget or Budget()
  with untrusted.refusing(path):
    data = byte_stream.map_file(path, budget)
    if not data:
      raise FormatError('is empty.')
    tree = _load(data, budget)
    match tree:
      case tuple() | list() if len(tree) == 3:
        named = dict(zip(_TENSORFLOW, tree, strict=True))
      case dict():
        named = {k: v for k, v in tree.items() if isinstance(k, str)}
      case _Network():
        named = {_part(tree.state, 'build_func_name', str): tree}
      case unpickle.Instance():
        named = {tree.name: tree}
      case _:
        named = {}
    networks = {
      name: _network(value, path, budget)
      for name, value in named.items()
      if isinstance(value, _Network) or pickled_tree.is_module(value)
    }
    if not networks:
      alone = isinstance(tree, unpickle.Instance)
      what = f' but a {shown(tree.name)}' if alone else ''
      raise FormatError(
        f'holds no networks{what}; expected (G, D, Gs) of TensorFlow or '
        '{G, D, G_ema} of StyleGAN2-ADA.'
      )
    return networks


def _load(data: memoryview, budget: Budget) -> Any:
  def load_from_bytes(file: Any) -> np.ndarray:
    """A storage from a legacy file of its own."""
    if not isinstance(file, bytes | memoryview):
      raise FormatError('has a storage that is no bytes.')
    storage, fetch = torch_format.read_legacy(
      byte_stream.ByteStream(file), budget
    )
    if not isinstance(storage, torch_tensors.Storage):
      raise FormatError('has a storage that holds something else.')
    return fetch(storage)

  table = {
    **torch_tensors.TABLE,
    'torch.storage._load_from_bytes': load_from_bytes,
    'dnnlib.tflib.network.Network': _Network,
    'dnnlib.util.EasyDict': pickle_tables.ordered_dict,
  }
  stream = byte_stream.ByteStream(data)
  return unpickle.load(stream, table, budget=budget, instances=True)


def _network(value: Any, path: storage_lib.PathLike, budget: Budget) -> Network:
  contents = pickled_tree.Contents(budget)
  if isinstance(value, _Network):
    value.add_to(contents)
    contents.add_settings('', _part(value.state, 'static_kwargs', dict))
    kind = _part(value.state, 'build_func_name', str)
  else:
    contents.add(value)
    kind = pickled_tree.checked_name(value.name)
  arrays = torch_format.Arrays(path, contents.arrays, budget)
  return Network(kind, arrays, contents.settings)


class _Network(unpickle.StandIn):
  """Stands in for dnnlib.tflib.network.Network."""

  def __init__(self) -> None:
    self.state: dict[Any, Any] = {}

  def build(self, state: Any) -> None:
    if not isinstance(state, dict):
      raise FormatError('has a network without a state.')
    self.state = state

  def add_to(
    self, contents: pickled_tree.Contents, prefix: str = '', depth: int = 0
  ) -> None:
    """Adds the variables of this network and of its components."""
    contents.enter(depth)
    for pair in _part(self.state, 'variables', list):
      match pair:
        case (str(name), pickle_tables.Array(value=np.ndarray() as value)):
          contents.add_array(f'{prefix}{name}', value)
        case _:
          raise FormatError('has a variable that is no array.')
    components = _part(self.state, 'components', dict)
    for name, component in contents.items(components):
      if not isinstance(component, _Network):
        raise FormatError(f'has a component {shown(name)} that is no network.')
      scope = _part(component.state, 'name', str)
      component.add_to(contents, f'{prefix}{scope}/', depth + 1)
      function = component.state.get('build_func_name')
      contents.add_settings(f'{name}.', {'build_func_name': function})


def _part(state: dict[Any, Any], name: str, kind: type) -> Any:
  """An entry of the state of a network, as it has to be."""
  value = state.get(name)
  if not isinstance(value, kind):
    raise FormatError(
      f'has a network whose {name} is {shown(type(value).__name__)}; '
      f'expected {kind.__name__}.'
    )
  return pickled_tree.checked_name(value) if isinstance(value, str) else value
