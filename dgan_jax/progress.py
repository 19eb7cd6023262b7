"""How far a run is, in words, and its metrics, in files."""

import collections
import json
import os
import pathlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from absl import logging

from dgan_jax import storage

try:
  import tensorboardX
except ImportError:  # an extra
  tensorboardX = None  # noqa: N816

# What long library calls take as `on_progress`: units done, units in all, and
# whatever numbers are known by then.
OnProgress = Callable[[int, int, Mapping[str, float]], None]

# The rate is that of this many last seconds, so that neither compilation at
# the start nor a short stall stays in the estimate.
_WINDOW_SECONDS = 30.0


class Progress:
  """Turns counts into lines such as `120/300 samples  14.2/s  0:12 left`."""

  def __init__(
    self,
    total: int,
    unit: str,
    *,
    clock: Callable[[], float] = time.monotonic,
  ):
    """`total` units of work, called `unit` (a plural); `clock` in seconds."""
    self.total = total
    self.unit = unit
    self._clock = clock
    self._start = clock()
    self._history: collections.deque[tuple[float, int]] = collections.deque()

  def update(self, done: int, **metrics: float) -> str:
    """The line for now that `done` units are finished.

    The first call only sets the starting point of the rate: what a resumed
    run finds already done took no time of this run.
    """
    now = self._clock()
    history = self._history
    history.append((now, done))
    while len(history) > 2 and now - history[1][0] > _WINDOW_SECONDS:
      history.popleft()
    parts = [f'{done}/{self.total} {self.unit}']
    seconds, count = now - history[0][0], done - history[0][1]
    if seconds >= 0.5 and count > 0:  # Less says little.
      rate = count / seconds
      parts.append(_rate(rate))
      if done < self.total:
        parts.append(f'{_duration((self.total - done) / rate)} left')
    if done >= self.total:
      parts.append(f'{_duration(now - self._start)} in all')
    parts += [f'{name} {value:.4g}' for name, value in metrics.items()]
    return '  '.join(parts)


def _rate(per_second: float) -> str:
  if per_second >= 1:
    return f'{per_second:.3g}/s'
  return f'{1 / per_second:.3g} s each'


def _duration(seconds: float) -> str:
  """`m:ss`, or `h:mm:ss` from an hour on."""
  minutes, rest = divmod(round(seconds), 60)
  hours, minutes = divmod(minutes, 60)
  if hours:
    return f'{hours}:{minutes:02}:{rest:02}'
  return f'{minutes}:{rest:02}'


class MetricWriter:
  """Writes scalars to `metrics.jsonl`, and to TensorBoard files where
  tensorboardX is installed.

  Each line of `metrics.jsonl` is an object with `step`, `time` (seconds since
  the epoch) and the values by name. A run that goes on appends.
  """

  def __init__(self, workdir: storage.PathLike):
    """Raises OSError if `workdir` cannot be written."""
    folder = storage.path(workdir)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'metrics.jsonl'
    _drop_half_line(path)
    self._lines = open(path, 'a', encoding='utf-8')  # noqa: SIM115
    self._tensorboard = None
    if tensorboardX is None:
      logging.info('%s gets no TensorBoard files: no tensorboardX.', folder)
    else:
      self._tensorboard = tensorboardX.SummaryWriter(str(folder))

  def write(self, step: int, values: Mapping[str, float]) -> None:
    """Appends the `values` of one step."""
    now = time.time()
    scalars = {name: float(value) for name, value in values.items()}
    record: dict[str, Any] = {'step': int(step), 'time': now, **scalars}
    self._lines.write(json.dumps(record) + '\n')
    self._lines.flush()
    if self._tensorboard:
      for name, value in scalars.items():
        self._tensorboard.add_scalar(name, value, int(step), walltime=now)

  def close(self) -> None:
    self._lines.close()
    if self._tensorboard:
      self._tensorboard.close()

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    self.close()


def _drop_half_line(path: pathlib.Path) -> None:
  """Cuts off what a killed run left of its last line."""
  if not path.exists():
    return
  data = path.read_bytes()
  whole = data.rfind(b'\n') + 1
  if whole < len(data):
    os.truncate(path, whole)
