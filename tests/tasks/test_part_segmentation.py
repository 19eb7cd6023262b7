import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import schema
from dgan_jax.tasks import kinds, part_segmentation, task

_LOGITS = np.array([[2, 0, 1], [0, 1, 0], [1, 1, 3]], np.float32)
_LABELS = np.array([0, 1, 1])


def _losses():
  exponents = np.exp(_LOGITS.astype(np.float64))
  softmax = exponents / exponents.sum(-1, keepdims=True)
  return -np.log(softmax[np.arange(3), _LABELS])


def test_the_loss_is_the_mean_cross_entropy():
  loss = part_segmentation.cross_entropy(_LOGITS, _LABELS)
  np.testing.assert_allclose(loss, _losses().mean(), rtol=1e-6)


def test_class_weights_weigh_a_mean():
  weights = np.float32([1, 3, 100])
  loss = part_segmentation.cross_entropy(_LOGITS, _LABELS, jnp.asarray(weights))
  expected = np.average(_losses(), weights=weights[_LABELS])
  np.testing.assert_allclose(loss, expected, rtol=1e-6)


def _statistics(logits):
  each = jax.vmap(part_segmentation.member_statistics)(
    jnp.asarray(logits, jnp.float32)
  )
  return jax.tree.map(lambda leaf: leaf.sum(0, dtype=leaf.dtype), each)


def test_ties_go_to_the_smallest_class():
  votes = [2, 1, 0, 2, 1]  # of five members: 1 and 2 tie
  logits = np.eye(3)[votes][:, None] * 5
  statistics = _statistics(logits)
  assert part_segmentation.votes_to_mask(statistics, soft_voting=False)[0] == 1
  np.testing.assert_array_equal(statistics.votes, [[1, 2, 2]])


def test_the_majority_wins_over_one_sure_member_unless_votes_are_soft():
  logits = [[[1.0, 0.9]], [[1.0, 0.9]], [[0.0, 9.0]]]
  statistics = _statistics(logits)
  assert part_segmentation.votes_to_mask(statistics, soft_voting=False)[0] == 0
  assert part_segmentation.votes_to_mask(statistics, soft_voting=True)[0] == 1


def test_members_that_agree_are_certain():
  logits = np.tile(np.float32([[1, 2, 3], [50, 0, 0]]), (4, 1, 1))
  doubt = part_segmentation.uncertainty(_statistics(logits), 4)
  np.testing.assert_allclose(doubt, 0, atol=1e-6)


def test_members_that_all_disagree_are_as_uncertain_as_there_are_classes():
  logits = np.eye(4)[:, None] * 100
  doubt = part_segmentation.uncertainty(_statistics(logits), 4)
  np.testing.assert_allclose(doubt, np.log(4), rtol=1e-5)


def test_the_divergence_follows_its_definition():
  p = np.float64([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
  entropy = lambda q: -(q * np.log(q)).sum(-1)  # noqa: E731
  expected = entropy(p.mean(0)) - entropy(p).mean()
  doubt = part_segmentation.uncertainty(_statistics(np.log(p)[:, None]), 2)
  np.testing.assert_allclose(doubt, expected, rtol=1e-5)


def test_large_logits_stay_finite():
  logits = np.float32([[[400, -400]], [[-400, 400]]])
  doubt = part_segmentation.uncertainty(_statistics(logits), 2)
  np.testing.assert_allclose(doubt, np.log(2), rtol=1e-5)


def test_the_score_is_the_mean_of_the_most_uncertain_tenth():
  values = np.random.default_rng(0).permutation(39).reshape(3, 13)
  # The tenth of 39 pixels is 3.
  assert part_segmentation.score(jnp.asarray(values, jnp.float32)) == 37


def test_no_divergence_is_above_its_bound():
  parts = part_segmentation.unnamed(4)
  for members, bound in ((1, 2), (3, 3), (10, 4)):
    assert parts.uncertainty_maximum(members) == np.log(bound)
    logits = 100 * np.eye(4)[np.arange(members) % 4][:, None]
    doubt = part_segmentation.uncertainty(_statistics(logits), members)
    assert doubt[0] <= np.log(bound) + 1e-6


def test_ignored_pixels_are_in_no_region():
  parts = part_segmentation.PartSegmentation(schema.get_schema('car_5'))
  masks = np.array([[[0, 4], [255, 1]]], np.uint8)
  assert parts.regions(masks, None).tolist() == [[[0, 4], [-1, 1]]]
  assert part_segmentation.unnamed(2).regions(masks, None)[0, 1, 0] == 255


def test_small_regions_go_and_the_background_stays():
  mask = np.zeros((2, 40), np.uint8)
  mask[0, :30], mask[1, :29], mask[1, 39] = 1, 2, 3
  mask = np.concatenate([mask, np.full((1, 40), 4, np.uint8)])
  cleaned = part_segmentation.without_small_regions(mask[None], 30, into=0)
  assert np.bincount(cleaned.ravel()).tolist() == [50, 30, 0, 0, 40]
  assert mask[1, 0] == 2
  small = part_segmentation.without_small_regions(mask[None, :2], 60, into=9)
  assert set(small.ravel().tolist()) == {0, 9}


def test_labels_are_scored_against_painted_masks():
  parts = part_segmentation.PartSegmentation(schema.get_schema('car_5'))
  truth = np.array([[[0, 0, 1, 1, 255]]], np.uint8)
  found = {'mask': np.array([[[0, 1, 1, 1, 3]]], np.uint8)}
  scores = parts.scores(truth, found)
  np.testing.assert_allclose(scores['accuracy'], 75)
  np.testing.assert_allclose(scores['mean_iou'], 100 * (1 / 2 + 2 / 3) / 2)


def test_a_task_comes_back_from_json():
  parts = part_segmentation.PartSegmentation(schema.get_schema('car_20'), True)
  assert kinds.from_json(parts.to_json()) == parts


def test_eight_bits_hold_the_uncertainty_to_half_a_step():
  maximum = float(np.log(10))
  exact = np.linspace(0, maximum, 1000, dtype=np.float32)
  stored = np.asarray(task.to_uint8(exact, maximum))
  assert (stored[0], stored[-1], stored.dtype) == (0, 255, np.uint8)
  back = task.from_uint8(stored, maximum)
  assert back.dtype == np.float32
  assert np.abs(back - exact).max() <= maximum / 510 + 1e-6
  assert task.to_uint8(np.float32([-1e-7, 9]), maximum).tolist() == [0, 255]
