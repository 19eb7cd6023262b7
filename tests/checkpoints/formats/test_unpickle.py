import os
import pathlib
import pickle
import struct
import tracemalloc
import zipfile
from typing import Any

import numpy as np
import pytest

from dgan_jax.checkpoints.formats import (
  byte_stream,
  torch_tensors,
  unpickle,
  untrusted,
)
from tests.checkpoints import hostile, pickles

_MINI = pathlib.Path(__file__).parents[2] / 'goldens' / 'mini_ckpt'

_PLAIN = {
  'numbers': [0, -1, 255, 2**31, -(2**63), 1.5, float('inf')],
  'texts': ('', 'a\nb', 'Größe'),
  'nothing': None,
  'yes': [True, False],
  'nested': {'a': {'b': [{}, (), ((1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))]}},
  7: 'a key may be a number',
}


def _load(data, table=None, persistent_load=None):
  return unpickle.load(
    byte_stream.ByteStream(data), table or {}, persistent_load
  )


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_containers_come_back_from_every_protocol(protocol):
  assert _load(pickle.dumps(_PLAIN, protocol)) == _PLAIN


def test_bytes_and_sets_come_back():
  value = [b'', b'\x00\xff' * 200, bytearray(b'ab'), {1, 'a'}, frozenset('ab')]
  assert _load(pickle.dumps(value, 5)) == value


def test_shared_and_self_containing_values_come_back():
  shared = ['x']
  value: list[Any] = [shared, shared]
  value.append(value)
  loaded = _load(pickle.dumps(value))
  assert loaded[0] is loaded[1]
  assert loaded[2] is loaded


def test_the_stream_is_left_behind_the_pickle():
  stream = byte_stream.ByteStream(pickle.dumps(1) + pickle.dumps(2) + b'rest')
  assert [unpickle.load(stream, {}) for _ in range(2)] == [1, 2]
  assert stream.read(9) == b'rest'


def test_a_function_of_the_table_may_be_called():
  data = pickles.program(pickles.call('a.b', pickles.integer(3)))
  assert _load(data, {'a.b': lambda n: n + 1}) == 4


@pytest.mark.parametrize('kind', ['reduce', 'stack global', 'memo', 'eval'])
def test_the_hostile_pickles_would_run(tmp_path, kind):
  marker = tmp_path / 'ran'
  pickle.loads(hostile.programs(marker)[kind])
  assert marker.exists()


def test_a_persistent_id_does_not_open_the_door_for_names(tmp_path):
  marker = tmp_path / 'ran'
  data = pickles.program(
    pickles.items(pickles.text('storage'), pickles.name('os.system')), b'Q'
  )
  with pytest.raises(untrusted.FormatError, match=r'os\.system'):
    _load(data, torch_tensors.TABLE, lambda identifier: identifier)
  assert not marker.exists()


def test_an_inert_value_of_the_table_cannot_be_called():
  data = pickles.program(pickles.call('torch.FloatStorage'))
  with pytest.raises(untrusted.FormatError, match='no function'):
    _load(data, torch_tensors.TABLE)


def test_a_function_of_the_table_refuses_unfit_arguments():
  data = pickles.program(pickles.call('collections.OrderedDict', b'N', b'N'))
  with pytest.raises(untrusted.FormatError, match='unfit arguments'):
    _load(data, torch_tensors.TABLE)


class _Made(unpickle.StandIn):
  def __init__(self, *arguments):
    if arguments == (None,):
      raise untrusted.FormatError('is refused.')
    self.arguments = arguments
    self.states = []

  def build(self, state):
    self.states.append(state)


def test_a_class_of_the_table_gives_stand_ins_that_take_the_state():
  made = pickles.name('a.B') + pickles.integers(1, 2) + b'\x81'
  state = pickles.mapping({'__class__': b'N', 'build': b'N'})
  loaded = _load(pickles.program(made, state, b'b'), {'a.B': _Made})
  assert type(loaded) is _Made
  assert loaded.arguments == (1, 2)
  assert loaded.states == [{'__class__': None, 'build': None}]


