import jax
import numpy as np

from dgan_jax.interpreter import default, release, training
from tests import adam


def test_the_release_trains_by_adam():
  adam.assert_is(release.adam(), lambda t: 1e-3, (0.9, 0.999), steps=40)


def test_the_default_trains_by_adam_whose_rate_falls_as_a_cosine():
  options = training.TrainingOptions(
    learning_rate=0.02, steps=10, weight_decay=0.1
  )
  rate = adam.cosine(0.02, 10)
  adam.assert_is(default.adamw(options), rate, (0.9, 0.99), weight_decay=0.1)


def test_an_epoch_of_the_release_shows_every_pixel_in_batches_of_64():
  chunks = list(release.chunks(64 * 130 + 5, 2, 0, 2, jax.random.key(0)))
  assert [done for done, _ in chunks] == [128, 130, 131, 259, 261, 262]
  assert [x.shape for _, x in chunks[:3]] == [
    *((128, 2, 64), (2, 2, 64), (1, 2, 5))
  ]
  for member in range(2):
    for epoch in (chunks[:3], chunks[3:]):
      shown = np.concatenate([x[:, member].ravel() for _, x in epoch])
      assert sorted(shown) == list(range(64 * 130 + 5))
  orders = {tuple(x[0, i].tolist()) for _, x in chunks[::3] for i in range(2)}
  assert len(orders) == 4
  resumed = list(release.chunks(64 * 130 + 5, 2, 130, 2, jax.random.key(0)))
  for (done, x), (expected_done, expected) in zip(
    resumed, chunks[2:], strict=True
  ):
    assert done == expected_done
    np.testing.assert_array_equal(x, expected)
