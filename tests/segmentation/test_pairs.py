import numpy as np

from dgan_jax import rng
from dgan_jax.segmentation import pairs


def test_rare_classes_weigh_more_and_the_mean_weight_is_one():
  masks = np.zeros((2, 8, 8), np.uint8)
  masks[0, :2, :4] = 1
  masks[:, 7] = 255
  weights = pairs.class_weights(masks, 3, 0.5)
  assert weights[2] == 0
  np.testing.assert_allclose(weights[1] / weights[0], (104 / 8) ** 0.5)
  np.testing.assert_allclose(weights[0] * 104 + weights[1] * 8, 112)
  assert pairs.class_weights(masks, 3, 0)[:2] == (1, 1)


def test_every_epoch_shows_every_pair_once_in_an_order_of_its_own():
  images = np.arange(10, dtype=np.uint8)[:, None, None, None]
  images = np.broadcast_to(images, (10, 4, 4, 3))
  draw = pairs.drawing((images, images[..., 0]), 4, rng.root_key(0))
  batches = [draw(step) for step in range(5)]
  shown = np.concatenate([batch.images[:, 0, 0, 0] for batch in batches])
  assert sorted(shown[:10]) == sorted(shown[10:]) == list(range(10))
  assert (shown[:10] != shown[10:]).any()
  np.testing.assert_array_equal(batches[2].masks, batches[2].images[..., 0])
  assert batches[2].positions.tolist() == [0, 1, 2, 3]
