"""Damaged files of every format: `pytest --fuzz=N` takes N of each."""

import dataclasses
import functools
import io
import pathlib
import sys
import time
import tracemalloc
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints import opening
from dgan_jax.checkpoints.formats import npy as npy_lib
from dgan_jax.checkpoints.formats import safetensors_format, torch_format
from dgan_jax.checkpoints.origins import network_pickle
from tests.checkpoints import damage, pickles, writers

_MINI = pathlib.Path(__file__).parents[1] / 'goldens' / 'mini_ckpt'
# What a case may take: in memory a small multiple of the file beside what any
# file may, in time what the slowest machine needs for the largest.
_BYTES, _MULTIPLE = 2**22, 16
_SECONDS = 5.0


@dataclasses.dataclass(frozen=True)
class _Format:
  """A format to damage.

  Attributes:
    read: its reader, from a path.
    part: what is damaged half of the time, most often a pickle.
    put: makes a file of the part, with lengths and checksums right.
    ways: how the part is damaged.
    values: all that the arrays can hold while only the part is damaged; None
      if their values are in it.
  """

  read: Callable[[pathlib.Path], Any]
  part: bytes
  put: Callable[[bytes], bytes] = lambda part: part
  ways: tuple[Any, ...] = damage.PICKLES
  values: frozenset[float] | None = None


def _network_arrays(path):
  networks = network_pickle.read(path)
  return {
    f'{name}.{key}': array
    for name, network in networks.items()
    for key, array in network.arrays.items()
  }


def _checkpoint_arrays(path):
  checkpoint = torch_format.read_checkpoint(path)
  return {**checkpoint.state_dict, **checkpoint.beside}


def _tree(legacy):
  """A state dict of three tensors, in `g_ema` and beside."""

  def tensor(key, shape, strides):
    where = pickles.storage(6, key)
    if legacy:
      where = where.removesuffix(b'tQ') + b'NtQ'
    return pickles.tensor(where, shape, strides)

  return pickles.program(
    pickles.mapping(
      {
        'g_ema': pickles.mapping(
          {
            'a.weight': tensor('0', (2, 3), (3, 1)),
            'b': tensor('1', (6,), (1,)),
          }
        ),
        'latent_avg': tensor('1', (3,), (2,)),
        'step': pickles.integer(3),
      }
    )
  )


# No zeros: those may be what is found behind the end of the file.
_VALUES = np.arange(1, 7, dtype='<f4').tobytes()
_KNOWN = frozenset(range(1, 7))


def _zip(data):
  entries = {'data.pkl': data, 'byteorder': 'little'}
  return pickles.archive(
    entries | {'data/0': _VALUES, 'data/1': _VALUES, 'version': '3\n'}
  )


def _legacy(data):
  keys = pickles.program(b'](', pickles.text('0'), pickles.text('1'), b'e')
  values = (6).to_bytes(8, 'little') + _VALUES
  return b''.join([*pickles.legacy_start(), data, keys, values, values])


def _nested(data):
  """A module of StyleGAN2-ADA with this pickle for its storage's."""
  keys = pickles.program(b'](', pickles.text('0'), b'e')
  values = (6).to_bytes(8, 'little') + _VALUES
  nested = b''.join([*pickles.legacy_start(), data, keys, values])
  tensor = pickles.tensor(
    pickles.call(
      'torch.storage._load_from_bytes',
      b'B' + len(nested).to_bytes(4, 'little') + nested,
    ),
    (2, 3),
    (3, 1),
  )
  state = {
    '_parameters': pickles.mapping({'x': tensor}),
    '_buffers': b'}',
    '_modules': b'}',
  }
  meta = {
    'type': pickles.text('class'),
    'class_name': pickles.text('Generator'),
    'state': pickles.mapping(state),
  }
  module = pickles.call(
    'torch_utils.persistence._reconstruct_persistent_obj',
    pickles.mapping(meta),
  )
  return pickles.program(pickles.mapping({'G_ema': module}))


def _tensorflow(protocol):
  return writers.dumps((writers.tensorflow_generator(),) * 3, protocol)


def _npy():
  stream = io.BytesIO()
  np.save(stream, np.arange(6, dtype=np.float32).reshape(2, 3))
  return stream.getvalue()


def _npz(npy):
  return pickles.archive({'x.npy': npy, 'y.npy': _npy()})


def _read_safetensors(path):
  return safetensors_format.read(path)[0]


def _safetensors():
  # By hand: the header is JSON behind its length.
  text = (
    b'{"__metadata__":{"format":"x"},'
    b'"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},'
    b'"b":{"dtype":"I64","shape":[],"data_offsets":[24,32]}}'
  )
  return len(text).to_bytes(8, 'little') + text + _VALUES + bytes(8)


