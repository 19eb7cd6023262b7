"""How pickles describe numpy's arrays, by old and new numpy alike.

The names are those of `numpy.core` (before 2.0) and `numpy._core`; protocol 5
hands over buffers, older protocols a state, and Python 3 writes bytes for
Python 2 as text. Arrays are views of the pickle's bytes.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dgan_jax.checkpoints.formats import pickle_values, untrusted
from dgan_jax.checkpoints.formats.untrusted import FormatError, shown

_CODES = frozenset(
  (
    *('f2', 'f4', 'f8', 'i1', 'i2', 'i4', 'i8'),
    *('u1', 'u2', 'u4', 'u8', 'b1'),
  )
)


class DType(pickle_values.StandIn):
  """Stands in for numpy.dtype: of numbers and booleans only."""

  def __init__(self, code: Any, *_: Any) -> None:
    if not isinstance(code, str) or code not in _CODES:
      raise FormatError(
        f'has an array of type {shown(code)}; expected numbers.'
      )
    self.dtype = np.dtype(code)

  def build(self, state: Any) -> None:
    """(version, byte order, subtype, names, fields, size, alignment, ...)."""
    match state:
      case (int(), '<' | '>' | '|' | '=' as order, None, None, None, *_):
        self.dtype = self.dtype.newbyteorder(order)
      case _:
        raise FormatError('has an array of an unknown type.')


class Array(pickle_values.StandIn):
  """Stands in for numpy.ndarray and numpy's scalars.

  Attributes:
    value: the array, read-only; None until the pickle has said what is in it.
  """

  def __init__(self) -> None:
    self.value: np.ndarray | None = None

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
        raise FormatError('has an array that cannot be.')


def _values(shape: Any, dtype: Any, order: str, data: Any) -> np.ndarray:
  """The array [*shape]: a view of its bytes where it can be one.

  Raises:
    FormatError: it has more or fewer, or the rest makes no sense.
  """
  if isinstance(data, str):  # Python 2's bytes
    data = data.encode('latin-1')
  if not (
    isinstance(dtype, DType)
    and isinstance(data, bytes | memoryview)
    and isinstance(shape, tuple)
  ):
    raise FormatError('has an array that cannot be.')
  expected = math.prod(untrusted.checked_shape(shape)) * dtype.dtype.itemsize
  if len(data) != expected:
    raise FormatError(
      f'is damaged: an array of shape {shape} has {len(data)} bytes; expected '
      f'{expected}.'
    )
  if dtype.dtype == np.bool_:  # of which other bytes than 0 and 1 are none
    array = np.frombuffer(data, np.uint8) != 0
  else:
    array = np.frombuffer(data, dtype.dtype)
    array = array.astype(dtype.dtype.newbyteorder('='), copy=False)
  array = array.reshape(shape, order='F' if order == 'F' else 'C')
  array.flags.writeable = False
  return array


def _made(shape: Any, dtype: Any, order: str, data: Any) -> Array:
  array = Array()
  array.value = _values(shape, dtype, order, data)
  return array


def _reconstruct(kind: Any, *_: Any) -> Array:
  """Stands in for numpy's function: an array whose state follows."""
  if not (
    isinstance(kind, pickle_values.Global) and kind.name == 'numpy.ndarray'
  ):
    raise FormatError('has an array that cannot be.')
  return Array()


def _scalar(dtype: Any, data: Any) -> Array:
  return _made((), dtype, 'C', data)


def _frombuffer(
  data: Any, dtype: Any, shape: Any, order: Any, axes: Any = None
) -> Array:
  """Stands in for numpy's function of protocol 5."""
  if not (isinstance(order, str) and order in ('C', 'F', 'K')):
    raise FormatError('has an array that cannot be.')
  array = _made(shape, dtype, order, data)
  assert array.value is not None
  if axes is not None:
    if not isinstance(axes, tuple) or sorted(
      n for n in axes if isinstance(n, int)
    ) != list(range(array.value.ndim)):
      raise FormatError('has an array that cannot be.')
    array.value = array.value.transpose(axes)
  return array


def _encode(text: Any, encoding: Any = 'utf-8') -> bytes:
  """Stands in for _codecs.encode: how Python 3 writes bytes for Python 2."""
  if not isinstance(text, str) or encoding != 'latin1':
    raise FormatError('encodes something else than bytes: refused.')
  return text.encode('latin-1')


def _no_bytes() -> bytes:
  """Stands in for bytes: how Python 3 writes none for Python 2."""
  return b''


TABLE: Mapping[str, Any] = {
  '_codecs.encode': _encode,
  '__builtin__.bytes': _no_bytes,
  'numpy.dtype': DType,
  'numpy.ndarray': 'ndarray',
  **{
    f'numpy.{core}.{name}': value
    for core in ('core', '_core')
    for name, value in (
      ('multiarray._reconstruct', _reconstruct),
      ('multiarray.scalar', _scalar),
      ('numeric._frombuffer', _frombuffer),
    )
  },
}
