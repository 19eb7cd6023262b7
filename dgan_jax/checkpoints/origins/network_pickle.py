"""The official `.pkl` files: networks of TensorFlow and of StyleGAN2-ADA.

TensorFlow's (StyleGAN1, StyleGAN2) are `(G, D, Gs)`, each network with its
variables and components. StyleGAN2-ADA's are a dict of PyTorch modules that
were pickled with their own source code, tensors as nested files. The code
in either is dropped unread.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dgan_jax import errors
from dgan_jax import storage as storage_lib
from dgan_jax.checkpoints.formats import (
  byte_stream,
  numpy_pickle,
  torch_format,
  torch_tensors,
  unpickle,
)

# More than any real name has.
_MAX_KEY = 400
_TENSORFLOW = ('G', 'D', 'Gs')
# The start of PyTorch's legacy files: the magic number as a pickle.
_LEGACY_START = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'


@dataclasses.dataclass(frozen=True)
class Network:
  """One network of a file.

  Attributes:
    writer: 'tensorflow' or 'persistence' (StyleGAN2-ADA).
    kind: what built it: a function ('G_style', 'G_main') or a class
      ('Generator').
    arrays: read-only. TensorFlow: variables of the network and of its
      components ('dlatent_avg', 'G_synthesis/4x4/Const/const'). Persistence:
      the state dict ('synthesis.b4.conv1.weight').
    settings: numbers, texts and None. TensorFlow: what the network was built
      with, and '<component>.build_func_name'. Persistence: attributes of the
      modules ('synthesis.b8.architecture') and '_init_kwargs....'.
  """

  writer: str
  kind: str
  arrays: Mapping[str, np.ndarray]
  settings: Mapping[str, Any]


def is_network_pickle(path: storage_lib.PathLike) -> bool:
  """Whether the file starts as a pickle, and not as one of `torch.save`."""
  start = bytes(byte_stream.map_file(path)[: len(_LEGACY_START)])
  # PROTO, or how protocols 0 and 1 start a tuple, a dict or a global.
  return start[:1] in (b'\x80', b'(', b'c', b'}') and start != _LEGACY_START


def read(path: storage_lib.PathLike) -> dict[str, Network]:
  """Reads the networks of an official pickle.

  Returns:
    {'G', 'D', 'Gs'} of a TensorFlow file; 'G', 'D', 'G_ema' and what else a
    StyleGAN2-ADA file has ('augment_pipe').

  Raises:
    errors.UserError: no such file, one that is damaged or something else, or
      one that asks for more than arrays and plain containers.
  """
  data = byte_stream.map_file(path)
  try:
    if not data:
      raise unpickle.FormatError('is empty.')
    tree = _Reader(len(data)).load(byte_stream.ByteStream(data))
    match tree:
      case tuple() | list() if len(tree) == 3 and all(
        isinstance(item, _Network) for item in tree
      ):
        found = dict(zip(_TENSORFLOW, tree, strict=True))
      case dict():
        found = {
          key: value
          for key, value in tree.items()
          if isinstance(key, str) and isinstance(value, _Network | _Module)
        }
      case _:
        found = {}
    if not found:
      raise unpickle.FormatError(
        'holds no networks; expected (G, D, Gs) of TensorFlow or '
        '{G, D, G_ema} of StyleGAN2-ADA.'
      )
    return {name: item.network() for name, item in found.items()}
  except unpickle.FormatError as error:
    raise errors.UserError(f'{path} {error}') from None


class _Reader:
  """Reads one file; nested files count towards what it may take."""

  def __init__(self, size: int) -> None:
    self._budget = unpickle.Budget(size)
    self._table = {
      **_TABLE,
      'torch.storage._load_from_bytes': self._load_from_bytes,
    }

  def load(self, stream: byte_stream.ByteStream) -> Any:
    return unpickle.load(stream, self._table, budget=self._budget)

  def _load_from_bytes(self, data: Any) -> torch_tensors.StoredValues:
    """A storage from a legacy file of its own."""
    if not isinstance(data, bytes | memoryview):
      raise unpickle.FormatError('has a storage that is no bytes.')
    storage, fetch = torch_format.read_legacy(
      byte_stream.ByteStream(data), self._budget
    )
    if not isinstance(storage, torch_tensors.Storage):
      raise unpickle.FormatError('has a storage that holds something else.')
    return torch_tensors.StoredValues(fetch(storage))


class _Network(unpickle.StandIn):
  """Stands in for dnnlib.tflib.network.Network."""

  def __init__(self) -> None:
    self.state: dict[Any, Any] = {}

  def build(self, state: Any) -> None:
    if not isinstance(state, dict):
      raise unpickle.FormatError('has a network without a state.')
    self.state = state

  def network(self) -> Network:
    found = _Findings()
    self._visit(found, '', 0)
    found.add_settings('', _part(self.state, 'static_kwargs', dict))
    kind = _part(self.state, 'build_func_name', str)
    return Network('tensorflow', kind, found.arrays, found.settings)

  def _visit(self, found: '_Findings', prefix: str, depth: int) -> None:
    """Collects the variables of this network and of its components."""
    found.enter(depth)
    for pair in _part(self.state, 'variables', list):
      match pair:
        case (str(name), numpy_pickle.Array(value=np.ndarray() as value)):
          found.add_array(prefix, name, value)
        case _:
          raise unpickle.FormatError('has a variable that is no array.')
    for name, component in found.items(_part(self.state, 'components', dict)):
      if not isinstance(component, _Network):
        raise unpickle.FormatError(
          f'has a component {unpickle.shown(name)} that is no network.'
        )
      scope = _part(component.state, 'name', str)
      component._visit(found, f'{prefix}{scope}/', depth + 1)
      function = component.state.get('build_func_name')
      found.add_settings(f'{name}.', {'build_func_name': function})


@dataclasses.dataclass(frozen=True)
class _Module:
  """Stands in for a module of StyleGAN2-ADA's `torch_utils.persistence`."""

  class_name: str
  state: dict[Any, Any]

  def network(self) -> Network:
    found = _Findings()
    self._visit(found, '', 0)
    return Network('persistence', self.class_name, found.arrays, found.settings)

  def _visit(self, found: '_Findings', prefix: str, depth: int) -> None:
    """Collects the arrays and settings of this module and those inside."""
    found.enter(depth)
    left_out = self.state.get('_non_persistent_buffers_set')
    for kind in ('_parameters', '_buffers'):
      for name, tensor in found.items(_part(self.state, kind, dict)):
        if isinstance(left_out, set | frozenset) and name in left_out:
          continue
        match tensor:
          case torch_tensors.Tensor(
            storage=torch_tensors.StoredValues(values=values)
          ):
            found.add_array(prefix, name, tensor.array(values))
          case None:
            pass
          case _:
            raise unpickle.FormatError(
              f'has {unpickle.shown(prefix + name)} that is no tensor.'
            )
    found.add_settings(
      prefix,
      {
        name: value
        for name, value in found.items(self.state)
        if not name.startswith('_') and not isinstance(value, dict)
      },
    )
    arguments = self.state.get('_init_kwargs')
    if isinstance(arguments, dict):
      found.add_settings(f'{prefix}_init_kwargs.', arguments)
    for name, module in found.items(_part(self.state, '_modules', dict)):
      if isinstance(module, _Module):
        module._visit(found, f'{prefix}{name}.', depth + 1)
      elif module is not None:
        raise unpickle.FormatError(
          f'has {unpickle.shown(prefix + name)} that is no module.'
        )


