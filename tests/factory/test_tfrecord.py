import pytest

from dgan_jax.factory import tfrecord

_PAYLOADS = [b'', b'a', b'labelled' * 40]


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'x.tfrecord'
  path.write_bytes(b''.join(map(tfrecord.frame, _PAYLOADS)))
  return path


def test_what_is_framed_is_read_back(path):
  assert list(tfrecord.read(path)) == _PAYLOADS


def test_the_framing_is_tensorflows():
  # What tf.io.TFRecordWriter writes.
  expected = bytes.fromhex('0400000000000000424552046467616e07721322')
  assert tfrecord.frame(b'dgan') == expected


def test_a_file_cut_anywhere_but_between_records_is_noticed(path):
  data = path.read_bytes()
  ends = {0}
  for payload in _PAYLOADS:
    ends.add(max(ends) + len(tfrecord.frame(payload)))
  for length in range(len(data)):
    path.write_bytes(data[:length])
    if length in ends:
      list(tfrecord.read(path))
    else:
      with pytest.raises(tfrecord.DamagedError, match='ends within'):
        list(tfrecord.read(path))


def test_a_changed_byte_is_noticed_wherever_it_is(path):
  data = path.read_bytes()
  for i in range(len(data)):
    changed = bytearray(data)
    changed[i] ^= 0x40
    path.write_bytes(changed)
    with pytest.raises(tfrecord.DamagedError):
      list(tfrecord.read(path))
