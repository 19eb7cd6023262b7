import hashlib
import os
import pathlib
import subprocess

import numpy as np
import pytest

from dgan_jax import errors, storage


def test_json_comes_back_as_it_went(tmp_path):
  value = {'b': [1, 2.5, None], 'a': {'ä': True}}
  storage.write_json(tmp_path / 'x.json', value)
  assert storage.read_json(tmp_path / 'x.json') == value


def test_equal_json_values_give_equal_bytes(tmp_path):
  storage.write_json(tmp_path / 'x.json', {'a': 1, 'b': 2})
  storage.write_json(tmp_path / 'y.json', {'b': 2, 'a': 1})
  x, y = tmp_path / 'x.json', tmp_path / 'y.json'
  assert x.read_bytes() == y.read_bytes()


def test_writing_replaces_and_leaves_nothing_else_behind(tmp_path):
  storage.write_text(tmp_path / 'x', 'old')
  storage.write_text(tmp_path / 'x', 'new')
  assert (tmp_path / 'x').read_text() == 'new'
  assert [path.name for path in tmp_path.iterdir()] == ['x']


def test_a_write_that_fails_keeps_what_was_there(tmp_path, monkeypatch):
  def full(_):
    raise OSError(28, 'No space left on device')

  storage.write_text(tmp_path / 'x', 'old')
  monkeypatch.setattr(storage.os, 'fsync', full)
  with pytest.raises(OSError, match='No space'):
    storage.write_text(tmp_path / 'x', 'new')
  assert (tmp_path / 'x').read_text() == 'old'
  assert [path.name for path in tmp_path.iterdir()] == ['x']


@pytest.mark.parametrize(
  ('text', 'complaint'),
  [
    (None, 'does not exist'),
    ('{"a": ', 'not valid JSON'),
    ('[1, 2]', 'holds a JSON list; expected an object'),
    ('[' * 100_000, 'not valid JSON'),
  ],
)
def test_what_is_no_json_object_is_refused_by_name(tmp_path, text, complaint):
  path = tmp_path / 'x.json'
  if text is not None:
    path.write_text(text)
  with pytest.raises(errors.UserError, match=complaint) as caught:
    storage.read_json(path)
  assert str(path) in str(caught.value)


def test_a_digest_tells_types_shapes_and_borders_apart():
  array = np.arange(6, dtype=np.float32)
  parts = [
    (array,),
    (array.reshape(2, 3),),
    (array.astype(np.int32),),
    (array[:3], array[3:]),
    (b'ab', b'c'),
    (b'a', b'bc'),
    ('ab', 'c'),
  ]
  assert len({storage.sha256(*part) for part in parts}) == len(parts)


def test_a_digest_does_not_depend_on_memory_layout():
  array = np.arange(6).reshape(2, 3)
  assert storage.sha256(array) == storage.sha256(np.asfortranarray(array))


@pytest.mark.parametrize(
  'name', ['gs://bucket/x', 's3://b', 'gs:/bucket', 'file:///tmp/x', 'a\0b']
)
def test_what_is_no_path_of_this_machine_is_refused(
  tmp_path, monkeypatch, name
):
  monkeypatch.chdir(tmp_path)
  for call in (
    storage.path,
    storage.read_json,
    lambda name: storage.write_text(name, 'x'),
  ):
    with pytest.raises(errors.UserError) as caught:
      call(name)
    assert '\n' not in str(caught.value)
  assert not list(tmp_path.iterdir())


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  storage.write_text('~/x', 'here')
  assert (tmp_path / 'x').read_text() == 'here'
  # Also where it went through pathlib, and nowhere but in front.
  assert storage.path(pathlib.Path('~') / 'x') == tmp_path / 'x'
  assert storage.path('a/~/C:/b') == pathlib.Path('a/~/C:/b')


def test_json_with_a_byte_order_mark_is_read(tmp_path):
  (tmp_path / 'x.json').write_bytes(b'\xef\xbb\xbf{"a": 1}')
  assert storage.read_json(tmp_path / 'x.json') == {'a': 1}


def _left_by(path, monkeypatch, process=None, machine=None):
  with monkeypatch.context() as patch:
    if process:
      patch.setattr(storage.os, 'getpid', lambda: process)
    if machine:
      patch.setattr(storage, '_machine', lambda: machine)
    left = storage.temporary_name(path)
  left.touch()
  return left


def test_only_what_nobody_can_be_writing_is_taken_for_a_leftover(
  tmp_path, monkeypatch
):
  path = tmp_path / 'x[1].json'
  dead = subprocess.Popen(['true'])
  dead.wait()
  gone = [_left_by(path, monkeypatch, dead.pid)]
  kept = [
    _left_by(path, monkeypatch),  # of this process
    _left_by(path, monkeypatch, os.getppid()),
    _left_by(path, monkeypatch, dead.pid, 'another'),
    _left_by(tmp_path / 'y', monkeypatch, dead.pid),
  ]
  old = _left_by(path, monkeypatch, dead.pid, 'another')
  os.utime(old, (0, 0))
  storage.remove_leftovers(path)
  assert not any(left.exists() for left in [*gone, old])
  assert all(left.exists() for left in kept)


def test_a_digest_of_an_array_copies_nothing_and_stays_what_it_was():
  array = np.arange(6, dtype='<f4').reshape(2, 3)
  header = b'<f4(2, 3):24:'
  expected = hashlib.sha256(header + array.tobytes()).hexdigest()
  assert storage.sha256(array) == expected
  assert storage.sha256(np.ones(())) != storage.sha256(np.ones((1,)))
