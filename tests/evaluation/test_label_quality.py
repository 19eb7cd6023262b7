import dataclasses

import jax
import numpy as np
import pytest

from dgan_jax import metrics
from dgan_jax.evaluation import annotated_samples, label_quality
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, labelling
from tests.segmentation import synthetic


@pytest.fixture(scope='module')
def measured(setup, interpreter, truth):
  return label_quality.measure(setup, interpreter, truth)


@pytest.fixture(scope='module')
def labelled(setup, interpreter, truth):
  """By voting, one sample after another."""
  canvas = setup.sampling.canvas(setup.generator.architecture)

  @jax.jit
  def label(params, key):
    _, _, pyramid = generators.sample(setup.generator, key, setup.sampling)
    found = {}
    for voting in label_quality.VOTINGS:
      spec = interpreter.spec
      task = dataclasses.replace(spec.task, soft_voting=voting == 'soft')
      spec = dataclasses.replace(spec, task=task)
      voter = ensemble.Interpreter(spec, params)
      found[voting] = labelling.label(voter, pyramid, canvas)
    return found

  labels = [
    label(interpreter.params, truth.keys[i : i + 1])
    for i in range(len(truth.masks))
  ]
  return {
    voting: [x[voting] for x in labels] for voting in label_quality.VOTINGS
  }


@pytest.mark.parametrize('voting', label_quality.VOTINGS)
def test_samples_are_counted_as_they_are_labelled_one_by_one(
  measured, labelled, truth, voting
):
  for row, labels in enumerate(labelled[voting]):
    found = np.asarray(labels.mask[0])
    expected = metrics.confusion_matrix(truth.masks[row], found, 3)
    np.testing.assert_array_equal(measured.confusions[voting][row], expected)
    assert measured.scores[row] == pytest.approx(float(labels.score[0]), 1e-4)
    right = (truth.masks[row] == found).mean()
    assert measured.accuracies(voting)[row] == pytest.approx(right)


def test_the_two_votes_differ(measured):
  majority, soft = (
    measured.confusions[voting] for voting in label_quality.VOTINGS
  )
  assert (majority != soft).any()


def test_rows_are_the_truth_and_columns_what_was_predicted(measured, truth):
  painted = np.stack([np.bincount(m.ravel(), minlength=3) for m in truth.masks])
  for confusions in measured.confusions.values():
    np.testing.assert_array_equal(confusions.sum(2), painted)
    assert (confusions.sum(1) != painted).any()


def test_labels_that_equal_the_truth_are_all_right(
  setup, interpreter, truth, labelled
):
  masks = np.stack([np.asarray(x.mask[0]) for x in labelled['majority']])
  same = annotated_samples.Truth(truth.keys, masks)
  found = label_quality.summary(label_quality.measure(setup, interpreter, same))
  assert found['majority']['accuracy'] == found['majority']['mean_iou'] == 1
  assert found['soft']['accuracy'] < 1
  assert found['accuracy_by_certainty'] == pytest.approx([1.0] * 10)


def _measured(confusions, scores, pixels=None):
  if pixels is None:
    pixels = [[10], [10]]
  return label_quality.Measured(
    synthetic.SCHEMA,
    dict.fromkeys(label_quality.VOTINGS, np.asarray(confusions)),
    np.asarray(scores, np.float32),
    np.asarray(pixels),
  )


def test_a_class_that_the_annotator_never_paints_does_not_count():
  # Of 8 pixels of class 0 two were taken for class 2, of 2 of class 1 none.
  one = [[6, 0, 2], [0, 2, 0], [0, 0, 0]]
  found = label_quality.summary(_measured([one], [0.5]))['soft']
  assert found['mean_iou'] == pytest.approx((6 / 8 + 1) / 2)
  assert found['accuracy'] == pytest.approx(0.8)
  assert set(found['iou']) == {'background', 'box'}


def test_what_is_kept_are_the_samples_with_low_scores():
  right, wrong = np.diag([5, 5, 0]), np.zeros((3, 3), int)
  wrong[0, 1] = wrong[1, 0] = 5
  scores = [0.1, 0.9, 0.2, 0.8, 0.3, 0.4, 0.5, 0.6, 0.15, 0.7]
  confusions = [wrong if score > 0.75 else right for score in scores]
  kept = label_quality.summary(_measured(confusions, scores))['majority'][
    'kept'
  ]
  assert [part['dropped'] for part in kept] == list(label_quality.DROPPED)
  accuracies = dict(zip(label_quality.DROPPED, kept, strict=True))
  assert accuracies[0]['accuracy'] == pytest.approx(0.8)
  assert accuracies[0.1]['accuracy'] == pytest.approx(8 / 9)
  assert accuracies[0.2]['accuracy'] == 1
  assert accuracies[0.1]['mean_iou'] == pytest.approx(40 / 50)


def test_pixels_are_parted_by_uncertainty_and_equal_ones_shared_out():
  pixels = np.zeros((2, 40), int)
  pixels[:, 0] = 40, 40  # the four most certain tenths
  pixels[:, 3] = 50, 25
  pixels[:, 9] = 10, 1
  found = label_quality.summary(_measured([np.diag([1, 1, 1])], [0], pixels))
  expected = [1] * 4 + [0.5] * 5 + [0.1]
  assert found['accuracy_by_certainty'] == pytest.approx(expected)


def test_the_most_certain_pixels_come_first(measured, setup, truth, labelled):
  divergence = np.concatenate(
    [np.asarray(x.uncertainty).ravel() for x in labelled['majority']]
  )
  right = np.concatenate(
    [
      (np.asarray(x.mask[0]) == mask).ravel()
      for x, mask in zip(labelled['majority'], truth.masks, strict=True)
    ]
  )
  order = np.argsort(divergence.astype(np.float16), kind='stable')
  tenths = [right[part].mean() for part in np.array_split(order, 10)]
  found = label_quality.summary(measured)['accuracy_by_certainty']
  assert found == pytest.approx(tenths, abs=0.02)
