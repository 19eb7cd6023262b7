"""Losses of generator and discriminator, and their gradients on one batch."""

import functools
from collections.abc import Callable
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp

from dgan_jax import rng
from dgan_jax.gan import augmentation
from dgan_jax.gan import state as state_lib

# Beyond, slopes and their quotients would leave float32's range.
_LARGEST_LOGIT = 30.0


@flax.struct.dataclass
class Gradients:
  """Of both networks' losses, and what was found on the way."""

  generator: Any
  discriminator: Any
  real_logits: chex.Array  # [n]
  fake_logits: chex.Array  # [n]
  w: chex.Array  # mean of the latents' w, [latent_size]


def in_one_pass(
  config: state_lib.TrainConfig,
  state: state_lib.State,
  batch: state_lib.Batch,
  keys: chex.PRNGKey,
) -> Gradients:
  """Gradients of both losses from one pass of the fakes.

  As far as samples don't meet, the losses' gradients at a fake differ by a
  factor, the quotient of their slopes at its logit. So one of them is sent
  back through the discriminator's trunk, and with every sample rescaled it is
  the other. In the head they do meet, through the deviation in their group; it
  is small and both gradients pass through it. Of the two, the one is sent on
  that rescaling makes smaller (the generator's, where the fake is taken for
  one): what a sample got from its group is then at most weakened in the
  other, never blown up.
  """
  discriminator, dtype = config.discriminator, jnp.dtype(config.options.dtype)
  fakes, pull_generator, w = jax.vjp(
    lambda params: _fakes(config, params, keys), state.generator, has_aux=True
  )

  def trunk(params: Any, images: chex.Array) -> chex.Array:
    images = augmented(config, state, images, keys, 'fakes')
    return discriminator.trunk(params, images, dtype)

  x, pull_trunk = jax.vjp(trunk, state.discriminator, fakes)
  head = functools.partial(discriminator.head, dtype=dtype)
  logits, pull_head = jax.vjp(head, state.discriminator, x)
  bounded = jnp.clip(logits, -_LARGEST_LOGIT, _LARGEST_LOGIT)
  head_gradient, x_gradient = pull_head(jax.nn.sigmoid(bounded) / len(logits))
  _, x_pull = pull_head(-jax.nn.sigmoid(-bounded) / len(logits))

  def each(factors: chex.Array, x: chex.Array) -> chex.Array:
    return factors.astype(x.dtype)[:, None, None, None] * x

  # The generator's slope is -exp(-logit) times the discriminator's.
  seen_through = (bounded <= 0)[:, None, None, None]
  x_gradient = jnp.where(
    seen_through, each(-jnp.exp(bounded), x_pull), x_gradient
  )
  trunk_gradient, image_gradient = pull_trunk(x_gradient)
  (generator_gradient,) = pull_generator(
    each(-jnp.exp(-bounded), image_gradient)
  )
  real_logits, real_gradient = _real_gradient(config, state, batch, keys)
  parts = (trunk_gradient, head_gradient, real_gradient)
  gradient = jax.tree.map(lambda *leaves: sum(leaves), *parts)
  return Gradients(generator_gradient, gradient, real_logits, logits, w)


def mixed_ws(
  config: state_lib.TrainConfig, params: Any, keys: chex.PRNGKey
) -> tuple[chex.Array, chex.Array]:
  """Styles of random latents, some of them of two (Karras et al. 2019,
  section 3.1: style mixing).

  Returns:
    ws [n, num_ws, latent_size], and the mean of w [latent_size].
  """
  architecture, mixing = config.generator, config.options.mixing

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
  config: state_lib.TrainConfig, params: Any, keys: chex.PRNGKey
) -> tuple[chex.Array, chex.Array]:
  """Fakes [n, size, size, 3] and the mean of w."""
  ws, w = mixed_ws(config, params, keys)
  # The barrier: else XLA draws a pixel's noise anew for each of its channels.
  noise = jax.lax.optimization_barrier(
    rng.noise(keys, config.generator.noise_resolutions)
  )
  dtype = jnp.dtype(config.options.dtype)
  rgb, _ = config.generator.synthesize(params, ws, noise, dtype)
  return rgb, w


