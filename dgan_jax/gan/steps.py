"""One step of training, as pure functions of state and batch.

All randomness of a step comes from the key of the training, the number of the
step and an image's place in the batch: a step is the same after a resume, and
but for rounding on any number of devices.
"""

import dataclasses
from typing import Any

import chex
import jax
import jax.numpy as jnp
import optax

from dgan_jax import parallel, rng
from dgan_jax.gan import augmentation
from dgan_jax.gan import gradients as gradients_lib
from dgan_jax.gan import state as state_lib
from dgan_jax.training import loop

# Of w_avg, per step; StyleGAN's.
_W_AVG_DECAY = 0.995


def adversarial_step(
  config: state_lib.TrainConfig,
  state: state_lib.State,
  batch: state_lib.Batch,
  mean: parallel.Mean,
  *,
  key: chex.PRNGKey,
) -> tuple[state_lib.State, loop.Metrics]:
  """One update of generator and discriminator, by this device's reals; `mean`
  is over devices, `key` that of the training.

  Returns:
    The state after, and means of the batch: losses, logits, norms.
  """
  options = config.options
  keys = _sample_keys(state, batch, key)
  found = gradients_lib.in_one_pass(config, state, batch, keys)
  gradients, w, metrics = mean(
    (
      (found.generator, found.discriminator),
      found.w,
      {
        'generator_loss': gradients_lib.generator_loss(found.fake_logits),
        'discriminator_loss': gradients_lib.discriminator_loss(
          found.real_logits, found.fake_logits
        ),
        'real_logit': found.real_logits.mean(),
        'fake_logit': found.fake_logits.mean(),
        'real_sign': gradients_lib.overfitting(found.real_logits),
      },
    )
  )
  rate = learning_rate(options, state.step)
  before = (state.generator_optimizer, state.generator)
  generator, generator_optimizer = _update(
    config.generator_optimizer, gradients[0], *before, rate
  )
  before = (state.discriminator_optimizer, state.discriminator)
  share = state_lib.discriminator_share(options)
  discriminator, discriminator_optimizer = _update(
    config.discriminator_optimizer, gradients[1], *before, rate * share
  )
  ada = state.ada
  if options.augment:
    ada = augmentation.adapt(
      ada,
      metrics['real_sign'],
      batch_size=options.batch_size,
      target=options.augment_target,
      images_to_one=options.augment_images,
    )
  kept = ema_decay(options, state.step)
  w_kept = jnp.minimum(_W_AVG_DECAY, state.step / (state.step + 1))
  after = state_lib.State(
    step=state.step + 1,
    generator=generator,
    discriminator=discriminator,
    generator_optimizer=generator_optimizer,
    discriminator_optimizer=discriminator_optimizer,
    g_ema=optax.incremental_update(generator, state.g_ema, 1 - kept),
    w_avg=optax.incremental_update(w, state.w_avg, 1 - w_kept),
    ada=ada,
  )
  return after, {
    **metrics,
    'generator_gradient': optax.tree.norm(gradients[0]),
    'discriminator_gradient': optax.tree.norm(gradients[1]),
    'augment_p': ada.p,
    'learning_rate': rate,
  }


def penalty_step(
  config: state_lib.TrainConfig,
  state: state_lib.State,
  batch: state_lib.Batch,
  mean: parallel.Mean,
  *,
  key: chex.PRNGKey,
) -> tuple[state_lib.State, loop.Metrics]:
  """One update of the discriminator by the lazy R1 penalty (Karras et al.
  2020, section 3.1), float32; arguments as of `adversarial_step`.

  To be done every `r1_interval` steps, as weighty as if it were in each.
  """
  options = config.options
  stride = options.batch_size // options.r1_batch
  batch = jax.tree.map(lambda x: x[::stride], batch)
  keys = _sample_keys(state, batch, rng.stream(key, 'penalty'))
  reals = gradients_lib.reals(config, batch, keys)

  def score(params: Any, images: chex.Array) -> chex.Array:
    images = gradients_lib.augmented(config, state, images, keys, 'reals')
    return config.discriminator.score(params, images)

  weight = options.r1_interval * options.r1_gamma / 2
  value, gradient = mean(
    gradients_lib.r1_penalty(score, state.discriminator, reals)
  )
  gradient = jax.tree.map(lambda x: weight * x, gradient)
  # The step was counted already.
  rate = learning_rate(options, state.step - 1)
  before = (state.discriminator_optimizer, state.discriminator)
  share = state_lib.discriminator_share(options)
  discriminator, optimizer = _update(
    config.discriminator_optimizer, gradient, *before, rate * share
  )
  after = dataclasses.replace(
    state, discriminator=discriminator, discriminator_optimizer=optimizer
  )
  return after, {'r1': value, 'r1_gradient': optax.tree.norm(gradient)}


def learning_rate(options: state_lib.Options, step: chex.Array) -> chex.Array:
  """Constant, then linear to zero over the share `decay` of the training."""
  left = 1 - step / options.steps
  share = left / options.decay if options.decay else jnp.ones(())
  return options.learning_rate * jnp.clip(share, 0, 1)


def ema_decay(options: state_lib.Options, step: chex.Array) -> chex.Array:
  """What g_ema keeps of itself in this step, by the half-life and ramp-up of
  StyleGAN2-ADA."""
  shown = (step + 1) * options.batch_size
  half_life = jnp.minimum(options.ema_images, options.ema_rampup * shown)
  return jnp.exp2(-options.batch_size / jnp.maximum(half_life, 1e-6))


def _sample_keys(
  state: state_lib.State, batch: state_lib.Batch, key: chex.PRNGKey
) -> chex.PRNGKey:
  """Keys [n] of this step's samples."""
  step_key = jax.random.fold_in(rng.stream(key, 'steps'), state.step)
  return rng.sample_keys(step_key, batch.positions)


def _update(
  optimizer: optax.GradientTransformation,
  gradient: Any,
  optimizer_state: Any,
  params: Any,
  rate: chex.Array,
) -> tuple[Any, Any]:
  updates, optimizer_state = optimizer.update(gradient, optimizer_state, params)
  updates = jax.tree.map(lambda x: -rate * x, updates)
  return optax.apply_updates(params, updates), optimizer_state
