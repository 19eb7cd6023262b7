import numpy as np
import pytest

from dgan_jax import metrics

# Rows are the truth. Class 3 is never there and never predicted; class 2 is
# never there and predicted once.
CONFUSION = np.array(
  [[4, 1, 0, 0], [2, 2, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], np.int64
)


def test_a_confusion_matrix_has_the_truth_in_rows():
  labels = np.array([[0, 0, 1], [1, 2, 2]], np.uint8)
  predictions = np.array([[0, 1, 1], [0, 2, 1]], np.int32)
  np.testing.assert_array_equal(
    metrics.confusion_matrix(labels, predictions, 3),
    [[1, 1, 0], [1, 1, 0], [0, 1, 1]],
  )


def test_confusion_matrices_of_parts_add_up():
  random = np.random.default_rng(0)
  labels, predictions = random.integers(0, 5, (2, 6, 8, 8), np.uint8)
  parts = [
    metrics.confusion_matrix(x, y, 5)
    for x, y in zip(labels, predictions, strict=True)
  ]
  whole = metrics.confusion_matrix(labels, predictions, 5)
  np.testing.assert_array_equal(sum(parts), whole)
  assert whole.sum() == labels.size


def test_ignored_pixels_are_not_counted():
  labels = np.array([0, 255, 1], np.uint8)
  matrix = metrics.confusion_matrix(labels, np.array([0, 1, 1]), 2, 255)
  np.testing.assert_array_equal(matrix, np.eye(2))


def test_values_outside_the_classes_are_refused():
  good, bad = np.array([0, 1]), np.array([0, 2])
  with pytest.raises(ValueError, match='Labels from 0 to 2'):
    metrics.confusion_matrix(bad, good, 2)
  with pytest.raises(ValueError, match='Predictions from 0 to 2'):
    metrics.confusion_matrix(good, bad, 2)
  with pytest.raises(ValueError, match='differ in shape'):
    metrics.confusion_matrix(good, good[:1], 2)


def test_iou_of_each_class_by_hand():
  np.testing.assert_allclose(
    metrics.class_iou(CONFUSION), [4 / 7, 2 / 6, 0, np.nan]
  )


def test_the_accuracy_of_each_class_is_the_share_of_its_pixels_found():
  confusion = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
  found = metrics.class_accuracy(confusion)
  np.testing.assert_array_equal(found, [0.75, 1, np.nan])


def test_absent_classes_are_left_out_or_count_zero():
  present = 4 / 7 + 2 / 6
  assert metrics.mean_iou(CONFUSION) == pytest.approx(present / 2)
  zero = metrics.mean_iou(CONFUSION, absent='zero')
  assert zero == pytest.approx(present / 4)
  with pytest.raises(ValueError, match='half'):
    metrics.mean_iou(CONFUSION, absent='half')


def test_perfect_labels_score_one():
  confusion = np.diag([3, 5, 1])
  assert metrics.mean_iou(confusion) == 1
  assert metrics.pixel_accuracy(confusion) == 1
  assert metrics.pixel_accuracy(CONFUSION) == pytest.approx(0.6)


def test_the_mean_iou_of_nothing_is_refused():
  with pytest.raises(ValueError, match='no pixels'):
    metrics.mean_iou(np.zeros((2, 2), np.int64))


def test_pck_counts_keypoints_within_a_share_of_the_size():
  truth = np.zeros((2, 2, 2))
  found = np.array([[[3, 4], [0, 11]], [[0, 9], [12, 16]]], float)
  sizes = np.array([50, 100])
  # Distances 5 and 11 with 5 allowed; 9 and 20 with 10 allowed.
  assert metrics.pck(found, truth, sizes, 0.1) == 50
  visible = np.array([[True, False], [True, False]])
  assert metrics.pck(found, truth, sizes, 0.1, visible) == 100
  with pytest.raises(ValueError, match='no visible'):
    metrics.pck(found, truth, sizes, 0.1, np.zeros((2, 2), bool))
  with pytest.raises(ValueError, match='do not fit'):
    metrics.pck(found, truth, sizes[:1], 0.1)
  with pytest.raises(ValueError, match='expected both'):
    metrics.pck(found[0], truth[0], sizes, 0.1)


def test_class_counts_are_of_pixels_and_of_images():
  masks = np.array([[[0, 0], [0, 2]], [[0, 1], [1, 255]]], np.uint8)
  counts = metrics.ClassCounts.of(masks, 4)
  np.testing.assert_array_equal(counts.pixels, [4, 2, 1, 0])
  np.testing.assert_array_equal(counts.images, [2, 1, 1, 0])
  np.testing.assert_allclose(counts.pixel_shares, [4 / 7, 2 / 7, 1 / 7, 0])
  np.testing.assert_allclose(counts.image_shares, [1, 0.5, 0.5, 0])


def test_class_counts_of_nothing_are_zero():
  counts = metrics.ClassCounts.of(np.zeros((0, 2, 2), np.uint8), 3)
  assert counts.num_images == 0
  np.testing.assert_array_equal(counts.pixel_shares, np.zeros(3))


def test_the_frechet_distance_of_numbers_is_that_of_means_and_deviations():
  one = np.ones((1, 1))
  distance = metrics.frechet_distance(
    np.array([1.0]), 4 * one, np.array([4.0]), 25 * one
  )
  np.testing.assert_allclose(distance, 3**2 + (5 - 2) ** 2)


def test_the_frechet_distance_to_itself_is_zero_even_if_degenerate():
  samples = np.random.default_rng(0).normal(size=(5, 8))
  moments = samples.mean(0), np.cov(samples, rowvar=False)
  assert abs(metrics.frechet_distance(*moments, *moments)) < 1e-12


@pytest.mark.parametrize('counts', [(20, 30), (20, 900), (900, 20), (900, 900)])
def test_the_frechet_distance_of_few_samples_loses_no_digits(counts):
  """Against the samples themselves, whose scatter never is made a matrix."""
  rng = np.random.default_rng(0)
  size = 200
  fading = np.exp(-np.arange(size) / 20)  # to 1e-9 of the variance
  x, y = (rng.normal(size=(n, size)) * fading for n in counts)
  y = np.roll(y, 1, axis=1) + 0.1
  a, b = ((z - z.mean(0)) / np.sqrt(len(z) - 1) for z in (x, y))
  expected = (
    np.square(x.mean(0) - y.mean(0)).sum()
    + np.square(a).sum()
    + np.square(b).sum()
    - 2 * np.linalg.svd(a @ b.T, compute_uv=False).sum()
  )
  found = metrics.frechet_distance(
    x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False)
  )
  np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_the_frechet_distance_from_a_point_is_that_of_mean_and_spread():
  zeros = np.zeros((3, 3))
  found = metrics.frechet_distance(np.ones(3), zeros, np.zeros(3), np.eye(3))
  assert found == pytest.approx(3 + 3)
  assert metrics.frechet_distance(np.ones(3), zeros, np.ones(3), zeros) == 0


def test_the_frechet_distance_does_not_depend_on_axes_or_order():
  rng = np.random.default_rng(0)
  a, b = (
    rng.normal(size=(50, 4)),
    rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)),
  )
  turn = np.linalg.qr(rng.normal(size=(4, 4)))[0]

  def distance(x, y):
    return metrics.frechet_distance(
      x.mean(0), np.cov(x, rowvar=False), y.mean(0), np.cov(y, rowvar=False)
    )

  np.testing.assert_allclose(distance(a, b), distance(b, a))
  np.testing.assert_allclose(distance(a, b), distance(a @ turn, b @ turn))
