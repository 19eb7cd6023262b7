import tracemalloc

import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.formats import byte_stream, untrusted


def test_a_stream_reads_along_and_stops_at_the_end():
  stream = byte_stream.ByteStream(b'abcdef')
  assert len(stream) == 6
  assert stream.read(2) == b'ab'
  assert stream.read(0) == b''
  assert stream.read(2**70) == b'cdef'
  assert stream.read(1) == b''
  assert stream.readline() == b''


@pytest.mark.parametrize('length', [0, 1, 63, 64, 65, 191, 192, 193, 5000])
def test_lines_end_where_they_end(length):
  line = b'x' * length + b'\n'
  stream = byte_stream.ByteStream(line * 2 + b'rest')
  assert [stream.readline() for _ in range(3)] == [line, line, b'rest']


def test_long_pieces_are_views_and_short_ones_bytes():
  stream = byte_stream.ByteStream(bytes(10**6))
  tracemalloc.start()
  assert isinstance(stream.read(100), bytes)
  piece = stream.read(10**6)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert isinstance(piece, memoryview)
  assert len(piece) == 10**6 - 100
  assert peak < 2**14


def test_a_mapped_file_is_not_read_and_cannot_be_written(tmp_path):
  path = tmp_path / 'large'
  with open(path, 'wb') as file:
    file.truncate(2**28)  # a hole: it takes no disk
  tracemalloc.start()
  data = byte_stream.map_file(path)
  assert tracemalloc.get_traced_memory()[1] < 2**16
  tracemalloc.stop()
  assert len(data) == 2**28
  assert data.readonly
  assert data[-1] == 0


def test_empty_files_are_mapped_and_large_and_missing_ones_refused(
  tmp_path, monkeypatch
):
  path = tmp_path / 'x'
  path.touch()
  assert len(byte_stream.map_file(path)) == 0
  path.write_bytes(b'12345678901')
  monkeypatch.setattr(untrusted, 'MAX_FILE_BYTES', 10)
  with pytest.raises(errors.UserError, match='11 bytes; expected 10 at most'):
    byte_stream.map_file(path)
  for missing in (tmp_path, tmp_path / 'none'):
    with pytest.raises(errors.UserError, match='does not exist or is not'):
      byte_stream.map_file(missing)
