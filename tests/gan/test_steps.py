import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import parallel, rng
from dgan_jax.gan import state as state_lib
from dgan_jax.gan import steps
from dgan_jax.generators import stylegan2
from tests.gan import tiny


@functools.cache
def _stepper(recipe, function=steps.adversarial_step, devices=1):
  return parallel.spread_step(
    functools.partial(_keyed, function, recipe), jax.devices()[:devices]
  )


def _first_step():
  recipe = tiny.recipe()
  return _stepper(recipe)(tiny.state(recipe), tiny.batch())


def _keyed(function, recipe, state, batch, mean):
  return function(recipe, state, batch, mean, key=tiny.KEY)


def _assert_near(found, expected, share):
  """Leaves differ by no more than a share of the largest number of all."""
  scale = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(expected))
  chex.assert_trees_all_close(found, expected, rtol=0, atol=share * scale)


def _gradients(recipe, function):
  keys = rng.sample_keys(tiny.KEY, np.arange(8))
  state, batch = tiny.state(recipe), tiny.batch()
  return jax.jit(lambda state: function(recipe, state, batch, keys))(state)


@pytest.mark.parametrize('augment', [False, True])
def test_one_pass_gives_the_gradients_of_two(augment):
  """Exactly so where samples don't meet in the discriminator."""
  recipe = tiny.recipe(group_size=1, augment=augment)
  one = _gradients(recipe, steps.one_pass_gradients)
  two = _gradients(recipe, steps.two_pass_gradients)
  _assert_near(one.generator, two.generator, 1e-5)
  _assert_near(one.discriminator, two.discriminator, 1e-5)
  _assert_near(one.fake_logits, two.fake_logits, 1e-5)


def test_one_pass_is_near_two_where_samples_meet_in_groups():
  recipe = tiny.recipe(group_size=4)
  one = _gradients(recipe, steps.one_pass_gradients)
  two = _gradients(recipe, steps.two_pass_gradients)
  chex.assert_trees_all_close(one.discriminator, two.discriminator, rtol=1e-4)
  a, b = (
    np.concatenate([np.ravel(x) for x in jax.tree.leaves(found.generator)])
    for found in (one, two)
  )
  cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
  assert 0.9 < cosine < 1 - 1e-7


def test_a_fake_that_fools_nobody_still_teaches_the_generator():
  """The rescaling is a quotient of vanishing numbers there."""
  recipe = tiny.recipe(group_size=1)
  state = tiny.state(recipe)
  state.discriminator['logit']['bias'] += -29.0
  keys = rng.sample_keys(tiny.KEY, np.arange(8))

  @jax.jit
  def both(state):
    return [
      function(recipe, state, tiny.batch(), keys).generator
      for function in (steps.one_pass_gradients, steps.two_pass_gradients)
    ]

  _assert_near(*both(state), 1e-4)


@pytest.mark.parametrize(
  'function', [steps.adversarial_step, steps.penalty_step]
)
def test_two_devices_train_as_one(function):
  recipe = tiny.recipe(sgd=True, flip=True)
  results = [
    _stepper(recipe, function, devices)(tiny.state(recipe), tiny.batch())
    for devices in (1, 2)
  ]
  one, two = (
    jax.tree.map(lambda a, b: a - b, state, tiny.state(recipe))
    for state, _ in results
  )
  _assert_near(two.generator, one.generator, 1e-4)
  _assert_near(two.discriminator, one.discriminator, 1e-4)
  chex.assert_trees_all_close(results[0][1], results[1][1], rtol=1e-3)


def test_the_discriminator_learns_to_tell_and_the_generator_to_fool():
  recipe = tiny.recipe()
  step = _stepper(recipe)
  state = tiny.state(recipe)
  state, first = step(state, tiny.batch(0))
  for i in range(1, 30):
    state, last = step(state, tiny.batch(i))
  assert last['discriminator_loss'] < first['discriminator_loss']
  assert int(state.step) == 30
  moved = jax.tree.map(
    lambda a, b: jnp.abs(a - b).max(), state.generator, state.average
  )
  assert max(float(x) for x in jax.tree.leaves(moved)) > 0


def test_the_penalty_flattens_the_discriminator():
  recipe = tiny.recipe()
  step = _stepper(recipe, steps.penalty_step)
  state = tiny.state(recipe)
  values = []
  for _ in range(10):
    state, metrics = step(state, tiny.batch())
    values.append(float(metrics['r1']))
  assert values[-1] < 0.9 * values[0]


def test_half_precision_trains_and_keeps_weights_exact():
  recipe = tiny.recipe(dtype='bfloat16')
  state, metrics = _stepper(recipe)(tiny.state(recipe), tiny.batch())
  assert {x.dtype for x in jax.tree.leaves(state.generator)} == {
    jnp.dtype('float32')
  }
  _, expected = _first_step()
  for name in ('generator_loss', 'discriminator_loss', 'real_logit'):
    np.testing.assert_allclose(metrics[name], expected[name], atol=0.05)


def test_a_stylegan2_trains_too():
  generator = stylegan2.StyleGAN2(8, (6, 4), 4, mapping_layers=2)
  recipe = tiny.recipe(generator=generator)
  state, metrics = _stepper(recipe)(tiny.state(recipe), tiny.batch())
  assert all(np.isfinite(x) for x in metrics.values())
  assert state.w_avg.shape == (4,)


def _mixed(mixing):
  recipe = tiny.recipe(mixing=mixing)
  params = tiny.state(recipe).generator
  keys = rng.sample_keys(tiny.KEY, np.arange(64))
  ws, mean = jax.jit(lambda p: steps.mixed_ws(recipe, p, keys))(params)
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


def test_the_learning_rate_falls_to_zero_at_the_end():
  options = dataclasses.replace(tiny.OPTIONS, images=800, decay=0.25)
  rates = [float(steps.learning_rate(options, i)) for i in (0, 75, 88, 99, 100)]
  np.testing.assert_allclose(
    np.array(rates) / options.learning_rate, [1, 1, 0.48, 0.04, 0], atol=1e-5
  )


def test_the_average_forgets_faster_at_the_start():
  options = dataclasses.replace(tiny.OPTIONS, ema_images=80)
  decay = jax.vmap(lambda i: steps.average_decay(options, i))(
    jnp.array([0, 99, 10_000])
  )
  # Half-lives of 0.4, 40 and 80 images, 8 of which are a step.
  np.testing.assert_allclose(decay, 0.5 ** np.array([20, 0.2, 0.1]), rtol=1e-5)


def test_the_mean_w_starts_as_that_of_all_latents_so_far():
  state, _ = _first_step()
  assert float(jnp.abs(state.w_avg).max()) > 1e-3


def test_networks_for_different_sizes_are_refused():
  larger = stylegan2.StyleGAN2(16, (4, 4, 4), 4)
  with pytest.raises(ValueError, match='16 px and a discriminator of 8 px'):
    state_lib.Recipe.of(larger, tiny.DISCRIMINATOR, tiny.OPTIONS)


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('dtype', 'float16', "'float16' is none of"),
    ('images', 0, 'images is 0'),
    ('mixing', 1.5, r'mixing 1\.5 is not in'),
    ('r1_batch', 3, 'r1_batch 3 does not divide'),
  ],
)
def test_options_that_make_no_sense_are_refused(field, value, words):
  with pytest.raises(ValueError, match=words):
    dataclasses.replace(tiny.OPTIONS, **{field: value})
