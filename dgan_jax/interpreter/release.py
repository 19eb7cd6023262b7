"""The procedure of DatasetGAN's release, step by step.

All labelled pixels, each member in its own order, batches of 64, Adam 1e-3.
From the fifth epoch on, a member stops once more than 50 batches in a row have
not beaten its lowest loss; members train side by side, and one that has stopped
stays as it is while the others go on.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import optax

from dgan_jax import errors, progress, rng
from dgan_jax.interpreter import annotated, ensemble, optimization
from dgan_jax.training import loop, run_folder

if TYPE_CHECKING:  # it imports this module
  from dgan_jax.interpreter import training

BATCH_SIZE = 64
FULL_EPOCHS = 4
# A member stops at the next miss (release: `if break_count > 50`).
PATIENCE = 50
# Parts of fewer pixels in an image count as background, at any size of it.
MINIMUM_REGION = 30

# Between two reports; a compiled loop of this many batches.
_BATCHES_PER_CHUNK = 128


@flax.struct.dataclass
class State:
  """Between two chunks of batches; arrays of all members."""

  step: chex.Array  # batches seen
  member: optimization.MemberState
  best_loss: chex.Array  # lowest of a batch since the fifth epoch, [members]
  misses: chex.Array  # batches since, [members]


def adam() -> optax.GradientTransformation:
  """The release's optimizer: Adam, learning rate 1e-3, as PyTorch counts it.

  `optax.adam` computes the bias correction 1 - 0.999^t in float32, where a
  hundred-thousandth of it is lost: ten times the error of all the rest.
  """
  rate, b1, b2, eps = 1e-3, 0.9, 0.999, 1e-8

  def update(
    gradients: Any, state: optax.ScaleByAdamState, params: Any = None
  ) -> tuple[Any, optax.ScaleByAdamState]:
    del params
    count = state.count + 1
    mu = optax.tree.update_moment(gradients, state.mu, b1, 1)
    nu = optax.tree.update_moment(gradients, state.nu, b2, 2)
    mu_share = -jnp.expm1(count * math.log(b1))
    nu_root = jnp.sqrt(-jnp.expm1(count * math.log(b2)))
    updates = jax.tree.map(
      lambda m, v: -rate / mu_share * (m / (jnp.sqrt(v) / nu_root + eps)),
      mu,
      nu,
    )
    return updates, optax.ScaleByAdamState(count, mu, nu)

  return optax.GradientTransformation(optax.scale_by_adam().init, update)


def train(
  classifier: ensemble.PixelClassifier,
  pixels: annotated.AnnotatedPixels,
  options: 'training.TrainingOptions',
  *,
  loss: optimization.Loss,
  key: chex.PRNGKey,
  on_progress: progress.OnProgress | None = None,
  folder: run_folder.RunFolder | None = None,
) -> Any:
  """Trains all members; see `training.train` for the arguments.

  Returns:
    Parameters as `ensemble.Interpreter` holds them.
  """
  members, epochs = options.members, options.max_epochs
  step = optimization.make_step(classifier, adam(), loss)
  state = initial(classifier, sum(pixels.pyramid.channels), members, key)
  if folder:
    state, _ = folder.restore(state)

  @jax.jit
  def trained(
    state: State, work: tuple[annotated.AnnotatedPixels, chex.Array]
  ) -> tuple[State, loop.Metrics]:
    return run(state, *work, step, key)

  def work(first: int) -> Iterator[tuple[int, Any]]:
    found = chunks(pixels.num_pixels, members, first, epochs, key)
    return ((done, (pixels, batches)) for done, batches in found)

  steps: loop.Loop[State] = loop.Loop(
    epochs * _batches_per_epoch(pixels.num_pixels),
    folder=folder,
    is_done=lambda state: bool(jnp.all(state.misses > PATIENCE)),
    on_progress=on_progress,
  )
  state = steps.run(trained, work, state)
  return state.member.merged()


def initial(
  classifier: ensemble.PixelClassifier,
  num_features: int,
  members: int,
  key: chex.PRNGKey,
) -> State:
  """Where training starts."""
  return State(
    step=jnp.zeros((), jnp.int32),
    member=optimization.init(classifier, adam(), num_features, members, key),
    best_loss=jnp.full((members,), optimization.NO_LOSS),
    misses=jnp.zeros((members,), jnp.int32),
  )


def _batches_per_epoch(num_pixels: int) -> int:
  """The last may be smaller; one of a single pixel, which has no variance to
  normalise by, is left out.

  Raises:
    errors.UserError: no batch is left.
  """
  full, rest = divmod(num_pixels, BATCH_SIZE)
  if num_pixels < 2:
    raise errors.UserError(
      f'The masks label {num_pixels} pixels; expected two or more.'
    )
  return full + (rest > 1)


def chunks(
  num_pixels: int, members: int, first: int, epochs: int, key: chex.PRNGKey
) -> Iterator[tuple[int, chex.Array]]:
  """The batches after the first ones, as (batches done after these, pixels
  [batches, members, batch size])."""
  full, per_epoch = num_pixels // BATCH_SIZE, _batches_per_epoch(num_pixels)
  for epoch in range(first // per_epoch, epochs):
    stream = jax.random.fold_in(rng.stream(key, 'order'), epoch)
    keys = jax.random.split(stream, members)
    order = jax.vmap(lambda k: jax.random.permutation(k, num_pixels))(keys)
    batches = order[:, : full * BATCH_SIZE].reshape(members, full, BATCH_SIZE)
    batches = batches.transpose(1, 0, 2)
    start = max(first - epoch * per_epoch, 0)
    while start < full:
      chunk = batches[start : start + _BATCHES_PER_CHUNK]
      start += len(chunk)
      yield epoch * per_epoch + start, chunk
    if start < per_epoch:
      yield (epoch + 1) * per_epoch, order[None, :, full * BATCH_SIZE :]


def run(
  state: State,
  pixels: optimization.Pixels,
  batches: chex.Array,
  step: optimization.Step,
  key: chex.PRNGKey,
) -> tuple[State, loop.Metrics]:
  """Trains on batches [n, members, size]."""
  stream = rng.stream(key, 'dropout')
  full_batches = FULL_EPOCHS * _batches_per_epoch(pixels.num_pixels)

  def one(state: State, index: chex.Array) -> tuple[State, chex.Array]:
    dropout = jax.random.fold_in(stream, state.step)
    updated, loss = optimization.train_on(
      step, state.member, pixels, index, dropout
    )
    counts = state.step >= full_batches
    running = state.misses <= PATIENCE
    member = optimization.select(running, updated, state.member)
    lower = jnp.minimum(loss, state.best_loss)
    misses = jnp.where(loss < state.best_loss, 0, state.misses + 1)
    return State(
      step=state.step + 1,
      member=member,
      best_loss=jnp.where(counts, lower, state.best_loss),
      misses=jnp.where(counts & running, misses, state.misses),
    ), loss.mean()

  state, losses = jax.lax.scan(one, state, batches)
  return state, {'loss': losses.mean()}
