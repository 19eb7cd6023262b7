"""Training a generator from the first step to the last, over any number of
kills."""

import dataclasses
import time
from collections.abc import Callable, Sequence
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import errors, parallel, progress, rng, storage, validation
from dgan_jax.gan import data, steps
from dgan_jax.gan import discriminator as discriminators
from dgan_jax.gan import state as state_lib
from dgan_jax.gan import training_log as records
from dgan_jax.generators import generator as generators

# The metrics that `on_progress` is told.
_SHOWN = ('generator_loss', 'discriminator_loss', 'distance')

Step = Callable[
  [state_lib.State, state_lib.Batch], tuple[state_lib.State, steps.Metrics]
]


def train(
  architecture: generators.Architecture,
  discriminator: discriminators.ResidualDiscriminator,
  options: state_lib.Options,
  images: data.Images,
  workdir: storage.PathLike,
  *,
  seed: int,
  distance: records.Distance | None = None,
  schedule: records.Schedule | None = None,
  on_progress: progress.OnProgress | None = None,
  devices: Sequence[jax.Device] | None = None,
) -> None:
  """Trains a generator, or goes on where it was stopped.

  A training that is killed and started again gives the same bits as one that
  is not. What it writes: see `record.Record`.

  Args:
    architecture: of the generator.
    discriminator: that it is trained against.
    options: how.
    images: real ones.
    workdir: folder for all that is written.
    seed: of weights, latents and the order of images.
    distance: of a generator's images from real ones; the best generator is
      kept too.
    schedule: when something is written.
    on_progress: told of images shown and metrics.
    devices: default all.

  Raises:
    errors.UserError: the images are of another size, the networks don't fit
      each other, the devices cannot share a batch, or the folder holds another
      training.
    FloatingPointError: the training diverged; says between which steps.
    OSError: the disk is full; the last checkpoint is whole.
  """
  if images.resolution != architecture.resolution:
    raise errors.UserError(
      f'The images have {images.resolution} pixels a side; a generator of '
      f'{architecture.resolution} was asked for.'
    )
  try:
    recipe = state_lib.Recipe.of(architecture, discriminator, options)
  except ValueError as error:
    raise errors.UserError(str(error)) from None
  check_sharing(discriminator, options, devices)
  schedule = schedule or records.Schedule()
  key = rng.root_key(seed)
  identity = _identity(recipe, images, seed)
  with records.Record(
    workdir, identity, recipe, schedule, key=key, distance=distance
  ) as record:
    initial = jax.jit(lambda: state_lib.init(recipe, key=key))()
    state = record.restore(initial)
    parallel.check_agreed(state, workdir)
    advance = _advance(recipe, key, devices)
    _run(advance, recipe, state, images, seed, record, schedule, on_progress)


def check_sharing(
  discriminator: discriminators.ResidualDiscriminator,
  options: state_lib.Options,
  devices: Sequence[jax.Device] | None = None,
) -> None:
  """Raises errors.UserError unless devices can share a batch so that each has
  whole groups, of the batch and of what the penalty is taken on."""
  count = len(devices) if devices else parallel.device_count()
  group = discriminator.group_size
  for name in ('batch_size', 'r1_batch'):
    size = getattr(options, name)
    if size % (count * group):
      expected = f'a multiple of {count * group}: {count} devices, groups of '
      validation.refuse(name, size, f'{expected}{group} images')


def _identity(
  recipe: state_lib.Recipe, images: data.Images, seed: int
) -> dict[str, Any]:
  """What a training must be the same in to be gone on with: all but its
  length."""
  options = dataclasses.asdict(recipe.options)
  del options['images']
  return {
    'generator': generators.architecture_to_json(recipe.generator),
    'discriminator': dataclasses.asdict(recipe.discriminator),
    'options': options,
    'images': {'count': len(images), **images.source},
    'seed': seed,
  }


def _advance(
  recipe: state_lib.Recipe,
  key: chex.PRNGKey,
  devices: Sequence[jax.Device] | None,
) -> Callable[[state_lib.State, state_lib.Batch, int], Any]:
  """(state, batch, step) -> (state, metrics), on all devices."""

  def spread(function: Callable[..., Any]) -> Step:
    return parallel.spread_step(
      lambda state, batch, mean: function(recipe, state, batch, mean, key=key),
      devices,
    )

  adversarial = spread(steps.adversarial_step)
  penalty = spread(steps.penalty_step)
  interval = recipe.options.r1_interval

  def advance(
    state: state_lib.State, batch: state_lib.Batch, step: int
  ) -> tuple[state_lib.State, steps.Metrics]:
    state, metrics = adversarial(state, batch)
    if interval and step % interval == 0:
      state, more = penalty(state, batch)
      metrics = {**metrics, **more}
    return state, metrics

  return advance


def _batch(
  images: data.Images, options: state_lib.Options, seed: int, step: int
) -> state_lib.Batch:
  """This host's part of the reals of a step."""
  rows = parallel.local_rows(options.batch_size)
  first = step * options.batch_size
  return state_lib.Batch(
    images.shown(first + rows.start, first + rows.stop, seed=seed),
    np.arange(rows.start, rows.stop, dtype=np.int32),
  )


def _run(
  advance: Callable[[state_lib.State, state_lib.Batch, int], Any],
  recipe: state_lib.Recipe,
  state: state_lib.State,
  images: data.Images,
  seed: int,
  record: records.Record,
  schedule: records.Schedule,
  on_progress: progress.OnProgress | None,
) -> None:
  options = recipe.options
  step = first = int(state.step)
  pending: list[steps.Metrics] = []
  whole, start = True, time.monotonic()
  try:
    while step < options.steps:
      batch = _batch(images, options, seed, step)
      whole = False
      state, metrics = advance(state, batch, step)
      whole = True
      pending.append(metrics)
      step += 1
      if step % schedule.steps_per_report and step < options.steps:
        continue
      means = _means(pending, first, step)
      shown = step * options.batch_size
      seconds = time.monotonic() - start
      rate = (step - first) * options.batch_size / seconds
      means['images_per_second'] = rate
      means |= record.update(state, step, means)
      if on_progress:
        brief = {k: v for k, v in means.items() if k in _SHOWN}
        total = options.steps * options.batch_size
        on_progress(shown, total, brief)
      first, pending, start = step, [], time.monotonic()
  except KeyboardInterrupt:
    if whole:
      record.save(state)
    raise


def _means(
  pending: Sequence[steps.Metrics], first: int, last: int
) -> dict[str, float]:
  """Means of the metrics of steps `first` to `last`, fetched only now so that
  devices need not wait for the host.

  Raises:
    FloatingPointError: one is not finite.
  """
  values: dict[str, list[float]] = {}
  for metrics in jax.device_get(list(pending)):
    for name, value in metrics.items():
      values.setdefault(name, []).append(float(value))
  means = {name: float(np.mean(found)) for name, found in values.items()}
  for name, value in means.items():
    if not np.isfinite(value):
      raise FloatingPointError(
        f'The training diverged: {name} is not finite between steps {first} '
        f'and {last}; lower the learning rate, or raise r1_gamma.'
      )
  return means
