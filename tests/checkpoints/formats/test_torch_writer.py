import io
import pathlib
import pickle
import zipfile
from collections import OrderedDict

import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax.checkpoints.formats import torch_format, torch_writer

_MINI = pathlib.Path(__file__).parents[2] / 'goldens' / 'mini_ckpt'

_ARRAYS = {
  'module.layers.0.weight': np.arange(6, dtype=np.float32).reshape(2, 3),
  'turned': np.arange(6, dtype=np.float64).reshape(2, 3).T,
  'scalar': np.array(7, np.int64),
  'big endian': np.arange(3, dtype='>f4'),
  'half': np.ones((1, 1, 2), np.float16),
  'bfloat16': np.ones(2, jnp.bfloat16),
  'bool': np.array([True, False]),
  'no values': np.zeros((0, 2), np.uint8),
  'Größe': np.array([-1], np.int8),
}


@pytest.mark.parametrize('wrapper', [None, 'model_state_dict'])
def test_what_is_written_is_read(tmp_path, wrapper):
  path = tmp_path / 'made.pth'
  torch_writer.write(path, _ARRAYS, wrapper)
  checkpoint = torch_format.read_checkpoint(path)
  assert checkpoint.wrapper == wrapper
  assert list(checkpoint.state_dict) == list(_ARRAYS)
  for key, array in _ARRAYS.items():
    found = checkpoint.state_dict[key]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype.newbyteorder('=')


def test_a_file_of_the_release_comes_back(tmp_path):
  path = _MINI / 'interpreter_20' / 'model_0.pth'
  arrays = torch_format.read(path)
  torch_writer.write(tmp_path / 'made.pth', arrays, 'model_state_dict')
  found = torch_format.read(tmp_path / 'made.pth')
  assert found.keys() == arrays.keys()
  for key, array in arrays.items():
    np.testing.assert_array_equal(found[key], array)


class _Unpickler(pickle.Unpickler):
  """Python's own machine; a call is shown as what it calls."""

  def find_class(self, module, name):
    if (module, name) == ('collections', 'OrderedDict'):
      return OrderedDict
    if name.endswith('Storage'):
      return f'{module}.{name}'
    return lambda *arguments: (f'{module}.{name}', *arguments)

  def persistent_load(self, identifier):
    return identifier


def test_python_reads_the_pickle_as_pytorch_writes_it(tmp_path):
  path = tmp_path / 'made.pth'
  torch_writer.write(path, _ARRAYS, 'model_state_dict')
  with zipfile.ZipFile(path) as archive:
    assert archive.namelist()[:2] == ['archive/data.pkl', 'archive/byteorder']
    assert archive.read('archive/version') == b'3\n'
    assert archive.read('archive/data/1') == _ARRAYS['turned'].tobytes()
    data = archive.read('archive/data.pkl')
  tree = _Unpickler(io.BytesIO(data)).load()
  assert list(tree) == ['model_state_dict']
  found = tree['model_state_dict']
  assert type(found) is OrderedDict
  assert found['turned'] == (
    'torch._utils._rebuild_tensor_v2',
    ('storage', 'torch.DoubleStorage', '1', 'cpu', 6),
    0,
    (3, 2),
    (2, 1),
    False,
    OrderedDict(),
  )
  assert found['scalar'][3:5] == ((), ())


def test_equal_tensors_give_equal_files(tmp_path):
  for name in ('a.pth', 'b.pth'):
    torch_writer.write(tmp_path / name, _ARRAYS)
  first, second = (tmp_path / name for name in ('a.pth', 'b.pth'))
  assert first.read_bytes() == second.read_bytes()


def test_types_that_pytorch_has_not_are_refused(tmp_path):
  with pytest.raises(TypeError, match='no tensors of type'):
    torch_writer.write(tmp_path / 'made.pth', {'x': np.array(['text'])})
  assert not list(tmp_path.iterdir())


def test_an_empty_state_dict_can_be_written(tmp_path):
  torch_writer.write(tmp_path / 'made.pth', {})
  assert torch_format.read(tmp_path / 'made.pth') == {}
