import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax.interpreter import default, optimization, release, training
from tests import adam


def test_the_release_trains_by_adam():
  adam.assert_is(release.adam(), lambda t: 1e-3, (0.9, 0.999), steps=40)


def test_the_default_trains_by_adam_whose_rate_falls_as_a_cosine():
  options = training.TrainingOptions(
    learning_rate=0.02, steps=10, weight_decay=0.1
  )
  rate = adam.cosine(0.02, 10)
  adam.assert_is(default.adamw(options), rate, (0.9, 0.99), weight_decay=0.1)


@pytest.mark.parametrize(
  ('balance', 'weights'),
  [(0, [4, 100]), (0.25, [8**0.5, 1000**0.5]), (1, [1] * 2)],
)
def test_regions_are_drawn_by_a_power_of_their_size(balance, weights):
  options = training.TrainingOptions(
    members=2, balance=balance, bootstrap=False
  )
  sizes, image = np.array([4, 100]), np.array([0, 1])
  found = default._region_weights(sizes, image, options, jax.random.key(0))
  np.testing.assert_allclose(found, [weights] * 2)


def test_a_bootstrap_draws_as_many_images_as_there_are():
  options = training.TrainingOptions(members=3, balance=0, bootstrap=True)
  sizes, image = np.array([1, 5, 1, 1]), np.array([0, 0, 1, 2])
  found = default._region_weights(sizes, image, options, jax.random.key(0))
  np.testing.assert_array_equal(found[:, 1], 5 * found[:, 0])
  times = found[:, [0, 2, 3]]
  np.testing.assert_array_equal(times.sum(1), [3, 3, 3])
  assert len({*map(tuple, times.tolist())}) > 1


def test_every_member_keeps_its_best_parameters():
  def params(*values):
    return {'dense': {'bias': jnp.array(values)}}

  state = default.State(
    step=25,
    member=None,
    best=params(1.0, 2.0),
    best_loss=jnp.array([0.5, 0.5]),
    misses=jnp.array([2, 2]),
  )
  member = optimization.MemberState(params(3.0, 4.0), {}, ())
  after = default._keep_best(state, 50, member, jnp.array([0.6, 0.4]))
  np.testing.assert_array_equal(after.best['dense']['bias'], [1, 4])
  np.testing.assert_allclose(after.best_loss, [0.5, 0.4])
  assert after.misses.tolist() == [3, 0]
  assert after.step == 50


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
