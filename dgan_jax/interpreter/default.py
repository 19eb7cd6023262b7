"""The default training procedure: as good as the release's, in a tenth of it.

Large batches of pixels, drawn region by region so that small parts are seen
as well as large ones; a learning rate that starts high and falls to zero; the
parameters kept are those with the lowest loss on pixels held out.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgan_jax import progress, rng
from dgan_jax.interpreter import annotated, ensemble, optimization
from dgan_jax.training import loop, run_folder

if TYPE_CHECKING:  # it imports this module
  from dgan_jax.interpreter import training

# Of a batch of one member, the share that cycles through all regions.
_CYCLED_SHARE = 1 / 8
_MAX_HELD_OUT = 4096


@flax.struct.dataclass
class State:
  """Training between two evaluations; arrays of all members."""

  step: chex.Array  # batches seen
  member: optimization.MemberState
  best: Any  # parameters with the lowest held-out loss
  best_loss: chex.Array  # that loss, [members]
  misses: chex.Array  # evaluations since, [members]


# (step number) -> pixel indices int32 [members, batch_size].
Draw = Callable[[chex.Array], chex.Array]


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

  Raises:
    FloatingPointError: the loss is not finite; says between which steps.
  """
  optimizer = adamw(options)
  step = optimization.make_step(classifier, optimizer, loss)

  def initial() -> State:
    members = options.members
    size = sum(pixels.pyramid.channels)
    member = optimization.init(classifier, optimizer, size, members, key)
    return State(
      step=jnp.zeros((), jnp.int32),
      member=member,
      best=member.merged(),
      best_loss=jnp.full((members,), optimization.NO_LOSS),
      misses=jnp.zeros((members,), jnp.int32),
    )

  state = jax.jit(initial)()
  if folder:
    state, _ = folder.restore(state)
  held_out = _held_out(pixels, options, key)
  draw = _region_sampler(pixels, held_out, options, key)
  tested = jnp.flatnonzero(held_out)

  every = options.steps_per_evaluation

  @jax.jit
  def trained(
    state: State, pixels: annotated.AnnotatedPixels
  ) -> tuple[State, loop.Metrics]:
    """Trains until the next evaluation, and evaluates."""
    numbers = state.step + jnp.arange(every)

    def one(member: optimization.MemberState, number: chex.Array) -> Any:
      dropout = jax.random.fold_in(rng.stream(key, 'dropout'), number)
      return optimization.train_on(step, member, pixels, draw(number), dropout)

    member, losses = jax.lax.scan(one, state.member, numbers)
    if tested.size:
      tested_loss = _evaluate(classifier, member, pixels, tested)
    else:
      tested_loss = jnp.full(options.members, -numbers[-1], jnp.float32)
    state = _keep_best(state, numbers[-1] + 1, member, tested_loss)
    metrics = {'loss': losses.mean()}
    if tested.size:
      metrics['held_out_loss'] = state.best_loss.mean()
    return state, metrics

  def batches(first: int) -> Iterator[tuple[int, annotated.AnnotatedPixels]]:
    return ((i + every, pixels) for i in range(first, options.steps, every))

  steps: loop.Loop[State] = loop.Loop(
    options.steps,
    folder=folder,
    is_done=lambda state: bool(jnp.all(state.misses >= options.patience)),
    on_progress=on_progress,
  )
  state = steps.run(trained, batches, state)
  return state.best


def adamw(options: 'training.TrainingOptions') -> optax.GradientTransformation:
  """Adam of a learning rate that falls to zero as a cosine."""
  schedule = optax.cosine_decay_schedule(options.learning_rate, options.steps)
  return optax.adamw(schedule, b2=0.99, weight_decay=options.weight_decay)


def _evaluate(
  classifier: ensemble.PixelClassifier,
  member: optimization.MemberState,
  pixels: annotated.AnnotatedPixels,
  index: chex.Array,
) -> chex.Array:
  """Mean loss of every member on some pixels, unweighted, [members]."""
  x, targets = pixels.gather(index)

  def one(params: Any, batch_stats: Any) -> chex.Array:
    variables = {'params': params, 'batch_stats': batch_stats}
    return pixels.task.loss(classifier.apply(variables, x), targets)

  return jax.vmap(one)(member.params, member.batch_stats)


