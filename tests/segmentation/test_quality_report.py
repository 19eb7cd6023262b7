import numpy as np
from PIL import Image

from dgan_jax.segmentation import quality_report
from tests.segmentation import synthetic

_CONFUSION = np.array([[90, 10, 0], [0, 20, 0], [0, 0, 0]])


def test_scores_are_those_of_the_classes_that_occur():
  found = quality_report.scores(_CONFUSION, synthetic.SCHEMA)
  assert found['accuracy'] == 110 / 120
  assert found['iou'] == {'background': 0.9, 'box': 20 / 30}
  assert found['class_accuracy'] == {'background': 0.9, 'box': 1}
  np.testing.assert_allclose(found['mean_iou'], (0.9 + 20 / 30) / 2)


def test_the_table_has_a_line_for_every_class_and_one_for_all():
  lines = quality_report.table(_CONFUSION, synthetic.SCHEMA).splitlines()
  cells = [line.replace(' %', '').split() for line in lines]
  assert cells[1:] == [
    ['background', '90.0', '90.0', '83.3'],
    ['box', '66.7', '100.0', '16.7'],
    ['patch', '-', '-', '-'],
    ['all', '78.3', '91.7'],
  ]


def test_truth_and_labels_are_side_by_side_in_the_picture(tmp_path):
  pairs = synthetic.pairs(5)
  table, scores = quality_report.write(
    tmp_path / 'report', synthetic.annotator(), pairs, shown=3
  )
  assert scores['pairs'] == 5
  assert (tmp_path / 'report' / 'held_out.txt').read_text() == f'{table}\n'
  with Image.open(tmp_path / 'report' / 'held_out.png') as picture:
    assert picture.width > 4 * 2 * 128
    assert 300 < picture.height < 600  # two rows: 2 pairs and 1
