"""Training the ensemble on a handful of annotated images.

Two procedures: the default, large batches of pixels drawn region by region
with a learning rate that falls to zero, and the release's, which goes through
all pixels in batches of 64. Both read features from native resolution.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgan_jax import annotations as annotations_lib
from dgan_jax import progress, rng
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import annotated, ensemble, optimization, release

MODES = ('default', 'release')


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
  """How an ensemble is trained.

  Attributes:
    mode: 'default', or 'release' for the published procedure; that one reads
      only `members`, `hidden`, `soft_voting`, `dropout`, `class_weights` and
      `max_epochs`.
    members: size of the ensemble.
    hidden: widths of the hidden layers; (0, 0): the release's choice for the
      number of classes.
    soft_voting: label by the mean softmax instead of a majority vote.
    dropout: share of hidden units dropped in training.
    class_weights: one weight per class in the loss; () weighs all alike.
    steps: batches that every member is trained on, at most.
    batch_size: pixels in a batch of one member.
    learning_rate: at the start; falls to zero as a cosine over `steps`.
    weight_decay: of AdamW.
    balance: pixels of a region that covers n pixels are drawn as if it
      covered n^(1 - balance): 0 draws all pixels alike, 1 all regions.
    bootstrap: whether each member sees its own resampling of the images.
    held_out: share of the pixels kept out of training, to stop by.
    patience: evaluations on the held-out pixels (one every
      `steps_per_evaluation`) without a new best before a member keeps its
      best and training may stop early.
    steps_per_evaluation: see `patience`.
    feature_dtype: the features are kept as 'float16' or 'float32'.
    max_epochs: of the release's procedure.
  """

  mode: str = 'default'
  members: int = 10
  hidden: tuple[int, int] = (0, 0)
  soft_voting: bool = False
  dropout: float = 0.0
  class_weights: tuple[float, ...] = ()
  steps: int = 600
  batch_size: int = 512
  learning_rate: float = 0.01
  weight_decay: float = 0.0
  balance: float = 0.5
  bootstrap: bool = False
  held_out: float = 0.02
  patience: int = 8
  steps_per_evaluation: int = 25
  feature_dtype: str = 'float16'
  max_epochs: int = 100

  def __post_init__(self) -> None:
    if self.mode not in MODES:
      raise ValueError(f'Mode {self.mode!r} is none of {MODES}.')
    if not 0 <= self.held_out < 1:
      raise ValueError(f'Held-out share {self.held_out} is not in [0, 1).')


class Checkpoint(Protocol):
  """Where training leaves its state, so that it can go on after a kill."""

  def restore(self, like: Any) -> Any | None:
    """The state saved last, of the shape of `like`, or None."""

  def save(self, state: Any) -> None:
    """Keeps a state, whole or not at all."""


@flax.struct.dataclass
class _State:
  """The default procedure between two evaluations; arrays of all members.

  Attributes:
    step: batches seen.
    member: what is trained.
    best: parameters with the lowest held-out loss.
    best_loss: that loss, [members].
    misses: evaluations since, [members].
  """

  step: chex.Array
  member: optimization.MemberState
  best: Any
  best_loss: chex.Array
  misses: chex.Array


def train(
  generator: generators.Generator,
  annotations: annotations_lib.Annotations,
  sampling: generators.Sampling,
  options: TrainingOptions,
  *,
  key: chex.PRNGKey,
  on_progress: progress.OnProgress | None = None,
  checkpoint: Checkpoint | None = None,
) -> ensemble.Interpreter:
  """Trains an interpreter for one generator.

  Args:
    generator: that made the annotated images.
    annotations: masks and latents.
    sampling: as the images were made.
    options: the procedure.
    key: of initial weights, batches and dropout.
    on_progress: called with steps done, steps in all (of the release's
      procedure: at most) and the mean loss.
    checkpoint: makes training go on where it was killed.

  Raises:
    ValueError: masks of another size than the generator's images, or as many
      class weights as there aren't classes.
  """
  num_classes = annotations.schema.num_classes
  if options.class_weights and len(options.class_weights) != num_classes:
    raise ValueError(
      f'{len(options.class_weights)} class weights for {num_classes} classes.'
    )
  is_release = options.mode == 'release'
  dtype = 'float32' if is_release else options.feature_dtype
  pixels = annotated.annotated_pixels(generator, annotations, sampling, dtype)
  hidden = options.hidden if any(options.hidden) else None
  spec = ensemble.InterpreterSpec(
    feature_channels=generator.architecture.feature_channels,
    num_classes=num_classes,
    hidden=hidden or ensemble.hidden_sizes(num_classes),
    members=options.members,
    schema_name=annotations.schema.name,
    classes=tuple(annotations.schema.classes),
    generator_checksum=generators.checksum(generator),
    resolution=generator.architecture.resolution,
    rows=sampling.rows,
    soft_voting=options.soft_voting,
  )
  classifier = ensemble.PixelClassifier(
    spec.hidden, num_classes, options.dropout
  )
  weights = jnp.asarray(options.class_weights) if options.class_weights else None
  procedure = _train_release if is_release else _train_default
  params = procedure(
    classifier, pixels, options, weights, key, on_progress, checkpoint
  )
  return ensemble.Interpreter(spec, jax.tree.map(np.asarray, params))


def _train_release(
  classifier: ensemble.PixelClassifier,
  pixels: annotated.AnnotatedPixels,
  options: TrainingOptions,
  class_weights: chex.Array | None,
  key: chex.PRNGKey,
  on_progress: progress.OnProgress | None,
  checkpoint: Checkpoint | None,
) -> Any:
  return release.train(
    classifier,
    pixels,
    members=options.members,
    max_epochs=options.max_epochs,
    class_weights=class_weights,
    key=key,
    on_progress=on_progress,
    checkpoint=checkpoint,
  )


def _train_default(
  classifier: ensemble.PixelClassifier,
  pixels: annotated.AnnotatedPixels,
  options: TrainingOptions,
  class_weights: chex.Array | None,
  key: chex.PRNGKey,
  on_progress: progress.OnProgress | None,
  checkpoint: Checkpoint | None,
) -> Any:
  """The default procedure; returns the parameters of all members."""
  schedule = optax.cosine_decay_schedule(options.learning_rate, options.steps)
  optimizer = optax.adamw(
    schedule, b2=0.99, weight_decay=options.weight_decay
  )
  num_features = sum(pixels.pyramid.channels)
  keys = jax.random.split(rng.stream(key, 'init'), options.members)
  member = jax.vmap(
    lambda k: optimization.init(classifier, optimizer, num_features, k)
  )(keys)
  state = _State(
    step=jnp.zeros((), jnp.int32),
    member=member,
    best=member.merged(),
    best_loss=jnp.full((options.members,), jnp.inf),
    misses=jnp.zeros((options.members,), jnp.int32),
  )
  state = (checkpoint and checkpoint.restore(state)) or state
  train_index, held_out = _split_held_out(pixels, options, key)
  draw = _region_sampler(pixels, train_index, options, key)
  step = optimization.make_step(classifier, optimizer, class_weights)

  @jax.jit
  def advance(
    state: _State, pixels: annotated.AnnotatedPixels
  ) -> tuple[_State, chex.Array]:
    return _advance(state, pixels, step, draw, classifier, held_out, options, key)

  while int(state.step) < options.steps:
    state, loss = advance(state, pixels)
    if not np.isfinite(loss):
      raise FloatingPointError(
        f'The loss is not finite within the {options.steps_per_evaluation} '
        f'steps before step {int(state.step)}; lower interpreter.'
        'learning_rate.'
      )
    if checkpoint:
      checkpoint.save(state)
    if on_progress:
      metrics = {'loss': float(loss)}
      if held_out.size:
        metrics['held_out_loss'] = float(state.best_loss.mean())
      on_progress(
        min(int(state.step), options.steps), options.steps, metrics
      )
    if (state.misses >= options.patience).all():
      break
  return state.best


def _advance(
  state: _State,
  pixels: annotated.AnnotatedPixels,
  step: optimization.Step,
  draw: Callable[[annotated.AnnotatedPixels, chex.Array], chex.Array],
  classifier: ensemble.PixelClassifier,
  held_out: chex.Array,
  options: TrainingOptions,
  key: chex.PRNGKey,
) -> tuple[_State, chex.Array]:
  """Trains all members until the next evaluation; (state, mean loss)."""
  members = options.members

  def one_step(
    member: optimization.MemberState, number: chex.Array
  ) -> tuple[optimization.MemberState, chex.Array]:
    index = draw(pixels, number)
    x, labels = pixels.gather(index.ravel())
    x = x.reshape(members, options.batch_size, -1)
    dropout = jax.random.fold_in(rng.stream(key, 'dropout'), number)
    return jax.vmap(step)(
      member, x, labels.reshape(index.shape), jax.random.split(dropout, members)
    )

  numbers = state.step + jnp.arange(options.steps_per_evaluation)
  member, losses = jax.lax.scan(one_step, state.member, numbers)
  params = member.merged()
  if held_out.size:
    x, labels = pixels.gather(held_out)
    loss = jax.vmap(
      lambda p, a: optimization.cross_entropy(
        classifier.apply({'params': p, 'averages': a}, x), labels
      )
    )(member.params, member.averages)
  else:
    loss = -numbers[-1] * jnp.ones(members)  # the latest is the best
  better = loss < state.best_loss
  best = jax.tree.map(
    lambda new, old: jnp.where(
      better.reshape(-1, *[1] * (new.ndim - 1)), new, old
    ),
    params,
    state.best,
  )
  return _State(
    step=numbers[-1] + 1,
    member=member,
    best=best,
    best_loss=jnp.minimum(loss, state.best_loss),
    misses=jnp.where(better, 0, state.misses + 1),
  ), losses.mean()


def _split_held_out(
  pixels: annotated.AnnotatedPixels,
  options: TrainingOptions,
  key: chex.PRNGKey,
) -> tuple[np.ndarray, chex.Array]:
  """Which pixels train (a mask, bool [pixels]) and which are held out.

  Every region keeps at least one pixel to train on.
  """
  count = int(pixels.num_pixels * options.held_out)
  order = jax.random.permutation(
    rng.stream(key, 'held_out'), pixels.num_pixels
  )
  held_out = np.zeros(pixels.num_pixels, bool)
  held_out[np.asarray(order[:count])] = True
  held_out[np.asarray(pixels.region_start[:-1])] = False
  return ~held_out, jnp.flatnonzero(held_out)


def _region_sampler(
  pixels: annotated.AnnotatedPixels,
  is_trained_on: np.ndarray,
  options: TrainingOptions,
  key: chex.PRNGKey,
) -> Callable[[annotated.AnnotatedPixels, chex.Array], chex.Array]:
  """How batches are drawn.

  An eighth of a batch goes round all regions, so that each is seen every few
  steps however small it is; the rest is drawn by the weights that
  `options.balance` gives.

  Returns:
    (pixels, step number) -> pixel indices int32 [members, batch_size].
  """
  index = np.flatnonzero(is_trained_on)
  starts = np.asarray(pixels.region_start)
  region = np.searchsorted(starts, index, side='right') - 1
  sizes = np.bincount(region, minlength=pixels.num_regions)
  first = np.r_[0, np.cumsum(sizes)]
  image = np.asarray(pixels.image)[starts[:-1]]
  weights = _region_weights(sizes, image, options, key)
  cumulative = np.cumsum(weights, axis=1)
  cumulative = jnp.asarray(cumulative / cumulative[:, -1:], jnp.float32)
  trained = jnp.asarray(index, jnp.int32)
  first, sizes = jnp.asarray(first), jnp.asarray(sizes)
  tour = min(options.batch_size // 8, pixels.num_regions)
  stream = rng.stream(key, 'batches')

  def draw(
    pixels: annotated.AnnotatedPixels, number: chex.Array
  ) -> chex.Array:
    shape = (options.members, options.batch_size)
    key_region, key_pixel = jax.random.split(
      jax.random.fold_in(stream, number)
    )
    drawn = jax.vmap(jnp.searchsorted)(
      cumulative, jax.random.uniform(key_region, shape)
    )
    turn = (number * tour + jnp.arange(tour)) % pixels.num_regions
    turn = jnp.broadcast_to(turn, (options.members, tour))
    chosen = jnp.concatenate([turn, drawn[:, tour:]], axis=1)
    chosen = jnp.minimum(chosen, pixels.num_regions - 1)
    offset = jax.random.uniform(key_pixel, shape) * sizes[chosen]
    offset = jnp.minimum(offset.astype(jnp.int32), sizes[chosen] - 1)
    return trained[first[chosen] + offset]

  return draw


def _region_weights(
  sizes: np.ndarray,
  image: np.ndarray,
  options: TrainingOptions,
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
