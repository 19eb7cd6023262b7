import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.gan import discriminator, gradients
from tests.gan import tiny


def _gradients(config, function):
  keys = rng.sample_keys(tiny.KEY, np.arange(8))
  state, batch = tiny.state(config), tiny.batch()
  return jax.jit(lambda state: function(config, state, batch, keys))(state)


def _in_two_passes(config, state, batch, keys):
  """The same, each loss by a pass of its own."""
  dtype = jnp.dtype(config.options.dtype)

  def score(params, images, keys, kind):
    images = gradients.augmented(config, state, images, keys, kind)
    return config.discriminator.score(params, images, dtype)

  def generator_loss(params):
    fakes, w = gradients._fakes(config, params, keys)
    logits = score(state.discriminator, fakes, keys, 'fakes')
    return gradients.generator_loss(logits), (fakes, w)

  def fake_loss(params, fakes):
    logits = score(params, fakes, keys, 'fakes')
    return jax.nn.softplus(logits).mean(), logits

  generator, (fakes, w) = jax.grad(generator_loss, has_aux=True)(
    state.generator
  )
  of_fakes, logits = jax.grad(fake_loss, has_aux=True)(
    state.discriminator, fakes
  )
  real_logits, of_reals = gradients._real_gradient(config, state, batch, keys)
  discriminator = jax.tree.map(jnp.add, of_fakes, of_reals)
  return gradients.Gradients(generator, discriminator, real_logits, logits, w)


@pytest.mark.parametrize('augment', [False, True])
def test_one_pass_gives_the_gradients_of_two(augment):
  """Exactly so where samples don't meet in the discriminator."""
  config = tiny.config(group_size=1, augment=augment)
  one = _gradients(config, gradients.in_one_pass)
  two = _gradients(config, _in_two_passes)
  tiny.assert_near(one.generator, two.generator, 1e-5)
  tiny.assert_near(one.discriminator, two.discriminator, 1e-5)
  tiny.assert_near(one.fake_logits, two.fake_logits, 1e-5)


@pytest.mark.parametrize('bias', [-20.0, -6.0, 0.0, 6.0])
def test_one_pass_is_near_two_where_samples_meet_in_groups(bias):
  """However far apart the logits of a group, and wherever they are."""
  config = tiny.config(group_size=4)
  state = tiny.state(config)
  state.discriminator['logit']['kernel'] *= 20.0
  state.discriminator['logit']['bias'] += bias
  keys = rng.sample_keys(tiny.KEY, np.arange(8))

  @jax.jit
  def found(state):
    return [
      function(config, state, tiny.batch(), keys)
      for function in (gradients.in_one_pass, _in_two_passes)
    ]

  one, two = found(state)
  assert np.ptp(one.fake_logits) > 5
  for name, least in (('generator', 0.9), ('discriminator', 0.99)):
    a, b = (np.asarray(_flat(getattr(each, name))) for each in (one, two))
    assert a @ b / np.linalg.norm(a) / np.linalg.norm(b) > least, name
    np.testing.assert_allclose(np.linalg.norm(a), np.linalg.norm(b), rtol=0.2)
  if one.fake_logits.max() <= 0:
    tiny.assert_near(one.generator, two.generator, 1e-4)


def _flat(tree):
  return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])


def test_a_fake_that_fools_nobody_still_teaches_the_generator():
  """The rescaling is a quotient of vanishing numbers there."""
  config = tiny.config(group_size=1)
  state = tiny.state(config)
  state.discriminator['logit']['bias'] += -29.0
  keys = rng.sample_keys(tiny.KEY, np.arange(8))

  @jax.jit
  def both(state):
    return [
      function(config, state, tiny.batch(), keys).generator
      for function in (gradients.in_one_pass, _in_two_passes)
    ]

  tiny.assert_near(*both(state), 1e-4)


def _mixed(mixing):
  config = tiny.config(mixing=mixing)
  params = tiny.state(config).generator
  keys = rng.sample_keys(tiny.KEY, np.arange(64))
  ws, mean = jax.jit(lambda p: gradients.mixed_ws(config, p, keys))(params)
  return np.asarray(ws), np.asarray(mean)


def test_without_mixing_all_rows_are_of_one_latent():
  ws, mean = _mixed(0.0)
  np.testing.assert_array_equal(ws, ws[:, :1].repeat(4, 1))
  np.testing.assert_allclose(mean, ws[:, 0].mean(0), atol=1e-6)


def test_mixing_gives_the_later_rows_to_a_second_latent():
  plain, _ = _mixed(0.0)
  ws, _ = _mixed(1.0)
  np.testing.assert_array_equal(ws[:, 0], plain[:, 0])
  other = np.any(ws != plain, axis=-1)
  assert other[:, -1].all()
  assert (np.diff(other.astype(int), axis=1) >= 0).all()  # from a row onwards
  assert {row.argmax() for row in other} == {1, 2, 3}


def test_some_samples_mix_and_some_do_not():
  plain, _ = _mixed(0.0)
  ws, _ = _mixed(0.5)
  mixes = np.any(ws != plain, axis=(1, 2))
  assert 16 < mixes.sum() < 48


def test_losses_are_those_of_a_coin_where_logits_are_zero():
  zeros = jnp.zeros(3)
  np.testing.assert_allclose(gradients.generator_loss(zeros), np.log(2), 1e-6)
  np.testing.assert_allclose(
    gradients.discriminator_loss(zeros, zeros), 2 * np.log(2), 1e-6
  )


def test_the_generator_gains_most_where_it_is_found_out():
  slope = jax.vmap(jax.grad(lambda x: gradients.generator_loss(x[None])))(
    jnp.array([-50.0, 0.0, 50.0])
  )
  np.testing.assert_allclose(slope, [-1, -0.5, 0], atol=1e-6)


def test_the_penalty_of_a_linear_score_is_its_squared_slope():
  weights = jnp.arange(12.0).reshape(1, 2, 2, 3)

  def score(scale, images):
    return scale * (images * weights).sum((1, 2, 3))

  penalty, gradient = gradients.r1_penalty(score, 3.0, jnp.ones((5, 2, 2, 3)))
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

  found = jax.jit(lambda p, x: gradients.r1_penalty(network.score, p, x))(
    params, images
  )
  expected = jax.jit(jax.value_and_grad(steepness))(params)
  chex.assert_trees_all_close(found, expected, rtol=2e-4, atol=1e-6)


def test_the_sign_statistic_counts_reals_taken_for_real():
  logits = jnp.array([3.0, 0.1, 20.0, -0.2])
  np.testing.assert_allclose(gradients.overfitting(logits), 0.5)
