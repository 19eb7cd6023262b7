import json

import jax
import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints import pytrees
from dgan_jax.segmentation import annotator as annotator_lib
from tests.segmentation import synthetic


def test_what_is_written_is_read(tmp_path):
  annotator = synthetic.annotator()
  annotator_lib.save(tmp_path, annotator, facts={'mean_iou': 0.5})
  found = annotator_lib.load(tmp_path)
  assert found.architecture == annotator.architecture
  assert found.schema == annotator.schema
  jax.tree.map(np.testing.assert_array_equal, found.params, annotator.params)
  assert annotator_lib.checksum(found) == annotator_lib.checksum(annotator)
  assert annotator_lib.load_facts(tmp_path) == {'mean_iou': 0.5}


def test_a_small_folder_holds_nearly_the_same_weights(tmp_path):
  annotator = synthetic.annotator()
  annotator_lib.save(tmp_path, annotator, dtype='float16')
  found = annotator_lib.load(tmp_path)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6),
    found.params,
    annotator.params,
  )
  assert {str(x.dtype) for x in jax.tree.leaves(found.params)} == {'float32'}
  assert annotator_lib.checksum(found) != annotator_lib.checksum(annotator)
  with pytest.raises(ValueError, match="'int8' is none of"):
    annotator_lib.save(tmp_path, annotator, dtype='int8')


def test_another_checkpoint_is_refused_by_its_kind(tmp_path):
  pytrees.save(tmp_path, {'x': np.zeros(2)}, {'kind': 'generator'})
  with pytest.raises(errors.UserError, match="'generator'; expected one that"):
    annotator_lib.load(tmp_path)


def test_a_folder_that_does_not_describe_an_annotator_is_refused(tmp_path):
  annotator_lib.save(tmp_path, synthetic.annotator())
  path = tmp_path / 'checkpoint.json'
  content = json.loads(path.read_text())
  content['metadata']['architecture']['channels'] = [7]
  path.write_text(json.dumps(content))
  with pytest.raises(
    errors.UserError, match=r'channels is .*7.*; expected one multiple'
  ):
    annotator_lib.load(tmp_path)
