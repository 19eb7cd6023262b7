import dataclasses
import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from dgan_jax import parallel
from dgan_jax.gan import state as state_lib
from dgan_jax.gan import steps
from dgan_jax.generators import stylegan2
from tests.gan import tiny


@functools.cache
def _stepper(config, function=steps.adversarial_step, devices=1):
  return parallel.spread_step(
    functools.partial(_keyed, function, config), jax.devices()[:devices]
  )


def _first_step():
  config = tiny.config()
  return _stepper(config)(tiny.state(config), tiny.batch())


def _keyed(function, config, state, batch, mean):
  return function(config, state, batch, mean, key=tiny.KEY)


@pytest.mark.parametrize(
  'function', [steps.adversarial_step, steps.penalty_step]
)
def test_two_devices_train_as_one(function):
  config = tiny.config(sgd=True, flip=True)
  results = [
    _stepper(config, function, devices)(tiny.state(config), tiny.batch())
    for devices in (1, 2)
  ]
  one, two = (
    jax.tree.map(lambda a, b: a - b, state, tiny.state(config))
    for state, _ in results
  )
  tiny.assert_near(two.generator, one.generator, 1e-4)
  tiny.assert_near(two.discriminator, one.discriminator, 1e-4)
  chex.assert_trees_all_close(results[0][1], results[1][1], rtol=1e-3)


@pytest.mark.parametrize('learner', ['generator', 'discriminator'])
def test_a_network_learns_against_one_that_stands_still(learner):
  config = tiny.config()
  other = {'generator': 'discriminator', 'discriminator': 'generator'}[learner]
  config = dataclasses.replace(
    config, **{f'{other}_optimizer': optax.set_to_zero()}
  )
  state, losses = tiny.state(config), []
  step = _stepper(config)
  for _ in range(30):
    state, metrics = step(state, tiny.batch())
    losses.append(float(metrics[f'{learner}_loss']))
  assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:5])
  start = tiny.state(config)
  chex.assert_trees_all_equal(getattr(state, other), getattr(start, other))
  assert int(state.step) == 30


def test_the_averaged_generator_lags_behind():
  config = tiny.config()
  state, _ = _stepper(config)(tiny.state(config), tiny.batch())
  start = tiny.state(config).generator
  kept = steps.ema_decay(config.options, 0)
  assert 0 < kept < 1
  chex.assert_trees_all_close(
    state.g_ema,
    jax.tree.map(
      lambda old, new: kept * old + (1 - kept) * new, start, state.generator
    ),
    rtol=1e-4,
    atol=1e-6,
  )


def test_the_penalty_flattens_the_discriminator():
  config = tiny.config()
  step = _stepper(config, steps.penalty_step)
  state = tiny.state(config)
  values = []
  for _ in range(10):
    state, metrics = step(state, tiny.batch())
    values.append(float(metrics['r1']))
  assert values[-1] < 0.9 * values[0]


def test_half_precision_trains_and_keeps_weights_exact():
  config = tiny.config(dtype='bfloat16')
  state, metrics = _stepper(config)(tiny.state(config), tiny.batch())
  assert {x.dtype for x in jax.tree.leaves(state.generator)} == {
    jnp.dtype('float32')
  }
  _, expected = _first_step()
  for name in ('generator_loss', 'discriminator_loss', 'real_logit'):
    np.testing.assert_allclose(metrics[name], expected[name], atol=0.05)


def test_a_stylegan2_trains_too():
  generator = stylegan2.StyleGAN2(8, (6, 4), 4, mapping_layers=2)
  config = tiny.config(generator=generator)
  state, metrics = _stepper(config)(tiny.state(config), tiny.batch())
  assert all(np.isfinite(x) for x in metrics.values())
  assert state.w_avg.shape == (4,)


def test_the_learning_rate_falls_to_zero_at_the_end():
  options = dataclasses.replace(tiny.OPTIONS, images=800, decay=0.25)
  rates = [float(steps.learning_rate(options, i)) for i in (0, 75, 88, 99, 100)]
  np.testing.assert_allclose(
    np.array(rates) / options.learning_rate, [1, 1, 0.48, 0.04, 0], atol=1e-5
  )


def test_the_average_forgets_faster_at_the_start():
  options = dataclasses.replace(tiny.OPTIONS, ema_images=80)
  decay = jax.vmap(lambda i: steps.ema_decay(options, i))(
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
    state_lib.TrainConfig.of(larger, tiny.DISCRIMINATOR, tiny.OPTIONS)