@pytest.mark.parametrize('opcode', [b'R', b'\x81'], ids=['reduce', 'newobj'])
@pytest.mark.parametrize(
  ('called', 'arguments', 'reason'),
  [
    (pickles.name('a.B'), b'N', 'without arguments'),
    (pickles.name('a.B'), pickles.items(b'N'), 'is refused'),
    (pickles.name('a.f'), pickles.integers(1, 2, 3), 'unfit arguments'),
    (pickles.name('a.inert'), b')', 'no function'),
    (pickles.text('a.B'), b')', 'no function'),
    (pickles.name('a.B') + b')\x81', b')', 'no function'),
  ],
)
def test_what_is_called_wrongly_is_refused(opcode, called, arguments, reason):
  table = {'a.B': _Made, 'a.f': lambda x: x, 'a.inert': 'text'}
  with pytest.raises(untrusted.FormatError, match=reason):
    _load(pickles.program(called, arguments, opcode), table)


@pytest.mark.parametrize(
  'opcode',
  [
    pytest.param(b'(ia\nB\n', id='inst'),
    pytest.param(b'(ca\nB\no', id='obj'),
    pytest.param(b'ca\nB\n)}\x92', id='newobj_ex'),
  ],
)
def test_other_ways_to_make_instances_are_refused_even_of_the_table(opcode):
  with pytest.raises(untrusted.FormatError, match='refused'):
    _load(pickles.program(opcode), {'a.B': _Made})


def test_what_functions_are_given_again_and_again_is_counted(monkeypatch):
  table = {'a.f': lambda x: None}
  again = b'h\x00h\x01\x85R0'
  long_bytes = b'B' + struct.pack('<I', 5000) + bytes(5000)
  start = pickles.name('a.f') + b'q\x000' + long_bytes + b'q\x010'
  assert _load(pickles.program(start, again * 2, b'N'), table) is None
  with pytest.raises(untrusted.FormatError, match='again and again'):
    _load(pickles.program(start, again * 6, b'N'), table)

  monkeypatch.setattr(untrusted, 'MAX_STEPS', 5000)
  long_list = b'](' + b'N' * 1000 + b'e'
  start = pickles.name('a.f') + b'q\x000' + long_list + b'q\x010'
  assert _load(pickles.program(start, again * 2, b'N'), table) is None
  with pytest.raises(untrusted.FormatError, match='5,000 steps'):
    _load(pickles.program(start, again * 4, b'N'), table)


def test_strings_of_python_2_are_latin_1_text():
  expected = ["a'b\\n", 'caf\xe9', '\x00\xff\n', 'q"uote']
  lines = [
    rb'"a\'b\\n"',
    rb"'caf\xe9'",
    rb"'\x00\xff\n'",
    b"'q\"uote'",
  ]
  data = b'(' + b''.join(b'S' + line + b'\n' for line in lines) + b'l.'
  assert _load(data) == expected
  short = b''.join(
    b'U' + bytes([len(text)]) + text.encode('latin-1') for text in expected
  )
  assert _load(pickles.program(b'](', short, b'e')) == expected


def test_long_strings_and_bytes_are_views_of_the_file():
  data = pickles.program(b'T' + struct.pack('<I', 10**6) + bytes(10**6))
  tracemalloc.start()
  loaded = _load(data)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert isinstance(loaded, memoryview)
  assert loaded == bytes(10**6)
  assert peak < 2**16


def test_state_is_never_set():
  data = pickles.program(b'}', pickles.mapping({'keys': b'N'}), b'b')
  assert _load(data) == {}
  data = pickles.program(b']', pickles.mapping({'append': b'N'}), b'b')
  with pytest.raises(untrusted.FormatError):
    _load(data)


def test_names_from_the_file_cannot_break_the_line():
  data = b'\x80\x04\x8c\x05a\nb\x1b[\x8c\x01c\x93.'
  with pytest.raises(untrusted.FormatError) as error:
    _load(data)
  assert str(error.value).isprintable()