def _real_gradient(
  config: state_lib.TrainConfig,
  state: state_lib.State,
  batch: state_lib.Batch,
  keys: chex.PRNGKey,
) -> tuple[chex.Array, Any]:
  """Logits of the reals, and the gradient of the discriminator's loss."""
  dtype = jnp.dtype(config.options.dtype)
  images = augmented(config, state, reals(config, batch, keys), keys, 'reals')

  def loss(params: Any) -> tuple[chex.Array, chex.Array]:
    logits = config.discriminator.score(params, images, dtype)
    return jax.nn.softplus(-logits).mean(), logits

  gradient, logits = jax.grad(loss, has_aux=True)(state.discriminator)
  return logits, gradient


def reals(
  config: state_lib.TrainConfig, batch: state_lib.Batch, keys: chex.PRNGKey
) -> chex.Array:
  """Real images in [-1, 1], half of them mirrored if that is allowed."""
  # The inverse of `features.to_uint8`, up to what that rounds off.
  images = (batch.images.astype(jnp.float32) - 127.5) / 127.5
  if not config.options.flip:
    return images
  keys = jax.vmap(lambda key: rng.stream(key, 'flip'))(keys)
  flips = jax.vmap(jax.random.bernoulli)(keys)
  return jnp.where(flips[:, None, None, None], images[:, :, ::-1], images)


def augmented(
  config: state_lib.TrainConfig,
  state: state_lib.State,
  images: chex.Array,
  keys: chex.PRNGKey,
  kind: str,
) -> chex.Array:
  """What the discriminator gets to see of images."""
  if not config.options.augment:
    return images
  keys = jax.vmap(lambda key: rng.stream(key, f'augment {kind}'))(keys)
  return augmentation.augment(images, state.ada.p, keys=keys)


def generator_loss(fake_logits: chex.Array) -> chex.Array:
  """Non-saturating logistic loss (Goodfellow et al. 2014), the mean of
  -log sigmoid(logit) over fakes [batch]."""
  return jax.nn.softplus(-fake_logits).mean()


def discriminator_loss(
  real_logits: chex.Array, fake_logits: chex.Array
) -> chex.Array:
  """Logistic loss: mean -log sigmoid(logit) of the reals [batch] plus mean
  -log(1 - sigmoid(logit)) of the fakes [batch]."""
  return (
    jax.nn.softplus(-real_logits).mean() + jax.nn.softplus(fake_logits).mean()
  )


def r1_penalty(
  score: Callable[[Any, chex.Array], chex.Array],
  params: Any,
  images: chex.Array,
) -> tuple[chex.Array, Any]:
  """How steep the discriminator is at real images: the mean of |gradient|^2
  (Mescheder et al. 2018, equation 9, without gamma / 2).

  With slope the gradient by the images, held fixed, the penalty's gradient by
  the parameters is twice the derivative of theirs along slope. Taken forward
  it needs no operation that the training does not need anyway: eight times
  faster on CPUs than differentiating backward twice.

  Args:
    score: (params, images [batch, height, width, 3]) to logits [batch].
    params, images: that the penalty is taken at.

  Returns:
    The penalty and its gradient by the parameters.
  """
  slope = jax.grad(lambda x: score(params, x).sum())(images)
  _, along_slope = jax.jvp(
    lambda x: jax.grad(lambda params: score(params, x).sum())(params),
    (images,),
    (slope,),
  )
  gradient = jax.tree.map(lambda x: 2 / len(images) * x, along_slope)
  return jnp.square(slope).sum((1, 2, 3)).mean(), gradient


def overfitting(real_logits: chex.Array) -> chex.Array:
  """Mean sign of the logits of reals (Karras et al. 2020a, equation 1): 0
  where the discriminator learns nothing by heart, 1 where it does all."""
  return jnp.sign(real_logits).mean()
