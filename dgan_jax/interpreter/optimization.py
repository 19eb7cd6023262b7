"""One training step of one ensemble member; `jax.vmap` makes it of all."""

from collections.abc import Callable
from typing import Any, Protocol

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgan_jax import rng
from dgan_jax.interpreter import ensemble


@flax.struct.dataclass
class MemberState:
  """What training changes of one member, or stacked, of all of them."""

  params: Any
  batch_stats: Any
  optimizer: Any

  def merged(self) -> Any:
    """The tree that `ensemble.Interpreter` holds."""
    return ensemble.merge_batch_stats(self.params, self.batch_stats)


# Before there is one; a number, as only finite states are saved.
NO_LOSS = np.finfo(np.float32).max

# (outputs [n, names], targets [n, ...]) -> mean loss.
Loss = Callable[[chex.Array, chex.Array], chex.Array]
Step = Callable[
  [MemberState, chex.Array, chex.Array, chex.PRNGKey],
  tuple[MemberState, chex.Array],
]


class Pixels(Protocol):
  """What members learn from; see `annotated.AnnotatedPixels`."""

  @property
  def num_pixels(self) -> int: ...

  def gather(self, index: chex.Array) -> tuple[chex.Array, chex.Array]: ...


def init(
  classifier: ensemble.PixelClassifier,
  optimizer: optax.GradientTransformation,
  num_features: int,
  members: int,
  key: chex.PRNGKey,
) -> MemberState:
  """All members: weights N(0, 0.02), biases zero, as in the release."""

  def one(key: chex.PRNGKey) -> MemberState:
    variables = classifier.init(key, jnp.zeros((1, num_features)))
    params = variables['params']
    return MemberState(params, variables['batch_stats'], optimizer.init(params))

  return jax.vmap(one)(jax.random.split(rng.stream(key, 'init'), members))


def make_step(
  classifier: ensemble.PixelClassifier,
  optimizer: optax.GradientTransformation,
  loss: Loss,
) -> Step:
  """The pure function that trains one member on one batch.

  Args:
    classifier: the member's network.
    optimizer: of its parameters.
    loss: what it lowers; see `tasks.task.Task.loss`.

  Returns:
    (state, x [n, features], targets [n, ...], key for dropout) ->
    (state, loss).
  """

  def step(
    state: MemberState, x: chex.Array, targets: chex.Array, key: chex.PRNGKey
  ) -> tuple[MemberState, chex.Array]:
    def batch_loss(params: Any) -> tuple[chex.Array, Any]:
      outputs, updated = classifier.apply(
        {'params': params, 'batch_stats': state.batch_stats},
        x,
        train=True,
        mutable=['batch_stats'],
        rngs={'dropout': key},
      )
      return loss(outputs, targets), updated['batch_stats']

    gradient = jax.value_and_grad(batch_loss, has_aux=True)
    (value, batch_stats), grads = gradient(state.params)
    updates, moments = optimizer.update(grads, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    return MemberState(params, batch_stats, moments), value

  return step


def train_on(
  step: Step,
  member: MemberState,
  pixels: Pixels,
  index: chex.Array,
  key: chex.PRNGKey,
) -> tuple[MemberState, chex.Array]:
  """A step of all members, each on its own pixels [members, batch size]."""
  x, targets = pixels.gather(index.ravel())
  return jax.vmap(step)(
    member,
    x.reshape(*index.shape, -1),
    targets.reshape(*index.shape, *targets.shape[1:]),
    jax.random.split(key, index.shape[0]),
  )


def select(chosen: chex.Array, new: Any, old: Any) -> Any:
  """Of stacked trees, the members [members] chosen from `new`, the others
  from `old`."""

  def leaf(a: chex.Array, b: chex.Array) -> chex.Array:
    return jnp.where(chosen.reshape(-1, *[1] * (a.ndim - 1)), a, b)

  return jax.tree.map(leaf, new, old)
