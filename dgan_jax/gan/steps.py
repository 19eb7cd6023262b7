"""One step of training, as pure functions of state and batch.

All randomness of a step comes from the key of the training, the number of the
step and an image's place in the batch: a step is the same after a resume, and
but for rounding on any number of devices.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import optax

from dgan_jax import rng
from dgan_jax.gan import augmentation, losses
from dgan_jax.gan import state as state_lib

Metrics = dict[str, chex.Array]
# The mean over devices of a tree that each has its own of.
Mean = Callable[[Any], Any]

# Of w_avg, per step; StyleGAN's.
_W_AVG_DECAY = 0.995
_LEAST_LOGIT = -30.0


@flax.struct.dataclass
class Gradients:
  """Of both networks, and what was found on the way.

  Attributes:
    generator: gradient of its loss.
    discriminator: gradient of its loss.
    real_logits: [n].
    fake_logits: [n].
    w: mean of the latents' w, [latent_size].
  """

  generator: Any
  discriminator: Any
  real_logits: chex.Array
  fake_logits: chex.Array
  w: chex.Array


def adversarial_step(
  recipe: state_lib.Recipe,
  state: state_lib.State,
  batch: state_lib.Batch,
  mean: Mean,
  *,
  key: chex.PRNGKey,
) -> tuple[state_lib.State, Metrics]:
  """One update of generator and discriminator.

  Args:
    recipe: networks and options.
    state: before.
    batch: this device's reals.
    mean: over devices; of one device the identity.
    key: of the training.

  Returns:
    The state after, and means of the batch: losses, logits, norms.
  """
  options = recipe.options
  keys = _sample_keys(state, batch, key)
  gradients_of = one_pass_gradients if options.one_pass else two_pass_gradients
  found = gradients_of(recipe, state, batch, keys)
  gradients, w, metrics = mean(
    (
      (found.generator, found.discriminator),
      found.w,
      {
        'generator_loss': losses.generator_loss(found.fake_logits),
        'discriminator_loss': losses.discriminator_loss(
          found.real_logits, found.fake_logits
        ),
        'real_logit': found.real_logits.mean(),
        'fake_logit': found.fake_logits.mean(),
        'real_sign': losses.overfitting(found.real_logits),
      },
    )
  )
  rate = learning_rate(options, state.step)
  generator, generator_optimizer = _update(
    recipe.generator_optimizer,
    gradients[0],
    state.generator_optimizer,
    state.generator,
    rate,
  )
  discriminator, discriminator_optimizer = _update(
    recipe.discriminator_optimizer,
    gradients[1],
    state.discriminator_optimizer,
    state.discriminator,
    rate * state_lib.discriminator_share(options),
  )
  strength = state.strength
  if options.augment:
    strength = augmentation.adapt(
      strength,
      metrics['real_sign'],
      batch_size=options.batch_size,
      target=options.augment_target,
      images_to_one=options.augment_images,
    )
  kept = average_decay(options, state.step)
  w_kept = jnp.minimum(_W_AVG_DECAY, state.step / (state.step + 1))
  after = state_lib.State(
    step=state.step + 1,
    generator=generator,
    discriminator=discriminator,
    generator_optimizer=generator_optimizer,
    discriminator_optimizer=discriminator_optimizer,
    average=optax.incremental_update(generator, state.average, 1 - kept),
    w_avg=optax.incremental_update(w, state.w_avg, 1 - w_kept),
    strength=strength,
  )
  return after, {
    **metrics,
    'generator_gradient': optax.tree.norm(gradients[0]),
    'discriminator_gradient': optax.tree.norm(gradients[1]),
    'augment_p': strength.p,
    'learning_rate': rate,
  }


def penalty_step(
  recipe: state_lib.Recipe,
  state: state_lib.State,
  batch: state_lib.Batch,
  mean: Mean,
  *,
  key: chex.PRNGKey,
) -> tuple[state_lib.State, Metrics]:
  """One update of the discriminator by the lazy R1 penalty (Karras et al.
  2020, section 3.1), float32; arguments as of `adversarial_step`.

  To be done every `r1_interval` steps, as weighty as if it were in each.
  """
  options = recipe.options
  stride = options.batch_size // options.r1_batch
  batch = jax.tree.map(lambda x: x[::stride], batch)
  keys = _sample_keys(state, batch, rng.stream(key, 'penalty'))
  reals = _reals(recipe, batch, keys)

  def penalty(params: Any) -> chex.Array:
    def score(images: chex.Array) -> chex.Array:
      images = _changed(recipe, state, images, keys, 'reals')
      return recipe.discriminator.score(params, images)

    return losses.r1_penalty(score, reals)

  weight = options.r1_interval * options.r1_gamma / 2
  value, gradient = mean(jax.value_and_grad(penalty)(state.discriminator))
  gradient = jax.tree.map(lambda x: weight * x, gradient)
  # The step was counted already.
  rate = learning_rate(options, state.step - 1)
  discriminator, optimizer = _update(
    recipe.discriminator_optimizer,
    gradient,
    state.discriminator_optimizer,
    state.discriminator,
    rate * state_lib.discriminator_share(options),
  )
  after = dataclasses.replace(
    state, discriminator=discriminator, discriminator_optimizer=optimizer
  )
  return after, {'r1': value, 'r1_gradient': optax.tree.norm(gradient)}


def one_pass_gradients(
  recipe: state_lib.Recipe,
  state: state_lib.State,
  batch: state_lib.Batch,
  keys: chex.PRNGKey,
) -> Gradients:
  """Gradients of both losses from one pass of the fakes.

  The losses' gradients at a fake differ by a factor, that of their slopes at
  its logit. So what the discriminator's loss sends back to the fakes, with
  every sample rescaled, is what the generator's would; but for the variety of
  a group, where samples meet.

  Args:
    recipe: networks and options.
    state: before the step.
    batch: reals.
    keys: of the samples, [n].
  """
  fakes, pull_generator, w = jax.vjp(
    lambda params: _fakes(recipe, params, keys), state.generator, has_aux=True
  )
  logits, pull_discriminator = jax.vjp(
    lambda params, images: _score(recipe, state, params, images, keys, 'fakes'),
    state.discriminator,
    fakes,
  )
  # Lower, the slope and what follows from it would leave float32's range.
  bounded = jnp.maximum(logits, _LEAST_LOGIT)
  slopes = jax.nn.sigmoid(bounded) / len(logits)
  fake_gradient, image_gradient = pull_discriminator(slopes)
  # -sigmoid(-x) / sigmoid(x)
  factors = -jnp.exp(-bounded)[:, None, None, None]
  (generator_gradient,) = pull_generator(image_gradient * factors)
  real_logits, real_gradient = _real_gradient(recipe, state, batch, keys)
  return Gradients(
    generator_gradient,
    jax.tree.map(jnp.add, fake_gradient, real_gradient),
    real_logits,
    logits,
    w,
  )


def two_pass_gradients(
  recipe: state_lib.Recipe,
  state: state_lib.State,
  batch: state_lib.Batch,
  keys: chex.PRNGKey,
) -> Gradients:
  """The same, each loss by a pass of its own."""

  def generator_loss(params: Any) -> tuple[chex.Array, Any]:
    fakes, w = _fakes(recipe, params, keys)
    logits = _score(recipe, state, state.discriminator, fakes, keys, 'fakes')
    return losses.generator_loss(logits), (fakes, w)

  def fake_loss(params: Any, fakes: chex.Array) -> tuple[chex.Array, Any]:
    logits = _score(recipe, state, params, fakes, keys, 'fakes')
    return jax.nn.softplus(logits).mean(), logits

  generator_gradient, (fakes, w) = jax.grad(generator_loss, has_aux=True)(
    state.generator
  )
  fake_gradient, logits = jax.grad(fake_loss, has_aux=True)(
    state.discriminator, fakes
  )
  real_logits, real_gradient = _real_gradient(recipe, state, batch, keys)
  return Gradients(
    generator_gradient,
    jax.tree.map(jnp.add, fake_gradient, real_gradient),
    real_logits,
    logits,
    w,
  )


def learning_rate(options: state_lib.Options, step: chex.Array) -> chex.Array:
  """Constant, then linear to zero over the share `decay` of the training."""
  left = 1 - step / options.steps
  share = left / options.decay if options.decay else jnp.ones(())
  return options.learning_rate * jnp.clip(share, 0, 1)


def average_decay(options: state_lib.Options, step: chex.Array) -> chex.Array:
  """What the averaged weights keep of themselves in this step."""
  shown = (step + 1) * options.batch_size
  half_life = jnp.minimum(options.ema_images, options.ema_rampup * shown)
  return jnp.exp2(-options.batch_size / jnp.maximum(half_life, 1e-6))


def mixed_ws(
  recipe: state_lib.Recipe, params: Any, keys: chex.PRNGKey
) -> tuple[chex.Array, chex.Array]:
  """Styles of random latents, some of them of two (Karras et al. 2019,
  section 3.1: style mixing).

  Returns:
    ws [n, num_ws, latent_size], and the mean of w [latent_size].
  """
  architecture, mixing = recipe.generator, recipe.options.mixing

  def mapped(keys: chex.PRNGKey) -> chex.Array:
    z = rng.latents(keys, architecture.latent_size)
    return architecture.map(params, z)

  w = mapped(keys)
  ws = jnp.repeat(w[:, None], architecture.num_ws, axis=1)
  mean = jax.lax.stop_gradient(w.mean(0))
  if not mixing:
    return ws, mean
  mix_keys = jax.vmap(lambda key: rng.stream(key, 'mixing'))(keys)
  rows = jnp.arange(architecture.num_ws)

  def first_mixed(key: chex.PRNGKey) -> chex.Array:
    """The row from which the second latent rules."""
    row = jax.random.randint(rng.stream(key, 'row'), (), 1, len(rows))
    mixes = jax.random.bernoulli(rng.stream(key, 'mixes'), mixing)
    return jnp.where(mixes, row, len(rows))

  second = rows[None] >= jax.vmap(first_mixed)(mix_keys)[:, None]
  return jnp.where(second[..., None], mapped(mix_keys)[:, None], ws), mean


def _fakes(
  recipe: state_lib.Recipe, params: Any, keys: chex.PRNGKey
) -> tuple[chex.Array, chex.Array]:
  """Fakes [n, size, size, 3] and the mean of w."""
  ws, w = mixed_ws(recipe, params, keys)
  noise = rng.noise(keys, recipe.generator.noise_resolutions)
  dtype = jnp.dtype(recipe.options.dtype)
  rgb, _ = recipe.generator.synthesize(params, ws, noise, dtype)
  return rgb, w


def _real_gradient(
  recipe: state_lib.Recipe,
  state: state_lib.State,
  batch: state_lib.Batch,
  keys: chex.PRNGKey,
) -> tuple[chex.Array, Any]:
  """Logits of the reals, and the gradient of the discriminator's loss."""
  reals = _reals(recipe, batch, keys)

  def loss(params: Any) -> tuple[chex.Array, chex.Array]:
    logits = _score(recipe, state, params, reals, keys, 'reals')
    return jax.nn.softplus(-logits).mean(), logits

  gradient, logits = jax.grad(loss, has_aux=True)(state.discriminator)
  return logits, gradient


