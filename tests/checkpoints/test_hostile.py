import io
import pathlib
import struct
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.formats import (
  npy,
  torch_format,
  untrusted,
)
from dgan_jax.checkpoints.origins import network_pickle
from tests.checkpoints import ada_pickle as checkpoints
from tests.checkpoints import hostile, pickles, writers


def _bytes(data):
  return b'B' + struct.pack('<I', len(data)) + data


def _nested(data):
  return pickles.program(
    pickles.call('torch.storage._load_from_bytes', _bytes(data))
  )


def _object_array(data):
  stream = io.BytesIO()
  np.lib.format.write_array_header_1_0(
    stream, {'descr': '|O', 'fortran_order': False, 'shape': (1,)}
  )
  return stream.getvalue() + data


@pytest.fixture(scope='module', autouse=True)
def _codecs():
  """What reading imports by itself, the first time: zipfile's code page."""
  'x'.encode('cp437')


# Where a file can have a pickle, and what reads it.
_PLACES = {
  'official pickle': (network_pickle.read, lambda data: data),
  'zip': (
    torch_format.read,
    lambda data: pickles.archive({'data.pkl': data, 'byteorder': 'little'}),
  ),
  'legacy, magic number': (torch_format.read, lambda data: data),
  'legacy, state dict': (
    torch_format.read,
    lambda data: b''.join([*pickles.legacy_start(), data]),
  ),
  'legacy, storages': (
    torch_format.read,
    lambda data: b''.join(
      [*pickles.legacy_start(), pickles.program(b'}'), data]
    ),
  ),
  'nested file': (network_pickle.read, _nested),
  'nested file, storage': (
    network_pickle.read,
    lambda data: _nested(b''.join([*pickles.legacy_start(), data])),
  ),
  'npy': (npy.read_npy, _object_array),
  'npz': (
    npy.read_npz,
    lambda data: pickles.archive({'x.npy': _object_array(data)}),
  ),
}


def _refusal(tmp_path, read, data):
  path = tmp_path / 'made'
  path.write_bytes(data)
  with pytest.raises(errors.UserError) as error:
    read(path)
  message = str(error.value)
  assert message.startswith(f'{path} ')
  assert message.isprintable()
  assert len(message) < len(str(path)) + 300
  return message


@pytest.mark.parametrize('place', _PLACES)
@pytest.mark.parametrize('kind', hostile.EXPECTED)
def test_hostile_pickles_are_refused_wherever_they_are(tmp_path, kind, place):
  marker = tmp_path / 'ran'
  read, put = _PLACES[place]
  modules = set(sys.modules)
  message = _refusal(tmp_path, read, put(hostile.programs(marker)[kind]))
  assert not marker.exists()
  assert set(sys.modules) == modules
  if place in ('npy', 'npz'):
    assert 'numbers' in message
  elif kind.startswith('persistent'):
    assert 'refers to data' in message
  elif kind == 'build' and 'breaks off' in message:
    assert 'legacy' in place or 'storage' in place  # the object is inert
  elif kind != 'torch file' or 'pickle' not in place:
    assert hostile.EXPECTED[kind] in message


def test_source_code_in_a_file_is_never_run(tmp_path, monkeypatch):
  marker = tmp_path / 'ran'
  monkeypatch.setattr(
    checkpoints, 'SOURCE', f'open({str(marker)!r}, "w").close()'
  )
  exec(checkpoints.SOURCE)
  marker.unlink()  # it would have run
  path = tmp_path / 'made.pkl'
  for value in (
    writers.persistence_file(),
    (writers.tensorflow_generator(),) * 3,
  ):
    data = writers.dumps(value, 4)
    assert checkpoints.SOURCE.encode() in data
    path.write_bytes(data)
    assert network_pickle.read(path)
    assert not marker.exists()


@pytest.mark.parametrize(
  'name', ['__class__', '__setstate__', '__dict__', '__reduce__', 'network']
)
def test_the_state_of_a_network_changes_no_attribute(tmp_path, name):
  state = pickles.mapping(
    {
      name: pickles.name('collections.OrderedDict'),
      'name': pickles.text('G'),
      'build_func_name': pickles.text(name),
      'static_kwargs': pickles.mapping({name: pickles.text('x')}),
      'components': b'}',
      'variables': b']',
    }
  )
  network = pickles.name('dnnlib.tflib.network.Network') + b')\x81'
  path = tmp_path / 'made.pkl'
  path.write_bytes(
    pickles.program(pickles.mapping({'G': network + state + b'b'}))
  )
  found = network_pickle.read(path)['G']
  assert type(found) is network_pickle.Network
  assert found.kind == name
  assert found.settings == {name: 'x'}


def _repeated(start, again, count=1000):
  """What `start` puts into the memo at 0 and 1, called and dropped."""
  return pickles.program(start, again * count, b'N')


_LIST = b'](' + b'NN\x86' * 10_000 + b'eq\x010'
_CALL = b'h\x00h\x01\x85R0'

