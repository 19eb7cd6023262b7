import json
import struct

import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

from dgan_jax import errors
from dgan_jax.checkpoints.formats import safetensors_format


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'generator.safetensors'


def _file(header, data=b''):
  text = header if isinstance(header, bytes) else json.dumps(header).encode()
  return struct.pack('<Q', len(text)) + text + data


_ONE = {'dtype': 'F32', 'shape': [1], 'data_offsets': [0, 4]}


@pytest.mark.parametrize(
  'content',
  [
    b'',
    b'abc',
    struct.pack('<Q', 2**60) + b'{}',
    struct.pack('<Q', 99) + b'{}',
    _file(b'[]'),
    _file(b'\xff\xfe'),
    _file({'a': _ONE}),
    _file({'a': _ONE}, bytes(5)),
    _file({'a': _ONE, 'b': _ONE}, bytes(4)),
    _file({'a': {**_ONE, 'shape': [2**62, 8]}}, bytes(4)),
    _file({'a': {**_ONE, 'dtype': 'X9'}}, bytes(4)),
    _file({'a': {**_ONE, 'data_offsets': [4, 0]}}, bytes(4)),
    _file({'a': {**_ONE, 'data_offsets': [0, 2**63]}}, bytes(4)),
  ],
)
def test_damaged_files_are_refused_in_one_line(path, content):
  path.write_bytes(content)
  with pytest.raises(errors.UserError) as error:
    safetensors_format.read(path)
  assert str(error.value).startswith(str(path))
  assert '\n' not in str(error.value)


def test_a_missing_file_is_refused(path):
  with pytest.raises(errors.UserError, match='does not exist'):
    safetensors_format.read(path)


def test_half_precision_is_read(path):
  safetensors.numpy.save_file({'a': np.ones(3, np.float16)}, path)
  arrays, metadata = safetensors_format.read(path)
  assert arrays['a'].dtype == np.float16
  assert metadata == {}
  header = {'a': {'dtype': 'BF16', 'shape': [2], 'data_offsets': [0, 4]}}
  path.write_bytes(_file(header, b'\x80\x3f\x00\x40'))
  value = safetensors_format.read(path)[0]['a']
  assert value.dtype == jnp.bfloat16
  np.testing.assert_array_equal(value.astype(np.float32), [1, 2])
