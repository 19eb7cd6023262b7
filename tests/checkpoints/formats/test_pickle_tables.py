import pickle
import tracemalloc

import numpy as np
import pytest

from dgan_jax.checkpoints.formats import (
  byte_stream,
  pickle_tables,
  unpickle,
  untrusted,
)
from tests.checkpoints import pickles, writers


def _load(data):
  loaded = unpickle.load(byte_stream.ByteStream(data), pickle_tables.TABLE)
  assert isinstance(loaded, pickle_tables.Array)
  return loaded.value


_ORDERED = np.arange(24).reshape(2, 3, 4)


@pytest.mark.parametrize('old', [False, True], ids=['numpy 2', 'numpy 1'])
@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize(
  'array',
  [
    pytest.param(_ORDERED.astype(np.float32), id='C'),
    pytest.param(np.asfortranarray(_ORDERED.astype(np.float64)), id='F'),
    pytest.param(_ORDERED.transpose(1, 0, 2).astype('i2'), id='neither'),
    pytest.param(_ORDERED.astype('>f4'), id='big endian'),
    pytest.param(np.asfortranarray(_ORDERED.astype('>i8')), id='big, F'),
    pytest.param(_ORDERED % 2 == 0, id='bool'),
    pytest.param(_ORDERED[0].astype(np.uint8), id='bytes'),
    pytest.param(np.array(7.0), id='no axes'),
    pytest.param(np.zeros((0, 3), np.float16), id='no values'),
  ],
)
def test_arrays_come_back_whoever_wrote_them(array, protocol, old):
  data = pickle.dumps(array, protocol)
  found = _load(writers.by_old_numpy(data) if old else data)
  np.testing.assert_array_equal(found, array)
  assert found.dtype == array.dtype.newbyteorder('=')
  assert not found.flags.writeable


@pytest.mark.parametrize('protocol', range(6))
@pytest.mark.parametrize(
  'scalar', [np.float32(1.5), np.float64(-2), np.int64(3), np.True_]
)
def test_scalars_come_back(scalar, protocol):
  found = _load(pickle.dumps(scalar, protocol))
  assert found.shape == ()
  assert found == scalar
  assert found.dtype == scalar.dtype


def test_the_order_of_axes_that_new_numpy_stores_is_followed():
  dtype = pickles.call('numpy.dtype', pickles.text('u1'), b'\x89', b'\x88')
  data = pickles.call(
    'numpy._core.numeric._frombuffer',
    b'C\x06\0\1\2\3\4\5',
    dtype,
    pickles.integers(2, 3),
    pickles.text('K'),
    pickles.integers(1, 0),
  )
  np.testing.assert_array_equal(
    _load(pickles.program(data)), np.arange(6).reshape(2, 3).T
  )


def test_large_arrays_are_views():
  data = pickle.dumps(np.zeros(10**6), 4)
  tracemalloc.start()
  _load(data)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2**16


@pytest.mark.parametrize('protocol', [2, 4, 5])
@pytest.mark.parametrize(
  'array',
  [
    np.array([None, {}], object),
    np.array(['text']),
    np.array([b'bytes']),
    np.array([1j]),
    np.zeros(2, [('a', np.float32), ('b', np.int8)]),
    np.array(['2020-01-01'], 'datetime64[D]'),
  ],
  ids=['objects', 'text', 'bytes', 'complex', 'fields', 'dates'],
)
def test_what_is_no_number_is_refused(array, protocol):
  with pytest.raises(untrusted.FormatError, match='expected numbers'):
    _load(pickle.dumps(array, protocol))


_DTYPE = pickles.call('numpy.dtype', pickles.text('f4'), b'\x89', b'\x88')
_ARRAY = pickles.call(
  'numpy.core.multiarray._reconstruct',
  pickles.name('numpy.ndarray'),
  pickles.integers(0),
  b'C\x01b',
)
_EIGHT = b'C\x08' + bytes(8)
_ONE = pickles.integer(1)