# Each a small file that asks for much of one thing.
_BOMBS = {
  'sets': pickles.program(b'](', b'\x8f' * 10**5, b'e'),
  'dicts': pickles.program(b'](', b'}' * 10**5, b'e'),
  'memo': pickles.program(b'N', *(b'r' + i.to_bytes(4, 'little')
                                  for i in range(50_000))),
  'marks': pickles.program(b'(' * 10**5),
  'duplicates': pickles.program(b'N', b'2' * 10**5),
  'tuples that double': pickles.program(b')', b'2\x86' * 10**5),
  'tuples that double in a key': pickles.program(b'})', b'2\x86' * 99, b'Ns'),
  'tuples that double in a name': pickles.program(
    b')', b'2\x86' * 99, b'2\x93'
  ),
  'tuples that double in a call': pickles.program(
    pickles.name('collections.OrderedDict'), b')', b'2\x86' * 99, b'R'
  ),
  'tuples that double as a reference': pickles.program(
    b')', b'2\x86' * 99, b'Q'
  ),
  'tuples that double as a type': pickles.program(
    pickles.name('numpy.dtype'), b')', b'2\x86' * 99, b'\x85R'
  ),
  'ordered dicts of one list': _repeated(
    pickles.name('collections.OrderedDict') + b'q\x000' + _LIST, _CALL
  ),
  'sets of one list': _repeated(
    pickles.name('builtins.set') + b'q\x000' + b'](' + b'N' * 10_000
    + b'eq\x010', _CALL
  ),
  'encoded again and again': _repeated(
    pickles.name('_codecs.encode') + b'q\x000'
    + pickles.text('x' * 10**5) + pickles.text('latin1') + b'\x86q\x010',
    b'h\x00h\x01R0',
  ),
  'nested again and again': _repeated(
    pickles.name('torch.storage._load_from_bytes')
    + b'q\x000'
    + _bytes(
      pickles.legacy_file(
        pickles.storage(10_000).removesuffix(b'tQ') + b'NtQ',
        {'0': (10_000, bytes(40_000))},
      )
    )
    + b'q\x010',
    _CALL,
  ),
  'keys of one hash': pickles.program(
    b'}(', *(pickles.integer(i * (2**61 - 1)) + b'N' for i in range(9000)), b'u'
  ),
  'memo of one hash': b'N' + b''.join(
    b'p%d\n' % (i * (2**61 - 1)) for i in range(9000)) + b'.',
  'digits': b'I' + b'9' * 10**6 + b'\n.',
  'one long line': b'c' + b'x' * 10**6,
  'lines without an end': b'c' * 10**6,
  'length of 16 EiB': b'\x80\x04\x8e' + b'\xff' * 8 + b'.',
  'frame of 16 EiB': b'\x80\x04\x95' + b'\xff' * 8 + b')' * 100,
  'a long name': b'c' + b'x' * 10**6 + b'\ny\n.',
  'a storage of 4 G': pickles.program(
    pickles.storage(2**32 - 1), b')' * 10
  ),
}  # fmt: skip


@pytest.mark.parametrize('place', ['official pickle', 'nested file', 'zip'])
@pytest.mark.parametrize('kind', _BOMBS)
def test_small_files_cannot_ask_for_much(tmp_path, monkeypatch, kind, place):
  # A tenth, for the time that it takes to watch.
  monkeypatch.setattr(untrusted, 'MAX_STEPS', untrusted.MAX_STEPS // 10)
  read, put = _PLACES[place]
  data = put(_BOMBS[kind])
  tracemalloc.start()
  try:
    message = _refusal(tmp_path, read, data)
    peak = tracemalloc.get_traced_memory()[1]
  finally:
    tracemalloc.stop()
  assert peak < 11 * 2**20
  # What is dropped again takes no memory, but time.
  if place == 'official pickle' and 'again' in kind:
    assert 'its own bytes again and again' in message
  if place == 'official pickle' and 'one list' in kind:
    assert 'steps' in message
  if place == 'official pickle' and 'one hash' in kind:
    assert 'over 64 bits' in message


def test_a_process_that_may_do_nothing_reads_every_hostile_pickle(tmp_path):
  """Python itself watches: any import, call to the system or file to write."""
  places = [place for place in _PLACES if place not in ('npy', 'npz')]
  paths = []
  for place in places:
    read, put = _PLACES[place]
    for i, data in enumerate(hostile.programs(tmp_path / 'ran').values()):
      paths.append(tmp_path / f'{len(paths)}-{i}.{read.__module__[-14:]}')
      paths[-1].write_bytes(put(data))
  code = (
    'import sys\n'
    'from dgan_jax import errors\n'
    'from dgan_jax.checkpoints.formats import torch_format\n'
    'from dgan_jax.checkpoints.origins import network_pickle\n'
    'def watch(event, arguments):\n'
    '  if event == "open":\n'
    '    assert arguments[1] in ("r", "rb", None), arguments\n'
    '  allowed = "open", "mmap.__new__", "object.__getattr__"\n'
    '  assert event in allowed or event.startswith("sys._"), event\n'
    'def read(path):\n'
    '  for module in (network_pickle, torch_format):\n'
    '    try: module.read(path)\n'
    '    except errors.UserError: continue\n'
    '    raise SystemExit(f"{path} was read")\n'
    'read(sys.argv[1])\n'
    'encoded = "x".encode("cp437")\n'
    'sys.addaudithook(watch)\n'
    'for path in sys.argv[1:]: read(path)\n'
    'print(len(sys.argv) - 1)\n'
  )
  done = subprocess.run(
    [sys.executable, '-c', code, *map(str, paths)],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert int(done.stdout) == len(paths)
  assert not (tmp_path / 'ran').exists()
