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