def _reals(
  recipe: state_lib.Recipe, batch: state_lib.Batch, keys: chex.PRNGKey
) -> chex.Array:
  """Real images in [-1, 1], half of them mirrored if that is allowed."""
  # The inverse of `features.to_uint8`, up to what that rounds off.
  images = (batch.images.astype(jnp.float32) - 127.5) / 127.5
  if not recipe.options.flip:
    return images
  flips = jax.vmap(lambda key: jax.random.bernoulli(rng.stream(key, 'flip')))(
    keys
  )
  return jnp.where(flips[:, None, None, None], images[:, :, ::-1], images)


def _score(
  recipe: state_lib.Recipe,
  state: state_lib.State,
  params: Any,
  images: chex.Array,
  keys: chex.PRNGKey,
  kind: str,
) -> chex.Array:
  images = _changed(recipe, state, images, keys, kind)
  dtype = jnp.dtype(recipe.options.dtype)
  return recipe.discriminator.score(params, images, dtype)


def _changed(
  recipe: state_lib.Recipe,
  state: state_lib.State,
  images: chex.Array,
  keys: chex.PRNGKey,
  kind: str,
) -> chex.Array:
  """What the discriminator gets to see of images."""
  if not recipe.options.augment:
    return images
  keys = jax.vmap(lambda key: rng.stream(key, f'augment {kind}'))(keys)
  return augmentation.augment(images, state.strength.p, keys=keys)


def _sample_keys(
  state: state_lib.State, batch: state_lib.Batch, key: chex.PRNGKey
) -> chex.PRNGKey:
  """Keys [n] of this step's samples."""
  step_key = jax.random.fold_in(rng.stream(key, 'steps'), state.step)
  return rng.sample_keys(step_key, batch.places)


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
