"""What a training writes, and what it can go on from."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Annotated, Any, Protocol, Self

import chex
import jax
import numpy as np

from dgan_jax import parallel, progress, rng, storage, validation
from dgan_jax import workdir as workdir_lib
from dgan_jax.checkpoints import store
from dgan_jax.gan import quality
from dgan_jax.gan import state as state_lib
from dgan_jax.generators import generator as generators
from dgan_jax.visualize import charts, sheets

# Evaluations before the first regular one.
_EARLY = 5


class Distance(Protocol):
  """Of a generator's images from real ones; lower is better."""

  @property
  def name(self) -> str:
    """Of the scale: distances of one name compare."""

  def __call__(self, generator: generators.Generator) -> float: ...


@dataclasses.dataclass(frozen=True)
class Schedule:
  """When something is written; changes no bit of the training.

  Attributes:
    steps_per_report: steps whose metrics are averaged and written at once;
      whatever follows is done at a report.
    images_per_evaluation: images between two evaluations; before the first
      there are some at a half of it, a quarter, ... a 32nd.
    seconds_per_save: between two checkpoints.
    seconds_per_grid: between two sheets of samples; there is one at every
      evaluation too.
    grid_images: samples on a sheet.
  """

  steps_per_report: validation.Count = 50
  images_per_evaluation: validation.Count = 50_000
  seconds_per_save: validation.NotNegative = 120.0
  seconds_per_grid: validation.NotNegative = 180.0
  grid_images: Annotated[int, validation.between(1, 1000)] = 40

  def __post_init__(self) -> None:
    validation.check(self)


class Record:
  """The folder of a training.

    run.json          what it depends on
    state/            checkpoint to go on from
    metrics.jsonl     and TensorBoard files
    samples/          sheets of samples of the same latents
    distance.png      the distances of all evaluations
    ../generator/     the averaged generator, as of the last evaluation
    ../best/          that with the lowest distance from real images

  Of several processes only the first writes.
  """

  def __init__(
    self,
    workdir: storage.PathLike,
    identity: Mapping[str, Any],
    recipe: state_lib.Recipe,
    schedule: Schedule,
    *,
    key: chex.PRNGKey,
    distance: Distance | None = None,
  ):
    """Opens it.

    Raises:
      errors.UserError: it holds a training of another identity.
    """
    self._workdir = storage.path(workdir)
    self._folder = self._workdir / 'gan'
    self._recipe, self._schedule = recipe, schedule
    self._distance = distance
    self._noise = state_lib.noise_maps(recipe.generator, key)
    self._draw = quality.Drawer(rng.stream(key, 'grid'))
    # Images shown and the distance then, of every evaluation.
    self._distances: list[tuple[int, float]] = []
    self._saved_at = time.monotonic()
    self._drawn_at = -float('inf')
    self._evaluated = 0
    self._writer: progress.MetricWriter | None = None
    if parallel.process_index() == 0:
      workdir_lib.open_run(self._folder, identity)
      self._writer = progress.MetricWriter(self._folder)

  def restore(self, initial: state_lib.State) -> state_lib.State:
    """The state saved last, else the initial one.

    Raises:
      errors.UserError: the checkpoint is damaged.
    """
    folder = self._folder / 'state'
    if not (folder / 'checkpoint.json').is_file():
      return initial
    state: state_lib.State = store.load_pytree(folder, initial)
    metadata = store.load_metadata(folder)
    if self._distance and metadata['measure'] == self._distance.name:
      self._distances = [(shown, d) for shown, d in metadata['distances']]
    self._evaluated = self._evaluations(int(state.step))
    return state

  def update(
    self, state: state_lib.State, step: int, metrics: Mapping[str, float]
  ) -> dict[str, float]:
    """Writes what is due after `step` steps with these metrics.

    Returns:
      What an evaluation has found, if there was one.
    """
    if self._writer is None:
      return {}
    now = time.monotonic()
    last = step == self._recipe.options.steps
    found = {}
    due = last or self._evaluations(step) > self._evaluated
    if due:
      found = self._evaluate(state, step)
      self._evaluated = self._evaluations(step)
    if due or now - self._drawn_at >= self._schedule.seconds_per_grid:
      self._draw_grid(state, step)
      self._drawn_at = now
    if due or now - self._saved_at >= self._schedule.seconds_per_save:
      self.save(state)
      self._saved_at = now
    shown = step * self._recipe.options.batch_size
    self._writer.write(shown, {**metrics, **found})
    return found

  def save(self, state: state_lib.State) -> None:
    """Writes a checkpoint, whole or not at all, unless it is not finite.

    Raises:
      OSError: the disk is full; the checkpoint before is whole.
    """
    if self._writer is None:
      return
    host = jax.device_get(state)
    if all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(host)):
      metadata = {
        'kind': 'gan training',
        'measure': self._distance.name if self._distance else None,
        'distances': self._distances,
      }
      store.save_pytree(self._folder / 'state', host, metadata)

  def _evaluations(self, step: int) -> int:
    """How many were due by then."""
    interval = self._schedule.images_per_evaluation
    shown = step * self._recipe.options.batch_size
    if shown >= interval:
      return _EARLY + shown // interval
    return max(0, (2**_EARLY * shown // interval).bit_length())

  def _evaluate(self, state: state_lib.State, step: int) -> dict[str, float]:
    generator = self._generator(state)
    store.save_generator(self._workdir / 'generator', generator)
    if self._distance is None:
      return {}
    distance = self._distance(generator)
    if all(distance < before for _, before in self._distances):
      store.save_generator(self._workdir / 'best', generator)
    self._distances.append((step * self._recipe.options.batch_size, distance))
    if len(self._distances) > 1:
      self._draw_distances(self._distance.name)
    return {'distance': distance}

  def _draw_distances(self, name: str) -> None:
    shown, values = zip(*self._distances, strict=True)
    chart = charts.LineChart(
      {'distance': (shown, values)}, 'images shown', f'Frechet distance, {name}'
    )
    storage.write_bytes(self._folder / 'distance.png', charts.png(chart))

  def _draw_grid(self, state: state_lib.State, step: int) -> None:
    shown = step * self._recipe.options.batch_size
    images = self._draw(self._generator(state), self._schedule.grid_images)
    sheet = sheets.contact_sheet(images, title=f'{shown:,} images shown')
    folder = self._folder / 'samples'
    folder.mkdir(exist_ok=True)
    storage.write_bytes(folder / f'{shown:09}.png', sheets.png(sheet))

  def _generator(self, state: state_lib.State) -> generators.Generator:
    host = jax.device_get(state)
    return state_lib.averaged(self._recipe, host, self._noise)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    if self._writer is not None:
      self._writer.close()
