"""Python's own values in pickles: sets, dicts, paths, options, by name.

What holds weights keeps much beside them. What is of no use is read as
nothing, so that the weights can be had.
"""

from collections.abc import Mapping
from typing import Any

from dgan_jax.checkpoints.formats import pickle_values
from dgan_jax.checkpoints.formats.untrusted import FormatError


def ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
  """Stands in for collections.OrderedDict: dicts have an order."""
  if not isinstance(pairs, list | tuple) or not all(
    isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
  ):
    raise FormatError('holds an OrderedDict that is not made of pairs.')
  return {pickle_values.hashable(key): value for key, value in pairs}


def _set(items: Any = ()) -> set[Any]:
  if not isinstance(items, list | tuple):
    raise FormatError('has a set that is made of something else.')
  return set(map(pickle_values.hashable, items))


def _empty_dict(*_: Any) -> dict[Any, Any]:
  """Stands in for collections.defaultdict, whose items follow."""
  return {}


def _nothing(*_: Any) -> None:
  """Stands in for what is of no interest: a path, a date."""


def _reconstruct(kind: Any, base: Any, state: Any) -> Any:
  """Stands in for copyreg._reconstructor, an instance by protocols 0 and 1."""
  match kind, base:
    case pickle_values.Global(value=made), pickle_values.Global(
      value='object'
    ) if callable(made) and state is None:
      return made()
    case pickle_values.Global(
      name='dnnlib.util.EasyDict'
    ), pickle_values.Global(value='dict') if isinstance(state, dict):
      return state
    case pickle_values.Global(name=name, known=False), _:
      raise pickle_values.refused(name)
    case _:
      raise FormatError('has an unknown kind of instance.')


class _Options(pickle_values.StandIn):
  """Stands in for argparse.Namespace: a program's options, left out."""

  def build(self, state: Any) -> None:
    pass


TABLE: Mapping[str, Any] = {
  'collections.OrderedDict': ordered_dict,
  'collections.defaultdict': _empty_dict,
  'argparse.Namespace': _Options,
  **{
    f'{module}.{name}': value
    for module in ('builtins', '__builtin__')
    for name, value in (('set', _set), ('object', 'object'), ('dict', 'dict'))
  },
  'copyreg._reconstructor': _reconstruct,
  'copy_reg._reconstructor': _reconstruct,
  **{f'datetime.{k}': _nothing for k in ('date', 'datetime', 'timedelta')},
  **{
    f'pathlib{module}.{flavour}{kind}': _nothing
    for module in ('', '._local')
    for flavour in ('Posix', 'Windows', 'Pure', 'PurePosix', 'PureWindows', '')
    for kind in ('Path',)
  },
}
