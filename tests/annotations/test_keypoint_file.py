import dataclasses
import json

import numpy as np
import pytest

from dgan_jax import errors, storage
from dgan_jax.annotations import keypoint_file, manifest
from tests.tasks import blobs


def _folder(tmp_path, content):
  keys = np.array([[0, 1], [0, 2]], np.uint32)
  manifest.write(tmp_path, manifest.Manifest(('a', 'b'), keys))
  (tmp_path / 'keypoints.json').write_text(json.dumps(content))
  return tmp_path


def _load(folder):
  return keypoint_file.load(
    folder, schema=blobs.SCHEMA, size=(24, 32), latent_size=6
  )


def test_keypoints_are_read_by_name_or_in_order(tmp_path):
  content = {'b': [[1, 2, True], [3.5, 4, 0]], 'a': {'blue': [32, 24, 1]}}
  found = _load(_folder(tmp_path, content))
  assert found.names == ('a', 'b')
  assert found.keypoints.tolist() == [
    [[0, 0, 0], [32, 24, 1]],
    [[1, 2, 1], [3.5, 4, 0]],
  ]
  assert found.latents.shape == (2, 6)
  assert (len(found), found.size) == (2, (24, 32))


@pytest.mark.parametrize(
  ('content', 'words'),
  [
    ({'a': {}}, "says nothing of 'b'"),
    ({'a': {}, 'b': {}, 'c': {}}, "'c', which is no entry"),
    ({'a': {}, 'b': [[1, 1, 1]]}, 'a list of 2'),
    ({'a': {}, 'b': 7}, "'b' is 7"),
    ({'a': {'green': [1, 1, 1]}, 'b': {}}, "keypoint 'green'.*red, blue"),
    ({'a': {'red': [33, 1, 1]}, 'b': {}}, 'within 0 to 32 and 0 to 24'),
    ({'a': {'red': [1, -1, 1]}, 'b': {}}, r"'red' at \[1, -1, 1\]"),
    ({'a': {'red': [1, 1, 2]}, 'b': {}}, 'visible being 0 or 1'),
    ({'a': {'red': [1, 1]}, 'b': {}}, 'visible'),
    ({'a': {'red': ['1', 1, 1]}, 'b': {}}, 'expected'),
    ({'a': {'red': [float('nan'), 1, 0]}, 'b': {}}, 'expected'),
    ({'a': {'red': [10**400, 1, 0]}, 'b': {}}, 'expected'),
    ({'a': {'red': None}, 'b': {}}, "'red' at null"),
  ],
)
def test_what_does_not_fit_is_refused_in_one_line(tmp_path, content, words):
  with pytest.raises(errors.UserError, match=words) as caught:
    _load(_folder(tmp_path, content))
  assert '\n' not in str(caught.value)


def test_the_schema_of_the_folder_counts_and_has_to_agree(tmp_path):
  folder = _folder(tmp_path, {'a': {}, 'b': {}})
  path = folder / 'schema.json'
  storage.write_json(path, blobs.SCHEMA.to_json())
  assert _load(folder).schema == blobs.SCHEMA
  other = dataclasses.replace(blobs.SCHEMA, keypoints=('red', 'green'))
  storage.write_json(path, other.to_json())
  with pytest.raises(errors.UserError, match="keypoints: label 1 is 'green'"):
    _load(folder)


def test_a_keypoint_that_is_never_visible_is_named(tmp_path, caplog):
  _load(_folder(tmp_path, {'a': {'red': [1, 1, 1]}, 'b': {}}))
  assert 'never visible are blue;' in caplog.text