_FORMATS: Mapping[str, _Format] = {
  'zip .pt': _Format(
    _checkpoint_arrays, _tree(legacy=False), _zip, values=_KNOWN
  ),
  'legacy .pt': _Format(
    _checkpoint_arrays, _tree(legacy=True), _legacy, values=_KNOWN
  ),
  'TensorFlow .pkl': _Format(_network_arrays, _tensorflow(4)),
  'TensorFlow .pkl, protocol 2': _Format(_network_arrays, _tensorflow(2)),
  'TensorFlow .pkl, protocol 0': _Format(_network_arrays, _tensorflow(0)),
  'StyleGAN2-ADA .pkl': _Format(
    _network_arrays, writers.dumps(writers.persistence_file(), 3)
  ),
  'StyleGAN2-ADA .pkl, nested': _Format(
    _network_arrays,
    pickles.program(pickles.storage(6).removesuffix(b'tQ') + b'NtQ'),
    _nested,
    values=_KNOWN,
  ),
  '.npy': _Format(npy_lib.read_npy, _npy(), ways=damage.ANYWHERE),
  '.npz': _Format(npy_lib.read_npz, _npy(), _npz, damage.ANYWHERE),
  '.safetensors': _Format(
    _read_safetensors, _safetensors(), ways=(damage.header,)
  ),
}


def _check_message(path, message):
  assert message.startswith(str(path)), message
  assert message.isprintable(), message
  assert len(message) < len(str(path)) + 300, message


def _check(path, data, read, values=None, watch=True):
  """Reads a damaged file; returns whether it was refused. To `watch` its
  memory takes longer than to read it."""
  path.write_bytes(data)
  start = time.process_time()
  if watch:
    tracemalloc.start()
  try:
    arrays = read(path)
  except errors.UserError as error:
    _check_message(path, str(error))
    refused = True
  else:
    arrays = arrays if isinstance(arrays, dict) else {'': arrays}
    for array in arrays.values():
      assert array.dtype.kind in 'fiubV', array.dtype
      # Crashes, or finds something else, where memory is not the array's.
      found = set(array.ravel().tolist())
      assert values is None or found <= values, found - values
    assert sum(array.nbytes for array in arrays.values()) <= 4 * len(data)
    refused = False
  finally:
    peak = tracemalloc.get_traced_memory()[1]  # 0 unless it is watched
    tracemalloc.stop()
  assert peak < _BYTES + _MULTIPLE * len(data), f'{peak:,} bytes'
  seconds = time.process_time() - start
  assert seconds < _SECONDS, f'{seconds:.1f} s'
  return refused


@pytest.fixture
def check(tmp_path, monkeypatch):
  """`_check` where a command that is run leaves a trace."""
  monkeypatch.chdir(tmp_path)
  path = tmp_path / 'made'
  for kind in _FORMATS.values():  # Python imports codecs the first time
    _check(path, kind.put(kind.part), kind.read)
  modules = set(sys.modules)
  yield functools.partial(_check, path)
  assert set(sys.modules) == modules
  assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('name', _FORMATS)
def test_whole_files_are_read(check, name):
  kind = _FORMATS[name]
  assert not check(kind.put(kind.part), kind.read)


@pytest.mark.parametrize('name', _FORMATS)
def test_damage_ends_in_one_line_or_in_arrays(check, name, request):
  kind = _FORMATS[name]
  whole = kind.put(kind.part)
  refused = 0
  cases = request.config.getoption('--fuzz')
  for case in range(cases):
    rng = np.random.default_rng([zlib.crc32(name.encode()), case])
    if rng.random() < 0.6:
      way = kind.ways[rng.integers(len(kind.ways))]
      data, values = kind.put(way(kind.part, rng)), kind.values
    else:
      way = damage.ANYWHERE[rng.integers(len(damage.ANYWHERE))]
      data, values = way(whole, rng), None
    try:
      refused += check(data, kind.read, values, watch=case % 4 == 0)
    except Exception as error:
      raise AssertionError(f'{name}: case {case} ({way.__name__})') from error
  assert refused > cases / 4


@pytest.mark.parametrize(
  'file',
  [
    'mini_stylegan1_r32.for_g_all.pt',
    'mini_stylegan1_r32.legacy.for_g_all.pt',
    'mini_stylegan2_editgan_r64.pt',
    'mini_stylegan1_tf_r32.pkl',
    'mini_stylegan2_tf_r32.pkl',
    'mini_stylegan2_ada_r32.pkl',
    'interpreter_20/model_0.pth',
  ],
)
def test_damaged_networks_end_in_one_line_or_are_opened(
  tmp_path, file, request
):
  path = tmp_path / 'made'
  whole = (_MINI / file).read_bytes()
  for case in range(request.config.getoption('--fuzz') // 80):
    rng = np.random.default_rng([zlib.crc32(file.encode()), case])
    way = damage.ANYWHERE[rng.integers(len(damage.ANYWHERE))]
    path.write_bytes(way(whole, rng))
    try:
      assert opening.describe(opening.open_checkpoint(path))
    except errors.UserError as error:
      _check_message(path, str(error))
    except Exception as error:
      raise AssertionError(f'{file}: case {case} ({way.__name__})') from error
