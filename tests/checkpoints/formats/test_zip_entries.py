import tracemalloc
import zipfile

import pytest

from dgan_jax.checkpoints.formats import (
  byte_stream,
  untrusted,
  zip_entries,
)
from tests.checkpoints import pickles


@pytest.fixture
def contents(tmp_path):
  """Writes an archive and reads all of its entries."""

  def read(data):
    path = tmp_path / 'made.zip'
    path.write_bytes(data)
    mapped = byte_stream.map_file(path)
    return {
      entry.filename: zip_entries.content(
        entry, mapped, untrusted.Budget(len(mapped))
      )
      for entry in zip_entries.directory(path)
    }

  return read


@pytest.mark.parametrize(
  'compression', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]
)
def test_entries_come_back(contents, compression):
  found = contents(pickles.archive({'a': b'x' * 5000, 'b': b''}, compression))
  assert found == {'made/a': b'x' * 5000, 'made/b': b''}


def test_plain_entries_are_views(contents):
  data = pickles.archive({'a': bytes(10**6)})
  tracemalloc.start()
  found = contents(data)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert isinstance(found['made/a'], memoryview)
  assert peak < 2**19


@pytest.mark.parametrize('compression', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compressions_are_refused(contents, compression):
  with pytest.raises(untrusted.FormatError, match='unknown kind'):
    contents(pickles.archive({'a': b'x'}, compression))


def test_an_entry_that_unpacks_to_more_than_announced_is_refused(contents):
  data = bytearray(pickles.archive({'a': bytes(10**7)}, zipfile.ZIP_DEFLATED))
  start = data.index(b'PK\x01\x02')
  data[start + 24 : start + 28] = (1000).to_bytes(4, 'little')
  tracemalloc.start()
  with pytest.raises(untrusted.FormatError, match='in entry made/a'):
    contents(bytes(data))
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2**19


@pytest.mark.parametrize(
  ('old', 'new', 'reason'),
  [
    (b'content', b'cOntent', 'bad CRC-32 of entry made/a'),
    (b'PK\x03\x04', b'PK\x03\x05', 'entry made/a has no header'),
    (b'PK\x01\x02', b'PK\x01\x03', 'damaged or truncated'),
    (b'PK\x05\x06', b'PK\x05\x07', 'damaged or truncated'),
  ],
)
def test_damage_is_noticed(contents, old, new, reason):
  data = pickles.archive({'a': b'content'})
  with pytest.raises(untrusted.FormatError, match=reason):
    contents(data.replace(old, new))
