import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import errors, pyramid, schema
from dgan_jax.tasks import keypoints, kinds
from tests.tasks import blobs

_TASK = keypoints.Keypoints(blobs.SCHEMA)
_CANVAS = pyramid.Canvas.of(32, (8, 32))
_TRUTH = np.array(
  [[[10.3, 5.9, 1], [20, 20, 0]], [[4, 4, 1], [27.5, 9, 1]]], np.float32
)


def _heat_maps(truth):
  """Of every keypoint and pixel, [images, height, width, keypoints]."""
  image, row, column = np.indices((len(truth), 24, 32)).reshape(3, -1)
  targets = _TASK.targets(jnp.asarray(truth), _CANVAS, (image, row, column))
  return targets.reshape(len(truth), 24, 32, 2)


def _labels(members):
  """Of one image, whose heat-maps are given member by member."""
  each = [_TASK.statistics(heat) for heat in members]
  sums = jax.tree.map(lambda *parts: sum(parts), *each)
  return jax.tree.map(np.asarray, _TASK.decode(sums, len(members)))


def test_heat_maps_are_gaussians_around_what_is_visible():
  heat = _heat_maps(_TRUTH)
  assert not heat[0, ..., 1].any()
  distance = (15.5 - 10.3) ** 2 + (7.5 - 5.9) ** 2  # of row 7, column 15
  # The standard deviation is a 32nd of the width: one pixel.
  np.testing.assert_allclose(
    heat[0, 7, 15, 0], np.exp(-distance / 2), rtol=1e-4
  )


def test_places_are_found_between_pixels():
  labels = _labels([_heat_maps(_TRUTH)[1]] * 2)
  np.testing.assert_allclose(labels.keypoints, _TRUTH[1, :, :2], atol=1e-3)
  assert labels.visible.tolist() == [True, True]
  assert (labels.confidence > 0.7).all()


@pytest.mark.parametrize('corner', [(0, 0), (23, 31), (0, 17), (11, 31)])
def test_at_the_edge_it_is_the_centre_of_the_pixel(corner):
  heat = np.zeros((24, 32), np.float32)
  heat[corner] = 1
  place, height = keypoints.peak(jnp.asarray(heat))
  assert place.tolist() == [corner[1] + 0.5, corner[0] + 0.5]
  assert height == 1


def test_a_keypoint_that_no_member_sees_is_not_visible_and_certain():
  labels = _labels([_heat_maps(_TRUTH)[0]] * 3)
  assert labels.visible.tolist() == [True, False]
  assert labels.confidence[1] == 0
  assert labels.score < 1e-3


def test_heat_maps_are_cut_off_and_averaged():
  heat = _heat_maps(_TRUTH)[0]
  labels = _labels([heat * 9 - 1, heat * 0 - 5])
  np.testing.assert_allclose(labels.confidence[0], 0.5)


def test_members_that_disagree_wholly_are_at_the_bound():
  heat = np.zeros((24, 32, 2), np.float32)
  other = heat.copy()
  heat[3, 4], other[20, 9, 0] = 1, 1
  labels = _labels([heat, other])
  assert labels.uncertainty.max() == _TASK.uncertainty_maximum(2) == 0.5
  assert labels.uncertainty[3, 4] == labels.uncertainty[20, 9] == 0.5
  assert np.count_nonzero(labels.uncertainty) == 2
  assert labels.score == 0.5


def test_the_score_is_the_mean_over_keypoints_of_the_largest_spread():
  heat = np.zeros((24, 32, 2), np.float32)
  heat[0, 0, 0], heat[5, 5, 1] = 1, 0.5
  assert _labels([heat, 0 * heat]).score == (0.5 + 0.25) / 2


def test_pixels_around_visible_keypoints_are_regions_of_their_own():
  truth = np.float32([[[8, 8, 1], [10, 8, 1]], [[8, 8, 0], [30.5, 1, 1]]])
  regions = _TASK.regions(truth, _CANVAS)
  assert regions.shape == (2, 24, 32)
  assert regions[0, 8, [7, 8, 9, 10, 20]].tolist() == [0, 0, 1, 1, 2]
  assert set(regions[1].ravel().tolist()) == {1, 2}


def test_the_loss_is_a_mean_square_that_weights_may_shift():
  outputs, targets = jnp.float32([[1, 0], [0, 3]]), jnp.zeros((2, 2))
  assert _TASK.loss(outputs, targets) == 2.5
  assert _TASK.loss(outputs, targets, jnp.float32([1, 3])) == 3.5


def test_pck_counts_visible_keypoints_within_a_share_of_their_box():
  truth = np.float32([[[0, 0, 1], [100, 50, 1]], [[9, 9, 1], [1, 1, 0]]])
  found = {'keypoints': np.float32([[[6, 0], [100, 62]], [[9, 9], [5, 5]]])}
  scores = _TASK.scores(truth, found)
  # Errors of 6 and 12 at a size of 100; one alone has size 0 and is exact.
  assert {name: round(value, 1) for name, value in scores.items()} == {
    'pck@15': 100.0,
    'pck@10': 66.7,
    'pck@5': 33.3,
  }


def test_visible_keypoints_are_drawn_and_named():
  image = np.zeros((24, 32, 3), np.uint8)
  labels = {
    'keypoints': np.float32([[4.5, 4.5], [20.5, 12.5]]),
    'visible': np.array([True, False]),
  }
  drawn = _TASK.draw(image, labels)
  assert drawn.shape == (4 * 24, 4 * 32, 3)
  (red, red_color, seen), (blue, _, hidden) = _TASK.legend([labels])
  assert (red, seen, blue, hidden) == ('red', True, 'blue', False)
  assert drawn[18, 18].tolist() == list(red_color)
  assert not drawn[50, 82].any()


def test_a_task_comes_back_from_json():
  assert kinds.from_json(_TASK.to_json()) == _TASK


@pytest.mark.parametrize(
  ('kind', 'words'),
  [('keypoints', "'car_20' names no keypoints"), ('depth', "no task 'depth'")],
)
def test_what_is_no_task_is_refused(kind, words):
  with pytest.raises(errors.UserError, match=words):
    kinds.create(kind, schema.get_schema('car_20'))


def test_json_that_describes_no_task_is_refused():
  for value in ({}, {'kind': 'keypoints', 'schema': 3}, {'kind': [1]}):
    with pytest.raises(errors.UserError):
      kinds.from_json(value)