class _Findings:
  """What a network has; a nest of shared parts cannot make it large."""

  def __init__(self) -> None:
    self.arrays: dict[str, np.ndarray] = {}
    self.settings: dict[str, Any] = {}
    self._entries = 0

  def enter(self, depth: int) -> None:
    """Counts one more part, `depth` parts inside the network."""
    self._entries += 1
    if depth > torch_format.MAX_DEPTH:
      raise unpickle.FormatError(f'nests over {torch_format.MAX_DEPTH} deep.')
    if self._entries > torch_format.MAX_ENTRIES:
      raise unpickle.FormatError(
        f'has over {torch_format.MAX_ENTRIES:,} entries.'
      )

  def items(self, mapping: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """The entries of a dict whose keys have to be names."""
    for name, value in mapping.items():
      self.enter(0)
      if not isinstance(name, str):
        raise unpickle.FormatError('has a part without a name.')
      _check_length(name)
      yield name, value

  def add_array(self, prefix: str, name: str, value: np.ndarray) -> None:
    self.enter(0)
    _check_length(name)
    key = f'{prefix}{name}'
    _check_length(key)
    if key in self.arrays:
      raise unpickle.FormatError(f'has two arrays {unpickle.shown(key)}.')
    self.arrays[key] = value

  def add_settings(
    self, prefix: str, settings: dict[Any, Any], depth: int = 0
  ) -> None:
    """Adds numbers, texts and None, also of dicts inside; leaves out others."""
    self.enter(depth)
    for name, value in self.items(settings):
      key = f'{prefix}{name}'
      _check_length(key)
      match value:
        case dict():
          self.add_settings(f'{key}.', value, depth + 1)
        case numpy_pickle.Array(value=np.ndarray(shape=()) as scalar):
          self.settings[key] = scalar.item()
        case str():
          _check_length(value)
          self.settings[key] = value
        case bool() | int() | float() | None:
          self.settings[key] = value


def _check_length(text: str) -> None:
  if len(text) > _MAX_KEY:
    raise unpickle.FormatError(f'has a name of {len(text):,} characters.')


def _part(state: dict[Any, Any], name: str, kind: type) -> Any:
  """An entry of the state of a network, as it has to be."""
  value = state.get(name)
  if not isinstance(value, kind):
    raise unpickle.FormatError(
      f'has a network whose {name} is {unpickle.shown(type(value).__name__)}; '
      f'expected {kind.__name__}.'
    )
  if isinstance(value, str):
    _check_length(value)
  return value


def _reconstruct_persistent(meta: Any) -> _Module:
  """Stands in for the function that would compile `meta['module_src']`."""
  match meta:
    case {'type': 'class', 'class_name': str(name), 'state': dict(state)}:
      _check_length(name)
      return _Module(name, state)
    case _:
      raise unpickle.FormatError('has an unknown kind of module.')


def _reconstruct(kind: Any, base: Any, state: Any) -> Any:
  """Stands in for copyreg._reconstructor, an instance by protocols 0 and 1."""
  match kind, base:
    case unpickle.Global(value=made), unpickle.Global(value='object') if (
      callable(made) and state is None
    ):
      return made()
    case unpickle.Global(name='dnnlib.util.EasyDict'), unpickle.Global(
      value='dict'
    ) if isinstance(state, dict):
      return state
    case _:
      raise unpickle.FormatError('has an unknown kind of instance.')


def _set(items: Any = ()) -> set[Any]:
  if not isinstance(items, list | tuple):
    raise unpickle.FormatError('has a set that is made of something else.')
  return set(map(unpickle.hashable, items))


_TABLE: Mapping[str, Any] = {
  **torch_tensors.TABLE,
  **numpy_pickle.TABLE,
  'dnnlib.tflib.network.Network': _Network,
  'dnnlib.util.EasyDict': torch_tensors.ordered_dict,
  'torch_utils.persistence._reconstruct_persistent_obj': (
    _reconstruct_persistent
  ),
  **{
    f'{module}.{name}': value
    for module in ('builtins', '__builtin__')
    for name, value in (('set', _set), ('object', 'object'), ('dict', 'dict'))
  },
  'copyreg._reconstructor': _reconstruct,
  'copy_reg._reconstructor': _reconstruct,
}
