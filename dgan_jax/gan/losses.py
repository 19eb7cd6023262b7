"""What generator and discriminator are trained to lower."""

from collections.abc import Callable

import chex
import jax
import jax.numpy as jnp


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
  score: Callable[[chex.Array], chex.Array], images: chex.Array
) -> chex.Array:
  """How steep the discriminator is at real images: the mean of |gradient|^2
  (Mescheder et al. 2018, equation 9, without gamma / 2).

  Args:
    score: images to logits [batch].
    images: [batch, height, width, 3].
  """
  gradient = jax.grad(lambda x: score(x).sum())(images)
  return jnp.square(gradient).sum((1, 2, 3)).mean()


def overfitting(real_logits: chex.Array) -> chex.Array:
  """Mean sign of the logits of reals (Karras et al. 2020a, equation 1): 0
  where the discriminator learns nothing by heart, 1 where it does all."""
  return jnp.sign(real_logits).mean()
