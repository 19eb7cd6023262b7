"""What pickles may name of Python and numpy, and what stands in for it.

Protocol 5 hands over buffers, older protocols a state, and Python 3 writes
bytes for Python 2 as text. What is of no use beside weights is read as nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dgan_jax.checkpoints.formats import byte_stream, unpickle
from dgan_jax.checkpoints.formats.untrusted import FormatError, shown

_CODES = {np.dtype(code).str[1:] for code in '?bhiqBHIQefd'}
_IMPOSSIBLE = 'has an array that cannot be.'


def ordered_dict(pairs: Any = ()) -> dict[Any, Any]:
  """Stands in for collections.OrderedDict: dicts have an order."""
  if not isinstance(pairs, list | tuple) or not all(
    isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs
  ):
    raise FormatError('holds an OrderedDict that is not made of pairs.')
  return {unpickle.hashable(key): value for key, value in pairs}


def _set(items: Any = ()) -> set[Any]:
  if not isinstance(items, list | tuple):
    raise FormatError('has a set that is made of something else.')
  return set(map(unpickle.hashable, items))


def _instance(kind: Any, base: Any, state: Any) -> Any:
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
    case unpickle.Global(name=name, known=False), _:
      raise unpickle.refused(name)
    case _:
      raise FormatError('has an unknown kind of instance.')


class _Options(unpickle.StandIn):
  """Stands in for argparse.Namespace: a program's options, left out."""

  def build(self, state: Any) -> None:
    pass


class DType(unpickle.StandIn):
  """Stands in for numpy.dtype: of numbers and booleans only."""

  def __init__(self, code: Any, *_: Any) -> None:
    if not isinstance(code, str) or code not in _CODES:
      raise FormatError(f'has an array of {shown(code)}; expected numbers.')
    self.dtype = np.dtype(code)

  def build(self, state: Any) -> None:
    """(version, byte order, subtype, names, fields, size, alignment, ...)."""
    match state:
      case (int(), '<' | '>' | '|' | '=' as order, None, None, None, *_):
        self.dtype = self.dtype.newbyteorder(order)
      case _:
        raise FormatError('has an array of an unknown type.')


class Array(unpickle.StandIn):
  """Stands in for numpy.ndarray and numpy's scalars."""

  def __init__(self, value: np.ndarray | None = None) -> None:
    """Takes the array, read-only; None if the pickle has still to say it."""
    self.value = value

  def build(self, state: Any) -> None:
    """([version,] shape, type, in Fortran's order, values)."""
    match state:
      # Old numpy writes 0 and 1 for False and True.
      case (int(), shape, dtype, int(fortran), data) | (
        shape,
        dtype,
        int(fortran),
        data,
      ):
        self.value = _values(shape, dtype, 'F' if fortran else 'C', data)
      case _:
        raise FormatError(_IMPOSSIBLE)


def _values(shape: Any, dtype: Any, order: str, data: Any) -> np.ndarray:
  """The array [*shape]: a view of its bytes where it can be one."""
  if isinstance(data, str):  # Python 2's bytes
    data = data.encode('latin-1')
  if not (
    isinstance(dtype, DType)
    and isinstance(data, bytes | memoryview)
    and isinstance(shape, tuple)
  ):
    raise FormatError(_IMPOSSIBLE)
  return byte_stream.array(data, dtype.dtype, shape, order)


def _reconstruct(kind: Any, *_: Any) -> Array:
  """Stands in for numpy's function: an array whose state follows."""
  if not (isinstance(kind, unpickle.Global) and kind.name == 'numpy.ndarray'):
    raise FormatError(_IMPOSSIBLE)
  return Array()


def _frombuffer(
  data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None
) -> Array:
  """Stands in for numpy's function of protocol 5."""
  if not (isinstance(order, str) and order in ('C', 'F', 'K')):
    raise FormatError(_IMPOSSIBLE)
  value = _values(shape, dtype, order, data)
  if axes is not None:
    if not isinstance(axes, tuple) or sorted(
      n for n in axes if isinstance(n, int)
    ) != list(range(value.ndim)):
      raise FormatError(_IMPOSSIBLE)
    value = value.transpose(axes)
  return Array(value)


def _encode(text: Any, encoding: Any = 'utf-8') -> bytes:
  """Stands in for _codecs.encode: how Python 3 writes bytes for Python 2."""
  if not isinstance(text, str) or encoding != 'latin1':
    raise FormatError('encodes something else than bytes: refused.')
  return text.encode('latin-1')


TABLE: Mapping[str, Any] = {
  'collections.OrderedDict': ordered_dict,
  'collections.defaultdict': lambda *_: {},  # whose items follow
  'argparse.Namespace': _Options,
  **{
    f'{module}.{name}': value
    for module in ('builtins', '__builtin__')
    for name, value in (('set', _set), ('object', 'object'), ('dict', 'dict'))
  },
  'copyreg._reconstructor': _instance,
  'copy_reg._reconstructor': _instance,
  **{
    f'datetime.{kind}': lambda *_: None
    for kind in ('date', 'datetime', 'timedelta')
  },
  **{
    f'pathlib{module}.{flavour}Path': lambda *_: None
    for module in ('', '._local')
    for flavour in ('Posix', 'Windows', 'Pure', 'PurePosix', 'PureWindows', '')
  },
  '_codecs.encode': _encode,
  '__builtin__.bytes': lambda: b'',  # how Python 3 writes none for Python 2
  'numpy.dtype': DType,
  'numpy.ndarray': 'ndarray',
  **{
    f'numpy.{core}.{name}': value
    for core in ('core', '_core')
    for name, value in (
      ('multiarray._reconstruct', _reconstruct),
      (
        'multiarray.scalar',
        lambda dtype, data: Array(_values((), dtype, 'C', data)),
      ),
      ('numeric._frombuffer', _frombuffer),
    )
  },
}
