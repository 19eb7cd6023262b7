"""Training a generator from the first step to the last, over any number of
kills."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import errors, parallel, progress, rng, storage, validation
from dgan_jax.gan import data, steps, training_log
from dgan_jax.gan import state as state_lib
from dgan_jax.generators import generator as generators
from dgan_jax.training import loop, run_folder

# The metrics that `on_progress` is told.
_SHOWN = ('generator_loss', 'discriminator_loss', 'distance')

# The reals, and whether the penalty is due on them.
_Work = tuple[state_lib.Batch, bool]


def train(
  config: state_lib.TrainConfig,
  images: data.Images,
  workdir: storage.PathLike,
  *,
  seed: int,
  distance: training_log.Distance | None = None,
  schedule: training_log.Schedule | None = None,
  on_progress: progress.OnProgress | None = None,
  devices: Sequence[jax.Device] | None = None,
) -> None:
  """Trains a generator, or goes on where it was stopped; see `Loop.run`.

  What it writes: see `training_log.Log` and `run_folder.RunFolder`, whose
  folder is `gan`. By a `distance` the best generator is kept too. The seed is
  that of weights, latents and the order of images; `on_progress` is told of
  images shown and metrics; `devices` are all by default.

  Raises:
    errors.UserError: the images are of another size, the devices cannot share
      a batch, or the folder holds another training.
    FloatingPointError: the training diverged; says between which steps.
    OSError: the disk is full; the last checkpoint is whole.
  """
  options = config.options
  if images.resolution != config.generator.resolution:
    raise errors.UserError(
      f'The images have {images.resolution} pixels a side; a generator of '
      f'{config.generator.resolution} was asked for.'
    )
  check_sharing(config, devices)
  schedule = schedule or training_log.Schedule()
  key = rng.root_key(seed)
  log = training_log.Log(workdir, config, schedule, key=key, distance=distance)

  def tell(done: int, total: int, metrics: Mapping[str, float]) -> None:
    if on_progress:
      shown = {k: v for k, v in metrics.items() if k in _SHOWN}
      on_progress(done, total, shown)

  with run_folder.RunFolder(
    storage.path(workdir) / 'gan',
    _identity(config, images, seed),
    seconds_per_save=schedule.seconds_per_save,
  ) as folder:
    initial = jax.jit(lambda: state_lib.init(config, key=key))()
    state, facts = folder.restore(initial)
    log.restore(facts, int(state.step))
    training = loop.Loop[state_lib.State](
      options.steps,
      schedule.steps_per_report,
      unit='images',
      unit_size=options.batch_size,
      folder=folder,
      observe=log.observe,
      facts=log.facts,
      on_progress=tell,
    )
    advance = _advance(config, key, devices)
    training.run(advance, lambda i: _work(images, options, seed, i), state)


def check_sharing(
  config: state_lib.TrainConfig, devices: Sequence[jax.Device] | None = None
) -> None:
  """Raises errors.UserError unless devices can share a batch so that each has
  whole groups, of the batch and of what the penalty is taken on."""
  count = len(devices) if devices else parallel.device_count()
  group = config.discriminator.group_size
  for name in ('batch_size', 'r1_batch'):
    size = getattr(config.options, name)
    if size % (count * group):
      expected = f'a multiple of {count * group}: {count} devices, groups of '
      validation.refuse(name, size, f'{expected}{group} images')


def _identity(
  config: state_lib.TrainConfig, images: data.Images, seed: int
) -> dict[str, Any]:
  """What a training must be the same in to be gone on with: all but its
  length."""
  options = dataclasses.asdict(config.options)
  del options['images']
  return {
    'generator': generators.architecture_to_json(config.generator),
    'discriminator': dataclasses.asdict(config.discriminator),
    'options': options,
    'images': {'count': len(images), **images.source},
    'seed': seed,
  }


def _advance(
  config: state_lib.TrainConfig,
  key: chex.PRNGKey,
  devices: Sequence[jax.Device] | None,
) -> Callable[[state_lib.State, _Work], tuple[state_lib.State, loop.Metrics]]:
  """A step of both networks, on all devices."""

  def spread(function: Callable[..., Any]) -> Callable[..., Any]:
    return parallel.spread_step(
      lambda state, batch, mean: function(config, state, batch, mean, key=key),
      devices,
    )

  adversarial = spread(steps.adversarial_step)
  penalty = spread(steps.penalty_step)

  def advance(
    state: state_lib.State, work: _Work
  ) -> tuple[state_lib.State, loop.Metrics]:
    batch, is_penalty_due = work
    state, metrics = adversarial(state, batch)
    if is_penalty_due:
      state, more = penalty(state, batch)
      metrics = {**metrics, **more}
    return state, metrics

  return advance


def _work(
  images: data.Images, options: state_lib.Options, seed: int, first: int
) -> Iterator[tuple[int, _Work]]:
  """This host's part of the reals of every step from the first on."""
  rows = parallel.local_rows(options.batch_size)
  positions = np.arange(rows.start, rows.stop, dtype=np.int32)
  interval = options.r1_interval
  for step in range(first, options.steps):
    start = step * options.batch_size
    shown = images.shown(start + rows.start, start + rows.stop, seed=seed)
    batch = state_lib.Batch(shown, positions)
    yield step + 1, (batch, interval > 0 and step % interval == 0)