def _state(shape=None, dtype=_DTYPE, fortran=b'\x89', data=_EIGHT):
  shape = pickles.integers(2) if shape is None else shape
  return pickles.items(_ONE, shape, dtype, fortran, data)


def test_a_handmade_array_is_read():
  found = _load(pickles.program(_ARRAY, _state(), b'b'))
  np.testing.assert_array_equal(found, np.zeros(2, np.float32))


@pytest.mark.parametrize(
  ('program', 'reason'),
  [
    (_ARRAY + _state(pickles.integers(3)) + b'b', '8 bytes; expected 12'),
    (_ARRAY + _state(pickles.integers(1)) + b'b', '8 bytes; expected 4'),
    (_ARRAY + _state(pickles.integers(2**40)) + b'b', 'cannot be'),
    (_ARRAY + _state(pickles.integers(-2)) + b'b', 'cannot be'),
    (_ARRAY + _state(pickles.integers(*[2**30] * 8)) + b'b', 'impossible'),
    (_ARRAY + _state(pickles.integers(*[1] * 9)) + b'b', 'cannot be'),
    (_ARRAY + _state(b'N') + b'b', 'cannot be'),
    (_ARRAY + _state(dtype=pickles.text('f4')) + b'b', 'cannot be'),
    (_ARRAY + _state(fortran=b'N') + b'b', 'cannot be'),
    (_ARRAY + _state(data=b']') + b'b', 'cannot be'),
    (_ARRAY + _state(data=pickles.text('\u20ac')) + b'b', 'damaged'),
    (_ARRAY + b'Nb', 'cannot be'),
    (_ARRAY + b'}b', 'cannot be'),
    (_DTYPE + b'Nb', 'unknown type'),
    (
      _DTYPE + pickles.items(_ONE, pickles.text('?'), b'NNN') + b'b',
      'unknown type',
    ),
    (
      _DTYPE + pickles.items(_ONE, pickles.text('<'), b'NN)') + b'b',
      'unknown type',
    ),
    (pickles.call('numpy.dtype', pickles.name('numpy.ndarray')), 'numbers'),
    (pickles.call('numpy.dtype', pickles.text('O8')), 'numbers'),
    (pickles.call('numpy.dtype'), 'unfit arguments'),
    (
      pickles.call('numpy.core.multiarray._reconstruct', b'N'),
      'cannot be',
    ),
    (pickles.call('numpy.core.multiarray.scalar', _DTYPE, b'N'), 'cannot be'),
    (pickles.call('numpy.core.multiarray.scalar', _DTYPE), 'unfit arguments'),
    (
      pickles.call(
        'numpy._core.numeric._frombuffer',
        _EIGHT,
        _DTYPE,
        pickles.integers(2),
        pickles.text('Z'),
      ),
      'cannot be',
    ),
    (
      pickles.call(
        'numpy._core.numeric._frombuffer',
        _EIGHT,
        _DTYPE,
        pickles.integers(2, 1),
        pickles.text('K'),
        pickles.integers(1, 1),
      ),
      'cannot be',
    ),
    (pickles.call('_codecs.encode', pickles.text('a')), 'encodes'),
    (
      pickles.call('_codecs.encode', pickles.text('a'), pickles.text('zip')),
      'encodes',
    ),
    (pickles.call('numpy.ndarray', pickles.integers(9)), 'no function'),
  ],
)
def test_arrays_that_cannot_be_are_refused(program, reason):
  with pytest.raises(untrusted.FormatError, match=reason):
    _load(pickles.program(program))


def test_the_same_bytes_cannot_become_many_arrays():
  # Each would be a copy, for another byte order.
  data = b'B' + (10**5).to_bytes(4, 'little') + bytes(10**5)
  order = pickles.items(_ONE, pickles.text('>'), b'NNN')
  start = data + b'q\x010' + _DTYPE + order + b'bq\x020'
  again = _ARRAY + _state(pickles.integers(25_000), b'h\x02', data=b'h\x01')
  with pytest.raises(untrusted.FormatError, match='again and again'):
    _load(pickles.program(start, b'](', (again + b'b') * 100, b'e'))
