"""What a pickled tree of dicts, modules and networks holds, by dotted keys."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dgan_jax.checkpoints.formats import pickle_tables, torch_tensors, unpickle
from dgan_jax.checkpoints.formats.untrusted import Budget, FormatError, shown

_MAX_DEPTH = 16
# More than any real name has, which is 60.
_MAX_KEY = 400
_MODULE_PARTS = ('_parameters', '_buffers', '_modules')


def is_module(value: Any) -> bool:
  """Whether this stands in for a module of PyTorch."""
  return isinstance(value, unpickle.Instance) and all(
    isinstance(value.state.get(part), dict) for part in _MODULE_PARTS
  )


class Contents:
  """Tensors and settings; a nest of shared parts cannot make it large."""

  def __init__(self, budget: Budget) -> None:
    # Under dotted keys.
    self.arrays: dict[str, torch_tensors.Tensor | np.ndarray] = {}
    self.settings: dict[str, Any] = {}  # numbers, texts and None
    self._budget = budget

  def add(self, tree: Any, prefix: str = '', depth: int = 0) -> None:
    """Adds a dict or a module; what else is in a dict is left out. Parts may be
    in many places at once."""
    self.enter(depth)
    if isinstance(tree, unpickle.Instance):
      self._add_module(tree, prefix, depth)
      return
    for name, value in tree.items():
      self.enter(depth)
      if not isinstance(name, str | int):
        continue  # the keys of other things than tensors
      if isinstance(value, dict) or is_module(value):
        self.add(value, f'{checked_name(prefix + str(name))}.', depth + 1)
      elif isinstance(value, torch_tensors.Tensor):
        self.add_array(f'{prefix}{name}', value)

  def _add_module(
    self, module: unpickle.Instance, prefix: str, depth: int
  ) -> None:
    state = module.state
    if not is_module(module):
      name = shown(module.name)
      raise FormatError(f'has a module {name} without parameters.')
    passing = state.get('_non_persistent_buffers_set')
    if not isinstance(passing, set | frozenset):
      passing = ()
    for part in _MODULE_PARTS:
      for name, value in self.items(state[part]):
        key = f'{prefix}{name}'
        if value is None or name in passing:
          continue
        if isinstance(value, unpickle.Instance):
          self.add(value, f'{key}.', depth + 1)
        elif isinstance(value, torch_tensors.Tensor):
          self.add_array(key, value)
        else:
          raise FormatError(f'has {shown(key)} that is no tensor or module.')
    own = {k: v for k, v in self.items(state) if not k.startswith('_')}
    own = {k: v for k, v in own.items() if not isinstance(v, dict)}
    self.add_settings(prefix, own)
    if isinstance(arguments := state.get('_init_kwargs'), dict):
      self.add_settings(f'{prefix}_init_kwargs.', arguments)

  def enter(self, depth: int) -> None:
    """Counts one more part, `depth` parts inside the tree."""
    self._budget.spend(1)
    if depth > _MAX_DEPTH:
      raise FormatError(f'nests over {_MAX_DEPTH} deep.')

  def items(self, mapping: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """The entries of a dict whose keys have to be names."""
    for name, value in mapping.items():
      self.enter(0)
      if not isinstance(name, str):
        raise FormatError('has a part without a name.')
      yield checked_name(name), value

  def add_array(
    self, key: str, value: torch_tensors.Tensor | np.ndarray
  ) -> None:
    if checked_name(key) in self.arrays:
      raise FormatError(f'has two arrays {shown(key)}.')
    self.enter(0)
    self.arrays[key] = value

  def add_settings(
    self, prefix: str, settings: dict[Any, Any], depth: int = 0
  ) -> None:
    """Adds numbers, texts and None, also of dicts inside; leaves out others."""
    self.enter(depth)
    for name, value in self.items(settings):
      key = checked_name(f'{prefix}{name}')
      match value:
        case dict():
          self.add_settings(f'{key}.', value, depth + 1)
        case pickle_tables.Array(value=np.ndarray(shape=()) as scalar):
          self.settings[key] = scalar.item()
        case str():
          self.settings[key] = checked_name(value)
        case bool() | int() | float() | None:
          self.settings[key] = value


def checked_name(text: str) -> str:
  """The text, refused if it is longer than names can be."""
  if len(text) > _MAX_KEY:
    raise FormatError(f'has a name of {len(text):,} characters.')
  return text
