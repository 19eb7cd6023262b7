import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax.gan import losses


def test_losses_are_those_of_a_coin_where_logits_are_zero():
  zeros = jnp.zeros(3)
  np.testing.assert_allclose(losses.generator_loss(zeros), np.log(2), 1e-6)
  np.testing.assert_allclose(
    losses.discriminator_loss(zeros, zeros), 2 * np.log(2), 1e-6
  )


def test_the_generator_gains_most_where_it_is_found_out():
  slope = jax.vmap(jax.grad(lambda x: losses.generator_loss(x[None])))(
    jnp.array([-50.0, 0.0, 50.0])
  )
  np.testing.assert_allclose(slope, [-1, -0.5, 0], atol=1e-6)


def test_the_penalty_of_a_linear_score_is_its_squared_slope():
  weights = jnp.arange(12.0).reshape(1, 2, 2, 3)

  def score(images):
    return (images * weights).sum((1, 2, 3))

  np.testing.assert_allclose(
    losses.r1_penalty(score, jnp.ones((5, 2, 2, 3))), (weights**2).sum()
  )


def test_the_sign_statistic_counts_reals_taken_for_real():
  logits = jnp.array([3.0, 0.1, 20.0, -0.2])
  np.testing.assert_allclose(losses.overfitting(logits), 0.5)