@pytest.mark.parametrize(
  'data',
  [
    pytest.param(b'\x80\x04B\xff\xff\xff\x7fabc.', id='bytes of 2 GiB'),
    pytest.param(b'\x80\x04\x8e' + b'\xff' * 7 + b'\x7fabc.', id='8 EiB'),
    pytest.param(b'\x80\x04\x8b\xff\xff\xff\x7fabc.', id='integer of 2 GiB'),
    pytest.param(
      b'\x80\x04\x8b' + struct.pack('<i', 10**5) + b'\x7f' * 10**5 + b'.',
      id='integer that is really long',
    ),
    pytest.param(b'I' + b'9' * 10**5 + b'\n.', id='integer in digits'),
    pytest.param(b'\x80\x02(((((((((', id='marks'),
    pytest.param(b'\x80\x02t.', id='tuple without a mark'),
    pytest.param(b'\x80\x02h\x05.', id='unknown memo'),
    pytest.param(b'\x80\x02.', id='nothing'),
    pytest.param(b'\x80\x02N(Nu.', id='no dict to fill'),
    pytest.param(b'\x80\x02}(Nu.', id='key without a value'),
    pytest.param(b'\x80\x02}]Ns.', id='list as a key'),
    pytest.param(b'\x80\x02})Ns.', id='tuple as a key'),
    pytest.param(b'\x80\x04\x8f(]\x90.', id='list in a set'),
    pytest.param(b'\x80\x04(]\x91.', id='list in a frozen set'),
    pytest.param(b'\x80\x04NN\x93.', id='global without a name'),
    pytest.param(b'cno_newline', id='name that breaks off'),
    pytest.param(b'\xff\xfe', id='no opcode'),
    pytest.param(b"S'a\\qb'\n.", id='escape that Python 2 does not write'),
    pytest.param(b"S'a\n.", id='string without an end'),
    pytest.param(b'F' + b'1' * 10**5 + b'\n.', id='number in digits'),
    pytest.param(b'', id='empty'),
  ],
)
def test_senseless_pickles_cost_nothing_and_say_why(data):
  tracemalloc.start()
  with pytest.raises(untrusted.FormatError) as error:
    _load(data)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert '\n' not in str(error.value)
  assert peak < 2**21


def test_a_memo_index_does_not_reserve_memory():
  # Python's own machine grows its memo to the index.
  tracemalloc.start()
  assert _load(b'\x80\x02Nr\xff\xff\xff\x7f.') is None
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2**20


def test_tuples_that_double_take_no_time():
  # t = (t, t), 60 times: hashing or printing it would take forever.
  data = pickles.program(b')', b'2\x86' * 60)
  assert len(_load(data)) == 2
  with pytest.raises(untrusted.FormatError, match='key'):
    _load(pickles.program(b'})', b'2\x86' * 60, b'Ns'))


def test_deep_nests_do_not_overflow_the_stack():
  value = _load(pickles.program(b')', b'\x85' * 100_000))
  assert len(value) == 1


def test_endless_programs_are_stopped(monkeypatch):
  monkeypatch.setattr(untrusted, 'MAX_STEPS', 1000)
  assert _load(pickles.program(b'N' * 900)) is None
  with pytest.raises(untrusted.FormatError, match='1,000 steps'):
    _load(pickles.program(b'N' * 1100))


def _real_pickle():
  with zipfile.ZipFile(_MINI / 'interpreter_20' / 'model_0.pth') as archive:
    return archive.read('model_0/data.pkl')


def test_every_truncation_is_refused():
  data = _real_pickle()
  descriptions = torch_tensors.Descriptions()
  for end in range(0, len(data), 3):
    with pytest.raises(untrusted.FormatError):
      descriptions.load(byte_stream.ByteStream(data[:end]))


def test_damage_never_ends_in_another_error():
  data = _real_pickle()
  rng = np.random.default_rng(0)
  messages = []
  for _ in range(600):
    damaged = bytearray(data)
    for place in rng.integers(len(data), size=rng.integers(1, 4)):
      damaged[place] = rng.integers(256)
    try:
      torch_tensors.Descriptions().load(byte_stream.ByteStream(bytes(damaged)))
    except untrusted.FormatError as error:
      messages.append(str(error))
  assert len(messages) > 300
  assert all(message.isprintable() for message in messages)


def test_reading_imports_nothing(tmp_path, monkeypatch):
  (tmp_path / 'trap.py').write_text(f'open({str(tmp_path / "ran")!r}, "w")')
  monkeypatch.syspath_prepend(tmp_path)
  with pytest.raises(untrusted.FormatError, match=r'trap\.anything'):
    _load(pickles.program(pickles.name('trap.anything')))
  assert not os.path.exists(tmp_path / 'ran')
