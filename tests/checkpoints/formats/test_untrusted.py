import dataclasses
import os

import numpy as np
import pytest

from dgan_jax import errors, validation
from dgan_jax.checkpoints.formats import byte_stream, orbax_arrays, untrusted


@pytest.mark.parametrize(
  'raised',
  [MemoryError(), RecursionError('deep'), KeyError('\n\x1b[2J'), OSError(5)],
)
def test_whatever_a_reader_raises_becomes_one_line(raised):
  with (
    pytest.raises(errors.UserError) as error,
    untrusted.refusing('made.pt'),
  ):
    raise raised
  message = str(error.value)
  assert message.startswith('made.pt cannot be read: ')
  assert type(raised).__name__ in message
  assert message.isprintable()


def test_what_is_shown_is_short_and_printable():
  for value in ('\n\x1b[31m', '\ud800', 'x' * 10**6, 'Größe', {}, [[]], None):
    text = untrusted.shown(value)
    assert len(text) <= 80
    assert text.isascii()
    assert text.isprintable()


@pytest.mark.parametrize(
  'shape',
  [(0, 2**62), (0, 2**31, 2**31), (2**40,), (-1,), (1,) * 9, ('3',), (True,)],
)
def test_shapes_that_numpy_would_refuse_are_refused(shape):
  with pytest.raises(untrusted.FormatError):
    untrusted.checked_shape(shape)
  assert untrusted.checked_shape((0, 3)) == (0, 3)


@dataclasses.dataclass(frozen=True)
class _Record:
  size: validation.Whole
  sizes: tuple[int, ...] = ()
  pair: tuple[int, int] | None = None
  name: str = ''
  share: float = 0.0
  on: bool = False

  def __post_init__(self):
    if self.size == 7:
      raise ValueError('Seven.')


def test_a_record_comes_back_from_json():
  fields = {'size': 3, 'sizes': [1, 2], 'pair': [4, 5], 'share': 1, 'on': True}
  assert untrusted.record(_Record, fields) == _Record(
    3, (1, 2), (4, 5), share=1, on=True
  )


@pytest.mark.parametrize(
  'fields',
  [
    *(None, [], {}, {'size': 7}, {'size': '3'}, {'size': 3.0}, {'size': True}),
    *({'size': -1}, {'size': 2**40}, {'size': 1, 'more': 1}),
    *(
      {'size': 1, name: value}
      for name, value in (
        *(('sizes', 3), ('sizes', [1, 'x']), ('sizes', {})),
        *(('pair', [1]), ('pair', [1, 2, 3]), ('name', 3), ('name', {})),
        *(('share', float('nan')), ('share', 'x')),
        *(('share', float('inf')), ('on', 1), ('on', None)),
      )
    ),
  ],
)
def test_a_record_of_other_types_is_refused(fields):
  with pytest.raises(untrusted.FormatError) as error:
    untrusted.record(_Record, fields)
  assert len(str(error.value)) < 300


def test_every_part_of_a_budget_has_an_end(monkeypatch):
  for spend, words in (
    (lambda b: b.announce('x', 2**33), 'bytes; expected'),
    (lambda b: b.spend(10**6), 'steps'),
    (lambda b: b.spend_on('x' * 5000), 'again and again'),
    (lambda b: b.make(2**30), 'unpacks to more'),
    (lambda b: b.array((2**28,)), 'unpacks to more'),
    (lambda b: [b.array(()) for _ in range(20_001)], 'arrays'),
  ):
    with pytest.raises(untrusted.FormatError, match=words):
      spend(untrusted.Budget())
  monkeypatch.setattr(untrusted, 'MAX_SECONDS', -1)
  with pytest.raises(untrusted.FormatError, match='seconds'):
    untrusted.Budget().spend(1)


def test_a_file_counts_once():
  budget = untrusted.Budget()
  for _ in range(9):
    budget.announce('x', untrusted.MAX_FILE_BYTES)


def test_links_are_refused_wherever_they_are(tmp_path):
  (tmp_path / 'in').mkdir()
  (tmp_path / 'in' / 'file').touch()
  os.symlink(tmp_path / 'in', tmp_path / 'out')
  byte_stream.refuse_links(tmp_path, tmp_path / 'in' / 'file')
  with pytest.raises(untrusted.FormatError, match='a link, out'):
    byte_stream.refuse_links(tmp_path, tmp_path / 'out' / 'file')


def _frame(*blocks, flags=0x00):
  """A frame of zstd; blocks are (kind, size, bytes)."""
  data = b'\x28\xb5\x2f\xfd' + bytes([flags, 0x58])
  for i, (kind, size, content) in enumerate(blocks):
    header = (i == len(blocks) - 1) | kind << 1 | size << 3
    data += header.to_bytes(3, 'little') + content
  return data


def test_a_bomb_of_zstd_is_measured_without_unpacking():
  repeated = (1, 2**17, b'\0')
  budget = untrusted.Budget()
  orbax_arrays.spend_on_frames(b'xyz' + _frame(repeated, (0, 2, b'ab')), budget)
  with pytest.raises(untrusted.FormatError, match='unpacks to more'):
    orbax_arrays.spend_on_frames(_frame(*[repeated] * 600), budget)
  packed = (2, 10, bytes(10))
  with pytest.raises(untrusted.FormatError, match='unpacks to more'):
    orbax_arrays.spend_on_frames(_frame(*[packed] * 600), untrusted.Budget())
  inner = (0, 6, _frame((0, 0, b''))[:6])
  with pytest.raises(untrusted.FormatError, match='steps'):  # quadratic
    orbax_arrays.spend_on_frames(_frame(*[inner] * 2000), untrusted.Budget())


def test_numbers_are_no_frames():
  data = np.random.default_rng(0).bytes(2**21)
  budget = untrusted.Budget()
  for _ in range(30):
    orbax_arrays.spend_on_frames(data, budget)
    orbax_arrays.spend_on_frames(b'\x28\xb5\x2f\xfd' + data[:99], budget)
