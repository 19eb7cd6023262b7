"""Makes the shards of a run that are not there yet."""

import collections
import dataclasses
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures

from absl import logging

from dgan_jax import progress, workdir
from dgan_jax.factory import records
from dgan_jax.factory import shards as shards_lib

# A stream of global indices -> their samples, in the same order.
MakeSamples = Callable[[Iterable[int]], Iterable[records.LabelledSample]]
Encode = Callable[[records.LabelledSample], shards_lib.Record]


def fill(
  shards: shards_lib.Shards,
  locks: workdir.Locks,
  make_samples: MakeSamples,
  encode: Encode,
  *,
  is_finished: Callable[[], bool] = lambda: False,
  process: tuple[int, int] = (0, 1),
  on_progress: progress.OnProgress | None = None,
) -> list[shards_lib.Summary] | None:
  """Returns when every shard of the run is there and whole.

  Shards that exist are verified and kept. Any number of processes may fill
  one folder: each locks a shard before it makes it, and in the end waits for
  the others, or does what a dead one left. Samples are encoded by threads
  while the device makes the next ones.

  Args:
    shards, locks: of the run folder.
    make_samples: called with the indices of all shards that this call makes.
    encode: called by several threads.
    is_finished: whether another process has made the dataset, and removed the
      shards; asked where one is missing. Then the result is None.
    process: the number of this one, and how many share the run, as far as
      known; decides only where it begins.
    on_progress: called with the samples that are finished, by whomever; the
      metric `score` is the mean over those that this call made.

  Raises:
    OSError: the disk is full or read-only. Finished shards stay.
  """
  index, count = process
  order = sorted(
    range(shards.plan.num_shards), key=lambda x: ((x - index) % count, x)
  )
  workers = os.cpu_count() or 1
  filling = _Filling(shards, locks, is_finished, on_progress)
  with futures.ThreadPoolExecutor(workers, 'encode') as pool:

    def make(order: Iterable[int], wait: bool) -> None:
      samples = filling.samples(order, make_samples, wait)
      filling.write(_map_ahead(pool, encode, samples, depth=4 * workers))

    make(order, wait=False)
    # One at a time: to hold a lock while waiting for another could block two
    # processes for ever.
    for shard in tuple(filling.busy):
      logging.info('Waiting for shard %d; another process has it.', shard)
      make([shard], wait=True)
  if filling.is_over:
    return None
  return [filling.summaries[shard] for shard in range(shards.plan.num_shards)]


@dataclasses.dataclass
class _Filling:
  """The state of one `fill`."""

  shards: shards_lib.Shards
  locks: workdir.Locks
  is_finished: Callable[[], bool]
  on_progress: progress.OnProgress | None

  def __post_init__(self) -> None:
    # Of the shards that are there, and those that other processes were making.
    self.summaries: dict[int, shards_lib.Summary] = {}
    self.busy: list[int] = []
    self.is_over = False  # another process has finished the dataset
    self.found = self.made = 0  # samples of shards there, and of this call
    self.score = 0.0  # sum over those of this call

  def samples(
    self, order: Iterable[int], make_samples: MakeSamples, wait: bool
  ) -> Iterator[tuple[int, records.LabelledSample]]:
    """Yields (shard, sample) of what is missing and can be locked, in one
    stream, so that the maker can work ahead."""
    shards: collections.deque[int] = collections.deque()

    def indices() -> Iterator[int]:
      for shard in order:
        number = self.shards.plan.number(shard)
        if self.is_over or self._is_there(shard):
          continue
        if not self.locks.take(number, wait=wait):
          self.busy.append(shard)
          continue
        # It, or all of the dataset, may have been finished just now.
        if self._is_there(shard) or self.is_finished():
          self.is_over = shard not in self.summaries
          self.locks.release(number)
          continue
        for index in self.shards.plan.indices(shard).tolist():
          shards.append(shard)
          yield index

    for sample in make_samples(indices()):
      yield shards.popleft(), sample

  def write(self, items: Iterable[tuple[int, shards_lib.Record]]) -> None:
    """Writes (shard, record)s that come shard by shard."""
    for shard, group in itertools.groupby(items, lambda item: item[0]):
      counted = (self._count(record) for _, record in group)
      self.summaries[shard] = self.shards.write(shard, counted)
      self.locks.release(self.shards.plan.number(shard))

  def _is_there(self, shard: int) -> bool:
    summary = self.shards.check(shard)
    if summary is not None:
      self.summaries[shard] = summary
      self.found += len(summary)
      self._report()
    return summary is not None

  def _count(self, record: shards_lib.Record) -> shards_lib.Record:
    self.made += 1
    self.score += record.score
    self._report()
    return record

  def _report(self) -> None:
    if self.on_progress:
      plan = self.shards.plan
      metrics = {'score': self.score / self.made} if self.made else {}
      done = plan.num_stored + self.found + self.made
      self.on_progress(done, plan.num_samples, metrics)


def _map_ahead(
  pool: futures.Executor,
  function: Encode,
  items: Iterable[tuple[int, records.LabelledSample]],
  depth: int,
) -> Iterator[tuple[int, shards_lib.Record]]:
  """`function` over the second of each pair, in order, `depth` at a time."""
  queue: collections.deque[tuple[int, futures.Future[shards_lib.Record]]]
  queue = collections.deque()
  for shard, sample in items:
    queue.append((shard, pool.submit(function, sample)))
    if len(queue) >= depth:
      first, future = queue.popleft()
      yield first, future.result()
  for first, future in queue:
    yield first, future.result()
