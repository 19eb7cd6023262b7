"""What generator and discriminator are trained to lower."""

from collections.abc import Callable
from typing import Any

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
    score: (params, images) to logits [batch].
    params: of the discriminator.
    images: [batch, height, width, 3].

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
