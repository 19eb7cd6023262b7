"""The one loop of every training: steps, reports, checkpoints, and any end."""

import contextlib
import dataclasses
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import chex
import jax
import numpy as np
from absl import logging

from dgan_jax import parallel, progress
from dgan_jax.training import run_folder

# Of one step, by name: means over the batch.
Metrics = Mapping[str, chex.Array]
Batch = TypeVar('Batch')


class State(Protocol):
  """All that a training changes, as a pytree of arrays: parameters, their
  moving averages (g_ema), the optimizers' state. With the data and the key it
  determines what follows."""

  @property
  def step(self) -> chex.Array:
    """Steps done, an int32 scalar."""


AnyState = TypeVar('AnyState', bound=State)


@dataclasses.dataclass(frozen=True)
class Loop(Generic[AnyState]):
  """How long a training is, and what is done besides its steps; but for
  `steps` and `is_done` it changes no bit."""

  steps: int  # in all
  # Whose metrics are averaged, checked and written at once; whatever else is
  # due is done at a report.
  steps_per_report: int = 1
  unit: str = 'steps'  # what progress and metrics count, a plural
  unit_size: int = 1  # units of a step
  folder: run_folder.RunFolder | None = None  # gets metrics and checkpoints
  # (state, steps done) -> what is found out besides, such as scores, or None;
  # asked at every report, in the first process. The state is saved where
  # something is found.
  observe: Callable[[AnyState, int], Mapping[str, float] | None] | None = None
  facts: Callable[[], Mapping[str, Any]] = dict  # kept with a checkpoint, JSON
  is_done: Callable[[AnyState], bool] = lambda state: False  # may it end early?
  # Told of units done and of metrics at every report.
  on_progress: progress.OnProgress | None = None

  def run(
    self,
    advance: Callable[[AnyState, Batch], tuple[AnyState, Metrics]],
    batches: Callable[[int], Iterable[tuple[int, Batch]]],
    state: AnyState,
  ) -> AnyState:
    """Trains from where a state is to the end.

    A training that is killed and started again gives the same bits as one that
    is not. Told to end by Ctrl-C, or by SIGTERM as before a preemption, it
    saves its state after the step under way; of several processes that hear of
    a SIGTERM, all end after the same step.

    Args:
      advance: a step, or some at once, as a pure function; the state that it
        is given may be used up.
      batches: from a number of steps done to what `advance` is given from
        there on, each after the number of steps that are done then.
      state: to start from; see `RunFolder.restore`.

    Raises:
      FloatingPointError: a metric is not finite; says between which steps.
      OSError: the disk is full; the last checkpoint is whole.
      KeyboardInterrupt: by Ctrl-C; a second one doesn't wait for the step.
      SystemExit: by SIGTERM.
    """
    first, start = int(state.step), time.monotonic()
    pending: list[Metrics] = []
    is_whole = True
    with _signals() as signals:
      try:
        for step, batch in batches(first):
          if self.is_done(state):
            break
          is_whole = False
          state, metrics = advance(state, batch)
          is_whole = True
          pending.append(metrics)
          if parallel.is_preempted(step):
            signals.append(signal.SIGTERM)
          if signals:
            self._save(state, now=True)
            break
          if step % self.steps_per_report == 0 or step >= self.steps:
            means = _means(pending, first, step)
            seconds = time.monotonic() - start
            self._report(state, step, means, (step - first) / seconds)
            first, pending, start = step, [], time.monotonic()
      except KeyboardInterrupt:
        if is_whole:
          self._save(state, now=True)
        raise
    if signal.SIGTERM in signals:
      raise SystemExit(128 + signal.SIGTERM)  # as shells say it
    if signals:
      raise KeyboardInterrupt
    return state

  def _report(
    self, state: AnyState, step: int, means: dict[str, float], rate: float
  ) -> None:
    found = None
    if self.observe and parallel.process_index() == 0:
      found = self.observe(state, step)
      means |= found or {}
    self._save(state, now=found is not None or step >= self.steps)
    if self.folder:
      speed = {f'{self.unit}_per_second': rate * self.unit_size}
      self.folder.write(step * self.unit_size, {**means, **speed})
    if self.on_progress:
      done = min(step, self.steps) * self.unit_size
      self.on_progress(done, self.steps * self.unit_size, means)

  def _save(self, state: AnyState, *, now: bool) -> None:
    if self.folder:
      self.folder.save(state, self.facts(), now=now)


def _means(
  pending: Sequence[Metrics], first: int, step: int
) -> dict[str, float]:
  """Of the metrics since `first`, fetched only now so that devices need not
  wait for the host.

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
        f'The training diverged: the {name.replace("_", " ")} is not finite '
        f'between steps {first} and {step}; lower the learning rate.'
      )
  return means


@contextlib.contextmanager
def _signals() -> Iterator[list[int]]:
  """The signals to end that come meanwhile, which end nothing by themselves;
  but for a second Ctrl-C. SIGTERM is left to JAX where it has to tell other
  processes too."""
  found: list[int] = []

  def note(number: int, frame: object) -> None:
    del frame
    if number == signal.SIGINT and number in found:
      raise KeyboardInterrupt
    found.append(number)
    logging.warning('Ending after this step; Ctrl-C again ends at once.')

  numbers = [signal.SIGINT]
  if parallel.process_count() == 1:
    numbers.append(signal.SIGTERM)
  if threading.current_thread() is not threading.main_thread():
    numbers = []  # Python lets no other thread have them.
  before = {number: signal.signal(number, note) for number in numbers}
  try:
    yield found
  finally:
    for number, handler in before.items():
      signal.signal(number, handler)
