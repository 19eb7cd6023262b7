import pathlib
import pickle
import pickletools

import numpy as np
import pytest

from dgan_jax.checkpoints.formats import byte_stream, pickle_opcodes
from tests.checkpoints import writers

_MINI = pathlib.Path(__file__).parents[2] / 'goldens' / 'mini_ckpt'


def _cut(data):
  return list(pickle_opcodes.instructions(byte_stream.ByteStream(data)))


def _reference(data):
  """As `pickletools` cuts it, names in pairs."""
  for opcode, argument, _ in pickletools.genops(data):
    if opcode.name in ('GLOBAL', 'INST'):
      argument = tuple(argument.split(' '))
    yield opcode.name, argument


@pytest.mark.parametrize(
  'data',
  [
    *(
      pytest.param((_MINI / name).read_bytes(), id=name)
      for name in ('mini_stylegan2_ada_r32.pkl', 'mini_stylegan1_tf_r32.pkl')
    ),
    *(
      pytest.param(writers.dumps(made, protocol), id=f'{name}, {protocol}')
      for name, made in (
        ('ada', writers.persistence_file()),
        ('tensorflow', writers.tensorflow_generator()),
        (
          'numbers',
          [0, -1, 2**70, -(2**70), 1.5, float('nan'), True, np.float64(1)],
        ),
        ('texts', ['', 'a\nb\\', 'Größe \u20ac', '\ud800', 'x' * 5000]),
        ('bytes', [b'', b'\0\xff' * 2000, bytearray(b'a')]),
      )
      for protocol in range(6)
    ),
  ],
)
def test_pickles_are_cut_as_pickletools_cuts_them(data):
  cut, reference = _cut(data), list(_reference(data))
  assert len(cut) == len(reference)
  for (name, argument), (expected_name, expected) in zip(
    cut, reference, strict=True
  ):
    assert name == expected_name
    if argument != expected:
      assert np.isnan(argument)
      assert np.isnan(expected)


def test_every_opcode_is_known():
  assert len(pickle_opcodes._OPCODES) == len(pickletools.opcodes) == 68


def test_strings_of_python_2_may_be_bytes():
  # pickletools takes only ASCII here.
  assert _cut(rb"S'\xff\\n\'\n'" + b'\n') == [('STRING', "\xff\\n'\n")]
  assert _cut(b'U\x02\xff\x00') == [('SHORT_BINSTRING', '\xff\0')]
  name, view = _cut(b'T\x00\x08\x00\x00' + b'\xff' * 2048)[0]
  assert name == 'BINSTRING'
  assert isinstance(view, memoryview)


@pytest.mark.parametrize(
  ('data', 'reason'),
  [
    (b'\xff', 'opcode 0xff is unknown'),
    (
      b'X\x05\x00\x00\x00abc',
      'expected 5 bytes',
    ),
    (b'T\xff\xff\xff\xffabc', '4,294,967,295 bytes are announced'),
    (b'cmodule\nname', 'a line breaks off'),
    (b'\x8a\x11' + bytes(17), 'an integer of 17 bytes'),
    (b'\x8b\xff\xff\xff\xff', 'an integer of 4,294,967,295 bytes'),
    (b'I' + b'1' * 41 + b'\n', 'a number of 41 digits'),
    (b'Iabc\n', 'invalid literal'),
    (b'F' + b'1' * 41 + b'\n', 'a number of 41 digits'),
    (b'Sabc\n', 'no quotes'),
    (b"S'a\n", 'no quotes'),
    (b"S'\n", 'no quotes'),
    (b"S'\\q'\n", 'unknown escape'),
    (b"S'\\'\n", 'unknown escape'),
    (b'G\x00', 'not enough data'),
  ],
)
def test_what_is_cut_short_or_too_long_is_refused(data, reason):
  with pytest.raises(ValueError, match=reason):
    _cut(data)


def test_protocol_5_is_the_last_that_was_looked_at():
  assert pickle.HIGHEST_PROTOCOL == 5
