import chex
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax.gan import discriminator, losses


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

  def score(scale, images):
    return scale * (images * weights).sum((1, 2, 3))

  penalty, gradient = losses.r1_penalty(score, 3.0, jnp.ones((5, 2, 2, 3)))
  square = (weights**2).sum()
  np.testing.assert_allclose(penalty, 9 * square, 1e-6)
  np.testing.assert_allclose(gradient, 6 * square, 1e-6)


def test_the_gradient_of_the_penalty_is_what_backward_twice_gives():
  network = discriminator.ResidualDiscriminator(16, (8, 6, 4))
  params = jax.jit(network.init)(jax.random.key(0))
  images = jax.random.normal(jax.random.key(1), (8, 16, 16, 3))

  def steepness(params):
    slope = jax.grad(lambda x: network.score(params, x).sum())(images)
    return jnp.square(slope).sum((1, 2, 3)).mean()

  found = jax.jit(lambda p, x: losses.r1_penalty(network.score, p, x))(
    params, images
  )
  expected = jax.jit(jax.value_and_grad(steepness))(params)
  chex.assert_trees_all_close(found, expected, rtol=2e-4, atol=1e-6)


def test_the_sign_statistic_counts_reals_taken_for_real():
  logits = jnp.array([3.0, 0.1, 20.0, -0.2])
  np.testing.assert_allclose(losses.overfitting(logits), 0.5)