def _keep_best(
  state: State,
  step: chex.Array,
  member: optimization.MemberState,
  loss: chex.Array,
) -> State:
  better = loss < state.best_loss
  return State(
    step=step,
    member=member,
    best=optimization.select(better, member.merged(), state.best),
    best_loss=jnp.minimum(loss, state.best_loss),
    misses=jnp.where(better, 0, state.misses + 1),
  )


def _held_out(
  pixels: annotated.AnnotatedPixels,
  options: 'training.TrainingOptions',
  key: chex.PRNGKey,
) -> np.ndarray:
  """Pixels kept out of training, bool [pixels]; of any region one stays."""
  count = min(int(pixels.num_pixels * options.held_out), _MAX_HELD_OUT)
  order = jax.random.permutation(rng.stream(key, 'held_out'), pixels.num_pixels)
  held_out = np.zeros(pixels.num_pixels, bool)
  held_out[np.asarray(order[:count])] = True
  held_out[np.asarray(pixels.region_start[:-1])] = False
  return held_out


def _region_sampler(
  pixels: annotated.AnnotatedPixels,
  held_out: np.ndarray,
  options: 'training.TrainingOptions',
  key: chex.PRNGKey,
) -> Draw:
  """How batches are drawn.

  A share of each cycles through all regions, so that every one is seen every
  few steps however small it is; the rest is drawn by the weights that
  `options.balance` gives, and in a region all pixels alike.
  """
  starts = np.asarray(pixels.region_start)
  index = np.flatnonzero(~held_out)
  region = np.searchsorted(starts, index, side='right') - 1
  counts = np.bincount(region, minlength=pixels.num_regions)
  image = np.asarray(pixels.image)[starts[:-1]]
  weights = _region_weights(counts, image, options, key)
  cumulative = np.cumsum(weights, axis=1)
  shares = jnp.asarray(cumulative / cumulative[:, -1:], jnp.float32)
  trained = jnp.asarray(index, jnp.int32)
  first = jnp.asarray(np.r_[0, np.cumsum(counts)], jnp.int32)
  sizes = jnp.asarray(counts, jnp.int32)
  num_regions = pixels.num_regions
  cycled = min(int(options.batch_size * _CYCLED_SHARE), num_regions)
  stream = rng.stream(key, 'batches')

  def draw(number: chex.Array) -> chex.Array:
    shape = (options.members, options.batch_size)
    region_key, pixel_key = jax.random.split(jax.random.fold_in(stream, number))
    uniform = jax.random.uniform(region_key, shape)
    chosen = jax.vmap(jnp.searchsorted)(shares, uniform)
    turn = (number * cycled + jnp.arange(cycled)) % num_regions
    chosen = chosen.at[:, :cycled].set(turn[None])
    chosen = jnp.minimum(chosen, num_regions - 1)
    offset = jax.random.uniform(pixel_key, shape) * sizes[chosen]
    offset = jnp.minimum(offset.astype(jnp.int32), sizes[chosen] - 1)
    return trained[first[chosen] + offset]

  return draw


def _region_weights(
  sizes: np.ndarray,
  image: np.ndarray,
  options: 'training.TrainingOptions',
  key: chex.PRNGKey,
) -> np.ndarray:
  """How often each member draws each region, [members, regions]."""
  weights = np.tile(sizes ** (1 - options.balance), (options.members, 1))
  if not options.bootstrap:
    return weights
  count = image.max() + 1
  for member in range(options.members):
    stream = jax.random.fold_in(rng.stream(key, 'bootstrap'), member)
    drawn = jax.random.randint(stream, (count,), 0, count)
    times = np.bincount(np.asarray(drawn), minlength=count)
    weights[member] *= times[image]
  return weights
