"""What is written of a training to look at: generators, sheets, a chart."""

import dataclasses
import time
from collections.abc import Mapping
from typing import Annotated, Any, Protocol

import chex
import jax
import jax.numpy as jnp

from dgan_jax import rng, storage, validation
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
  """When something is written; changes no bit of the training."""

  # Whose metrics are averaged at once; whatever follows is done at a report.
  steps_per_report: validation.Count = 50
  # Besides, early on: after a half of that, a quarter, ... a 32nd.
  images_per_evaluation: validation.Count = 50_000
  seconds_per_save: validation.NotNegative = 120.0  # of a checkpoint
  seconds_per_grid: validation.NotNegative = 180.0  # evaluations have one too
  grid_images: Annotated[int, validation.between(1, 1000)] = 40

  def __post_init__(self) -> None:
    validation.check(self)


class Log:
  """What is seen of a training, beside its metrics.

  gan/samples/        sheets of samples of the same latents
  gan/distance.png    the distances of all evaluations
  generator/          g_ema's generator, as of the last evaluation
  best/               that with the lowest distance from real images
  """

  def __init__(
    self,
    workdir: storage.PathLike,
    config: state_lib.TrainConfig,
    schedule: Schedule,
    *,
    key: chex.PRNGKey,
    distance: Distance | None = None,
  ):
    self._workdir = storage.path(workdir)
    self._folder = self._workdir / 'gan'
    self._config, self._schedule = config, schedule
    self._distance = distance
    # The constant noise that the generator is given.
    self._noise = rng.noise(
      rng.stream(key, 'noise maps')[None], config.generator.noise_resolutions
    )
    self._draw = quality.Drawer(rng.stream(key, 'grid'))
    # Images shown and the distance then, of every evaluation.
    self._distances: list[tuple[int, float]] = []
    self._drawn_at = -float('inf')
    self._evaluated = 0

  def facts(self) -> dict[str, Any]:
    """What `restore` has to be told after a kill."""
    name = self._distance and self._distance.name
    return {'measure': name, 'distances': self._distances}

  def restore(self, facts: Mapping[str, Any], step: int) -> None:
    """Goes on after so many steps."""
    if facts and self._distance and facts['measure'] == self._distance.name:
      self._distances = [(shown, d) for shown, d in facts['distances']]
    self._evaluated = self._evaluations(step)

  def observe(
    self, state: state_lib.State, step: int
  ) -> dict[str, float] | None:
    """Writes what is due after so many steps; returns what an evaluation has
    found, if there was one."""
    found = None
    last = step == self._config.options.steps
    if last or self._evaluations(step) > self._evaluated:
      found = self._evaluate(state, step)
      self._evaluated = self._evaluations(step)
    waited = time.monotonic() - self._drawn_at
    if found is not None or waited >= self._schedule.seconds_per_grid:
      self._draw_grid(state, step)
      self._drawn_at = time.monotonic()
    return found

  def _evaluations(self, step: int) -> int:
    """How many were due by then."""
    interval = self._schedule.images_per_evaluation
    shown = step * self._config.options.batch_size
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
    self._distances.append((step * self._config.options.batch_size, distance))
    if len(self._distances) > 1:
      shown, values = zip(*self._distances, strict=True)
      label = f'Frechet distance, {self._distance.name}'
      lines = {'distance': (shown, values)}
      chart = charts.LineChart(lines, 'images shown', label)
      storage.write_bytes(self._folder / 'distance.png', charts.png(chart))
    return {'distance': distance}

  def _draw_grid(self, state: state_lib.State, step: int) -> None:
    shown = step * self._config.options.batch_size
    images = self._draw(self._generator(state), self._schedule.grid_images)
    sheet = sheets.contact_sheet(images, title=f'{shown:,} images shown')
    folder = self._folder / 'samples'
    folder.mkdir(exist_ok=True)
    storage.write_bytes(folder / f'{shown:09}.png', sheets.png(sheet))

  def _generator(self, state: state_lib.State) -> generators.Generator:
    host, architecture = jax.device_get(state), self._config.generator
    w_avg = jnp.tile(host.w_avg, (architecture.num_ws, 1))
    return generators.Generator(architecture, host.g_ema, w_avg, self._noise)
