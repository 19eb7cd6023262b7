"""The procedure of DatasetGAN's release, step by step.

All labelled pixels, each member in its own order, batches of 64, Adam 1e-3.
From the fifth epoch on, a member stops once more than 50 batches in a row have
not beaten its lowest loss; members train side by side, and one that has stopped
stays as it is while the others go on.
"""

import dataclasses
import math
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgan_jax import progress, rng
from dgan_jax.interpreter import annotated, ensemble, optimization

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
  """Between two chunks of batches; arrays of all members.

  Attributes:
    epoch: the number of the epoch under way.
    chunk: chunks of it that are done.
    member: what is trained.
    best_loss: lowest loss of a batch since the fifth epoch, [members].
    misses: batches since, [members].
  """

  epoch: chex.Array
  chunk: chex.Array
  member: optimization.MemberState
  best_loss: chex.Array
  misses: chex.Array


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
  *,
  members: int,
  max_epochs: int,
  loss: optimization.Loss,
  key: chex.PRNGKey,
  on_progress: progress.OnProgress | None = None,
  checkpoint: optimization.Checkpoint | None = None,
) -> Any:
  """Trains all members; see `training.train` for the arguments.

  Returns:
    Parameters as `ensemble.Interpreter` holds them.
  """
  optimizer = adam()
  step = optimization.make_step(classifier, optimizer, loss)
  num_features = sum(pixels.pyramid.channels)
  keys = jax.random.split(rng.stream(key, 'init'), members)
  state = State(
    epoch=jnp.zeros((), jnp.int32),
    chunk=jnp.zeros((), jnp.int32),
    member=jax.vmap(
      lambda k: optimization.init(classifier, optimizer, num_features, k)
    )(keys),
    best_loss=jnp.full((members,), jnp.inf, jnp.float32),
    misses=jnp.zeros((members,), jnp.int32),
  )
  state = (checkpoint and checkpoint.restore(state)) or state

  @jax.jit
  def run(
    state: State, pixels: annotated.AnnotatedPixels, batches: chex.Array
  ) -> tuple[State, chex.Array]:
    return _run(state, pixels, batches, step, key)

  total = max_epochs * -(-pixels.num_pixels // BATCH_SIZE)
  done = 0
  while int(state.epoch) < max_epochs and not (state.misses > PATIENCE).all():
    chunks = _epoch(pixels.num_pixels, members, int(state.epoch), key)
    for batches in chunks[int(state.chunk) :]:
      state, mean_loss = run(state, pixels, batches)
      state = dataclasses.replace(state, chunk=state.chunk + 1)
      epoch, chunk = int(state.epoch), int(state.chunk)
      done = epoch * (total // max_epochs) + min(
        chunk * _BATCHES_PER_CHUNK, total // max_epochs
      )
      if not np.isfinite(mean_loss):
        raise FloatingPointError(
          f'The loss is not finite within the {len(batches)} batches before '
          f'batch {done}.'
        )
      if on_progress:
        on_progress(done, total, {'loss': float(mean_loss)})
      if checkpoint:
        checkpoint.save(state)
    state = dataclasses.replace(
      state, epoch=state.epoch + 1, chunk=jnp.zeros((), jnp.int32)
    )
  if on_progress:
    on_progress(total, total, {})
  return state.member.merged()


def _epoch(
  num_pixels: int, members: int, epoch: int, key: chex.PRNGKey
) -> list[chex.Array]:
  """The pixels of an epoch as chunks [batches, members, batch size].

  The last batch may be smaller; one of a single pixel, which has no variance
  to normalise by, is left out.
  """
  stream = jax.random.fold_in(rng.stream(key, 'order'), epoch)
  order = jax.vmap(lambda k: jax.random.permutation(k, num_pixels))(
    jax.random.split(stream, members)
  )
  full = num_pixels // BATCH_SIZE
  batches = order[:, : full * BATCH_SIZE].reshape(members, full, BATCH_SIZE)
  batches = batches.transpose(1, 0, 2)
  chunks = [
    batches[i : i + _BATCHES_PER_CHUNK]
    for i in range(0, full, _BATCHES_PER_CHUNK)
  ]
  rest = order[:, full * BATCH_SIZE :]
  if rest.shape[1] > 1:
    chunks.append(rest[None])
  return chunks


def _run(
  state: State,
  pixels: annotated.AnnotatedPixels,
  batches: chex.Array,
  step: optimization.Step,
  key: chex.PRNGKey,
) -> tuple[State, chex.Array]:
  """Trains on batches [n, members, size]; returns the mean loss too."""
  members = batches.shape[1]
  counts = state.epoch >= FULL_EPOCHS
  stream = jax.random.fold_in(rng.stream(key, 'dropout'), state.epoch)
  stream = jax.random.fold_in(stream, state.chunk)

  def one(
    state: State, batch: tuple[chex.Array, chex.Array]
  ) -> tuple[State, chex.Array]:
    index, number = batch
    x, targets = pixels.gather(index.ravel())
    keys = jax.random.split(jax.random.fold_in(stream, number), members)
    updated, loss = jax.vmap(step)(
      state.member,
      x.reshape(*index.shape, -1),
      targets.reshape(*index.shape, *targets.shape[1:]),
      keys,
    )
    running = state.misses <= PATIENCE
    member = optimization.select(running, updated, state.member)
    better = loss < state.best_loss
    misses = jnp.where(better, 0, state.misses + 1)
    return dataclasses.replace(
      state,
      member=member,
      best_loss=jnp.where(
        counts, jnp.minimum(loss, state.best_loss), state.best_loss
      ),
      misses=jnp.where(counts & running, misses, state.misses),
    ), loss.mean()

  numbers = jnp.arange(batches.shape[0])
  state, losses = jax.lax.scan(one, state, (batches, numbers))
  return state, losses.mean()
