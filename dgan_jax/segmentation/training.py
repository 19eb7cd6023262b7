"""Training an annotator on images and their exact masks.

What a step does depends on the key, the number of the step and an image's
place in the batch alone: it is the same after a resume, and but for rounding
on any number of devices.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import optax

from dgan_jax import metrics, parallel, progress, rng, validation
from dgan_jax import schema as schema_lib
from dgan_jax.segmentation import annotator, augmentation, predict, unet
from dgan_jax.segmentation import pairs as pairs_lib
from dgan_jax.training import loop, run_folder

# Steps whose loss is averaged, reported and may be gone on from.
_STEPS_PER_REPORT = 25

# No schema has a class of this label.
_UNLABELLED = schema_lib.MAX_CLASSES


@dataclasses.dataclass(frozen=True)
class Options:
  """How an annotator is trained."""

  steps: validation.Count = 4000
  batch_size: validation.Count = 32  # of all devices together
  # Of Adam, at the start; falls to zero as a cosine.
  learning_rate: validation.LearningRate = 0.002
  # A class that covers a share s of the pixels weighs s^-balance in the loss:
  # 0 counts all pixels alike, 1 all classes.
  balance: validation.Share = 0.25
  # Between two looks at the pairs held out, which get one at the end too.
  steps_per_evaluation: validation.Count = 500
  augment: augmentation.Ranges = dataclasses.field(
    default_factory=augmentation.Ranges
  )

  def __post_init__(self) -> None:
    validation.check(self)


@flax.struct.dataclass
class State:
  """What training changes; `step` is the number of batches seen."""

  step: chex.Array
  params: Any
  optimizer: Any


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """All that is fixed during a training."""

  architecture: unet.UNet
  options: Options
  class_weights: tuple[float, ...]

  @property
  def optimizer(self) -> optax.GradientTransformation:
    rate, steps = self.options.learning_rate, self.options.steps
    return optax.adam(optax.cosine_decay_schedule(rate, steps), b2=0.99)


def train(
  architecture: unet.UNet,
  schema: schema_lib.Schema,
  pairs: pairs_lib.Pairs,
  options: Options,
  *,
  key: chex.PRNGKey,
  held_out: pairs_lib.Pairs | None = None,
  on_progress: progress.OnProgress | None = None,
  folder: run_folder.RunFolder | None = None,
  devices: Sequence[jax.Device] | None = None,
) -> annotator.Annotator:
  """Trains an annotator.

  Args:
    architecture, options: what is trained, and how.
    schema: of the masks; where it ignores pixels they don't count.
    pairs: to learn from.
    key: of initial weights, order and perturbations.
    held_out: pairs to measure on, on the way.
    on_progress: told of steps, the loss in nats and now and then of the mean
      IoU and the pixel accuracy on the pairs held out.
    folder: makes training go on where it was killed, with the same bits.
    devices: default all of the run.

  Raises:
    errors.UserError: pairs that don't fit each other, the schema or the
      architecture.
    FloatingPointError: the loss is not finite; says between which steps.
  """
  pairs_lib.check_schema(architecture, schema, options.augment.flip)
  size = pairs[0].shape[1:3]
  for given in (pairs, *([held_out] if held_out else [])):
    pairs_lib.check(architecture, schema, given)
  weights = pairs_lib.class_weights(
    pairs[1], schema.num_classes, options.balance
  )
  config = TrainConfig(architecture, options, weights)
  advance = parallel.spread_step(
    lambda state, batch, mean: train_step(config, state, batch, mean, key=key),
    devices,
  )
  draw = pairs_lib.drawing(pairs, options.batch_size, key)
  every = options.steps_per_evaluation
  state = jax.jit(lambda: init(config, key=key))()
  if folder:
    state, _ = folder.restore(state)

  def result(state: State) -> annotator.Annotator:
    params = jax.device_get(state.params)
    return annotator.Annotator(architecture, schema, size, params)

  def batches(first: int) -> Iterator[tuple[int, pairs_lib.Batch]]:
    return ((step + 1, draw(step)) for step in range(first, options.steps))

  def observe(state: State, step: int) -> Mapping[str, float] | None:
    is_due = step % every < _STEPS_PER_REPORT or step == options.steps
    if held_out is None or not is_due:
      return None
    confusion = predict.confusion(result(state), *held_out)
    return {
      'mean_iou': metrics.mean_iou(confusion),
      'accuracy': metrics.pixel_accuracy(confusion),
    }

  training = loop.Loop(
    options.steps,
    _STEPS_PER_REPORT,
    folder=folder,
    observe=observe,
    on_progress=on_progress,
  )
  return result(training.run(advance, batches, state))


def init(config: TrainConfig, *, key: chex.PRNGKey) -> State:
  """Where training starts."""
  params = config.architecture.init(rng.stream(key, 'init'))
  step = jnp.zeros((), jnp.int32)
  return State(step, params, config.optimizer.init(params))


def train_step(
  config: TrainConfig,
  state: State,
  batch: pairs_lib.Batch,
  mean: parallel.Mean,
  *,
  key: chex.PRNGKey,
) -> tuple[State, loop.Metrics]:
  """One step, on this device's part of the batch; `mean` is over devices.

  Returns:
    The state after, and the 'loss', see `cross_entropy`.
  """
  step_key = jax.random.fold_in(rng.stream(key, 'steps'), state.step)
  images, masks = augmentation.perturb(
    config.options.augment,
    batch.images,
    batch.masks,
    keys=rng.sample_keys(step_key, batch.positions),
    unlabelled=_UNLABELLED,
  )
  weights = jnp.asarray(config.class_weights)

  def loss(params: Any) -> chex.Array:
    logits = config.architecture.label(params, images)
    return cross_entropy(logits, masks, weights)

  value, gradient = mean(jax.value_and_grad(loss)(state.params))
  updates, optimizer = config.optimizer.update(
    gradient, state.optimizer, state.params
  )
  params = optax.apply_updates(state.params, updates)
  return State(state.step + 1, params, optimizer), {'loss': value}


def cross_entropy(
  logits: chex.Array, labels: chex.Array, weights: chex.Array
) -> chex.Array:
  """Mean over all pixels of the weighted cross entropy of logits [..., classes]
  against labels [...], in nats; labels that are no class count 0.

  Over all: so devices that each have a part of a batch need not know how many
  pixels of the others count.
  """
  classes = logits.shape[-1]
  known = jnp.minimum(labels, classes - 1).astype(jnp.int32)
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, known)
  return (losses * jnp.where(labels < classes, weights[known], 0)).mean()
