"""The files of a run: whole shards, for as long as there is no dataset.

A run folder holds `run.json` (the identity of the run: whatever decides its
bytes) and `shards/`, TFRecord files of finished tf.Examples. The last record
of a shard is a JSON object with what the export needs, so that it decodes
nothing. A shard has its name only once it is complete. The name says where it
begins, and nothing says how many there are, so that a run may grow.
"""

import contextlib
import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from dgan_jax import storage, validation
from dgan_jax import workdir as workdir_lib
from dgan_jax.factory import record_files, tfrecord

# What is known about samples, a row for each: their uncertainty, the bytes of
# their records, and how much they have of each name (see `Task.counts`).
Summary = np.ndarray

# A key folds in its index as a uint32.
_MAX_INDEX = 2**32


@dataclasses.dataclass(frozen=True)
class Plan:
  """Which samples lie in which shard."""

  first_index: validation.Index  # global, of the sample at position 0
  num_samples: validation.Count  # of the dataset
  samples_per_shard: validation.Count  # at most
  num_stored: validation.Whole = 0  # that a smaller dataset holds already

  def __post_init__(self) -> None:
    validation.check(self)
    if self.first_index + self.num_samples > _MAX_INDEX:
      most = _MAX_INDEX - self.num_samples
      expected = f'{most} at most, for {self.num_samples} samples'
      validation.refuse('first_index', self.first_index, expected)

  @property
  def num_shards(self) -> int:
    missing = self.num_samples - self.num_stored
    return -(-missing // self.samples_per_shard)

  def positions(self, shard: int) -> np.ndarray:
    """Where the samples of a shard lie in the dataset, int64 [n]."""
    start = self.num_stored + shard * self.samples_per_shard
    stop = min(start + self.samples_per_shard, self.num_samples)
    return np.arange(start, stop, dtype=np.int64)

  def indices(self, shard: int) -> np.ndarray:
    """The global indices in a shard, int64 [n]."""
    return self.positions(shard) + self.first_index

  def number(self, shard: int) -> int:
    """What a shard is locked by: its first index, however large the run."""
    return int(self.indices(shard)[0])

  def name(self, shard: int) -> str:
    return f'samples-from-{self.number(shard):010}.tfrecord'


@dataclasses.dataclass(frozen=True)
class Record:
  """One sample, ready to be written: a serialised tf.Example, and what its
  `Summary` says."""

  payload: bytes
  score: float
  counts: tuple[int, ...]


class Shards:
  """The shard files of one run."""

  def __init__(
    self, workdir: storage.PathLike, plan: Plan, identity: Mapping[str, Any]
  ):
    """Of the run in `workdir` that has this identity, as `open_run` takes it;
    nothing is read or written yet."""
    self.plan = plan
    self.folder = storage.path(workdir) / 'shards'
    self._run = storage.sha256(json.dumps(identity, sort_keys=True))

  def path(self, shard: int) -> pathlib.Path:
    return self.folder / self.plan.name(shard)

  def write(self, shard: int, records: Iterable[Record]) -> Summary:
    """Writes a shard, whole or not at all: raises OSError if the disk is full
    or the folder cannot be written."""
    rows = []

    def payloads() -> Iterator[bytes]:
      for record in records:
        yield record.payload
        rows.append((record.score, len(record.payload), record.counts))
      assert len(rows) == len(self.plan.indices(shard))
      scores, _, counts = zip(*rows, strict=True)
      footer = {'scores': scores, 'counts': counts, **self._origin(shard)}
      yield json.dumps(footer).encode()

    self.folder.mkdir(parents=True, exist_ok=True)
    record_files.write({'tfrecord': self.path(shard)}, payloads())
    return _summary(rows)

  def _origin(self, shard: int) -> dict[str, Any]:
    return {'run': self._run, 'first': self.plan.number(shard)}

  def check(self, shard: int) -> Summary | None:
    """Reads and verifies all of a shard; None if it is to be made (again)."""
    path = self.path(shard)
    sizes: list[int] = []
    payload = b''
    try:
      for payload in tfrecord.read(path):
        sizes.append(len(payload))
      footer = json.loads(payload)
      if footer != footer | self._origin(shard):
        raise tfrecord.DamagedError(f'{path} belongs to another run')
      if len(sizes) - 1 != len(self.plan.indices(shard)):
        return None  # It was the last one of a smaller or a larger run.
      columns = footer['scores'], sizes[:-1], footer['counts']
      return _summary([*zip(*columns, strict=True)])
    except FileNotFoundError:
      return None
    except (tfrecord.DamagedError, ValueError, LookupError, TypeError) as error:
      logging.warning('A shard is damaged and will be made again: %s.', error)
      return None

  def files(
    self, summaries: Sequence[Summary]
  ) -> Iterator[record_files.RecordFile]:
    """The shards, given what is known about each."""
    for shard, summary in enumerate(summaries):
      path, positions = self.path(shard), self.plan.positions(shard)
      sizes = summary['size']
      yield record_files.RecordFile(path, 'tfrecord', positions, sizes)

  def remove(self) -> None:
    """Removes the shards of a dataset that is finished, and what they were made
    from; but for those of a larger one that may be on its way."""
    end = self.plan.first_index + self.plan.num_samples
    for path in self.folder.glob('samples-from-*.tfrecord'):
      if int(path.stem.rpartition('-')[2]) < end:
        path.unlink(missing_ok=True)
    storage.remove_leftovers(self.folder)
    with contextlib.suppress(OSError):  # There are others, or it is gone.
      self.folder.rmdir()
    run = self.folder.parent / 'run.json'
    if run.exists() and not self.folder.exists():
      with workdir_lib.opening(run.parent):  # Somebody may be reading it.
        run.unlink(missing_ok=True)


def _summary(rows: Sequence[tuple[float, int, Sequence[int]]]) -> Summary:
  counts = ('counts', '<u4', (len(rows[0][2]),))
  return np.array(rows, [('score', '<f4'), ('size', '<i8'), counts])
