import io
import pickle
import tracemalloc

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.formats import npy, untrusted


def _npy(array):
  stream = io.BytesIO()
  np.save(stream, array, allow_pickle=True)
  return stream.getvalue()


@pytest.fixture
def refusal(tmp_path):
  def refuse(read, data):
    path = tmp_path / 'made'
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(errors.UserError) as error:
      read(path)
    assert tracemalloc.get_traced_memory()[1] < 2**24
    tracemalloc.stop()
    assert str(error.value).startswith(str(path))
    assert str(error.value).isprintable()

  return refuse


def test_arrays_come_back(tmp_path):
  array = np.arange(6, dtype=np.float32).reshape(2, 3)
  np.save(tmp_path / 'a.npy', np.asfortranarray(array))
  np.testing.assert_array_equal(npy.read_npy(tmp_path / 'a.npy'), array)
  np.savez(tmp_path / 'b.npz', x=array, y=array[0])
  assert list(npy.read_npz(tmp_path / 'b.npz')) == ['x', 'y']


@pytest.mark.parametrize(
  'array',
  [
    np.arange(6, dtype='>f4').reshape(2, 3),
    np.asfortranarray(np.arange(24, dtype=np.int16).reshape(2, 3, 4)),
    np.array(2.5),
    np.zeros((0, 3), np.uint8),
    np.arange(3, dtype=np.float16),
  ],
  ids=['big endian', 'Fortran order', 'no axes', 'no values', 'half'],
)
@pytest.mark.parametrize('version', [(1, 0), (2, 0), (3, 0)])
def test_every_layout_and_version_comes_back(tmp_path, array, version):
  with open(tmp_path / 'a.npy', 'wb') as file:
    np.lib.format.write_array(file, array, version)
  found = npy.read_npy(tmp_path / 'a.npy')
  np.testing.assert_array_equal(found, array)
  assert found.dtype == array.dtype.newbyteorder('=')
  np.savez_compressed(tmp_path / 'b.npz', x=array)
  found = npy.read_npz(tmp_path / 'b.npz')['x']
  np.testing.assert_array_equal(found, array)


def test_headers_by_python_2_are_read(tmp_path):
  header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2L, 1L), }\n"
  data = b'\x93NUMPY\x01\x00' + len(header).to_bytes(2, 'little') + header
  (tmp_path / 'a.npy').write_bytes(data + bytes(8))
  found = npy.read_npy(tmp_path / 'a.npy')
  np.testing.assert_array_equal(found, np.zeros((2, 1), np.float32))


class _Touch:
  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return open, (str(self.path), 'w')


def test_objects_are_never_unpickled(refusal, tmp_path):
  marker = tmp_path / 'ran'
  hostile = np.array([_Touch(marker)], dtype=object)
  refusal(npy.read_npy, _npy(hostile))
  refusal(npy.read_npy, pickle.dumps(_Touch(marker)))
  stream = io.BytesIO()
  np.savez(stream, x=hostile)
  refusal(npy.read_npz, stream.getvalue())
  assert not marker.exists()


def test_truncations_are_refused(refusal):
  data = _npy(np.zeros((4, 5)))
  for end in range(0, len(data), 7):
    refusal(npy.read_npy, data[:end])
  stream = io.BytesIO()
  np.savez(stream, x=np.zeros((4, 5)))
  for end in range(0, len(stream.getvalue()), 11):
    refusal(npy.read_npz, stream.getvalue()[:end])


@pytest.mark.parametrize('shape', ['(1000000000000, 1)', '(-4, 5)', '(4.5,)'])
def test_shapes_that_lie_are_refused(refusal, shape):
  data = _npy(np.zeros((4, 5)))
  start = data.index(b'(4, 5)')
  end = data.index(b'\n', start)
  header = f'{shape}, }}'.encode().ljust(end - start)
  refusal(npy.read_npy, data[:start] + header + data[end:])


def test_what_is_no_number_is_refused(refusal):
  refusal(npy.read_npy, _npy(np.array(['text'])))
  refusal(npy.read_npy, _npy(np.array([1j])))
  refusal(npy.read_npy, b'')
  refusal(npy.read_npz, _npy(np.zeros(3)))


def test_archives_that_unpack_to_too_much_are_refused(refusal, monkeypatch):
  monkeypatch.setattr(untrusted, '_FREE_BYTES', 10_000)
  stream = io.BytesIO()
  np.savez_compressed(stream, x=np.zeros(2000))
  refusal(npy.read_npz, stream.getvalue())


def test_a_missing_file_is_named(tmp_path):
  for read in (npy.read_npy, npy.read_npz):
    with pytest.raises(errors.UserError, match='none'):
      read(tmp_path / 'none')
