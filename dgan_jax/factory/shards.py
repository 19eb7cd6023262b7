"""The files of a run: whole shards, and what the run is made from.

A run folder holds `run.json` (the identity of the run: whatever decides its
bytes) and `shards/`, TFRecord files of finished tf.Examples. The last record
of a shard is a JSON object with what the finishing pass needs, so that it
decodes nothing. A shard has its name only once it is complete.
"""

import dataclasses
import itertools
import json
import os
import pathlib
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from absl import logging

from dgan_jax import errors, storage, validation
from dgan_jax.factory import tfrecord

# A key folds in its index as a uint32.
_MAX_INDEX = 2**32


@dataclasses.dataclass(frozen=True)
class Plan:
  """Which samples lie in which shard."""

  first_index: validation.Index
  num_samples: validation.Count
  samples_per_shard: validation.Count

  def __post_init__(self) -> None:
    validation.check(self)
    if self.first_index + self.num_samples > _MAX_INDEX:
      most = _MAX_INDEX - self.num_samples
      validation.refuse(
        'first_index',
        self.first_index,
        f'{most} at most, for {self.num_samples} samples',
      )

  @property
  def num_shards(self) -> int:
    return -(-self.num_samples // self.samples_per_shard)

  def indices(self, shard: int) -> np.ndarray:
    """The global indices in a shard, int64 [n]."""
    start = shard * self.samples_per_shard
    stop = min(start + self.samples_per_shard, self.num_samples)
    return np.arange(start, stop, dtype=np.int64) + self.first_index

  def name(self, shard: int) -> str:
    return f'samples-{shard:05}-of-{self.num_shards:05}.tfrecord'


@dataclasses.dataclass(frozen=True)
class Record:
  """One sample, ready to be written.

  Attributes:
    payload: serialised tf.Example.
    score: uncertainty of the sample, a float32.
    counts: how much the sample has of each name; see `Task.counts`.
  """

  payload: bytes
  score: float
  counts: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Summary:
  """What is known about the n samples of one shard, or of several.

  Attributes:
    scores: float32 [n].
    counts: int64 [n, names]; see `Task.counts`.
    sizes: bytes of every record, int64 [n].
  """

  scores: np.ndarray
  counts: np.ndarray
  sizes: np.ndarray

  @classmethod
  def join(cls, parts: Iterable['Summary']) -> 'Summary':
    parts = list(parts)
    return cls(
      np.concatenate([part.scores for part in parts]),
      np.concatenate([part.counts for part in parts]),
      np.concatenate([part.sizes for part in parts]),
    )


class Shards:
  """The shard files of one run."""

  def __init__(
    self, workdir: storage.PathLike, plan: Plan, identity: Mapping[str, Any]
  ):
    """Nothing is read or written yet.

    Args:
      workdir: the run folder.
      plan: which samples lie where.
      identity: JSON values; see `open_run`.
    """
    self.plan = plan
    self.folder = pathlib.Path(workdir) / 'shards'
    self._run = storage.sha256(json.dumps(identity, sort_keys=True))

  def path(self, shard: int) -> pathlib.Path:
    return self.folder / self.plan.name(shard)

  def write(self, shard: int, records: Iterable[Record]) -> Summary:
    """Writes a shard, whole or not at all.

    Raises:
      OSError: the disk is full or the folder cannot be written.
    """
    path = self.path(shard)
    self.folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'{self._prefix(shard)}{os.getpid()}.tmp')
    scores, counts, sizes = [], [], []
    try:
      with open(temporary, 'wb') as file:
        for record in records:
          file.write(tfrecord.frame(record.payload))
          scores.append(float(record.score))
          counts.append(record.counts)
          sizes.append(len(record.payload))
        assert len(scores) == len(self.plan.indices(shard))
        footer = {
          'run': self._run,
          'shard': shard,
          'scores': scores,
          'counts': counts,
        }
        file.write(tfrecord.frame(json.dumps(footer).encode()))
        file.flush()
        os.fsync(file.fileno())
      os.replace(temporary, path)
    except OSError as error:
      # A failed write does not say to which file.
      raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
      temporary.unlink(missing_ok=True)
    return _summary(scores, counts, sizes)

  def clean(self, shard: int) -> None:
    """Removes what killed processes of this machine left of a shard.

    For whoever has claimed the shard: nobody else is writing it.
    """
    for leftover in self.folder.glob(f'{self._prefix(shard)}*.tmp'):
      leftover.unlink(missing_ok=True)

  def check(self, shard: int) -> Summary | None:
    """Reads and verifies all of a shard; None if it is to be made (again)."""
    path = self.path(shard)
    sizes: list[int] = []
    payload = b''
    try:
      for payload in tfrecord.read(path):
        sizes.append(len(payload))
      footer = json.loads(payload)
      if footer['run'] != self._run or footer['shard'] != shard:
        raise tfrecord.DamagedError(f'{path} belongs to another run')
      count = len(self.plan.indices(shard))
      if not len(sizes) - 1 == len(footer['scores']) == count:
        raise tfrecord.DamagedError(f'{path} does not hold {count} samples')
      return _summary(footer['scores'], footer['counts'], sizes[:-1])
    except FileNotFoundError:
      return None
    except (tfrecord.DamagedError, ValueError, KeyError, TypeError) as error:
      logging.warning('A shard is damaged and will be made again: %s.', error)
      return None

  def payloads(self, positions: np.ndarray) -> Iterator[bytes]:
    """The serialised tf.Examples at these positions in the run, ascending.

    Raises:
      tfrecord.DamagedError: a shard changed since it was checked.
    """
    for shard in range(self.plan.num_shards):
      indices = self.plan.indices(shard) - self.plan.first_index
      wanted = np.isin(indices, positions).tolist()
      if any(wanted):
        yield from itertools.compress(tfrecord.read(self.path(shard)), wanted)

  def _prefix(self, shard: int) -> str:
    return f'.{self.plan.name(shard)}.{socket.gethostname()}.'


def _summary(
  scores: list[float], counts: list[tuple[int, ...]], sizes: list[int]
) -> Summary:
  return Summary(
    np.array(scores, np.float32),
    np.array(counts, np.int64),
    np.array(sizes, np.int64),
  )


def open_run(workdir: storage.PathLike, identity: Mapping[str, Any]) -> None:
  """Starts a run in a folder, or makes sure that it is the same run.

  For whoever has claimed `claims.RUN`.

  Args:
    workdir: the run folder; made if need be.
    identity: everything that the bytes of the run depend on, as JSON values.

  Raises:
    errors.UserError: the folder holds another run; the message says in what
      it differs.
    OSError: the folder cannot be written.
  """
  path = pathlib.Path(workdir) / 'run.json'
  remove_leftovers(path)
  if not path.exists():
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.write_json(path, identity)
    return
  if differences := compare(storage.read_json(path), identity):
    raise errors.UserError(
      f'{workdir} holds a run that was made from something else: '
      f'{differences}. Name another folder, or go on with what it was made '
      'from.'
    )


def remove_leftovers(path: pathlib.Path) -> None:
  """Removes what killed processes left of writing a file with `files`.

  For one process at a time: it would take away what another is writing.
  """
  for leftover in path.parent.glob(f'.{path.name}.*.tmp'):
    leftover.unlink(missing_ok=True)


def compare(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
  """In words, where two JSON objects differ; '' if they don't."""
  return '; '.join(_differences(there, json.loads(json.dumps(now)), ''))


def _differences(there: Any, now: Any, name: str) -> Iterator[str]:
  if isinstance(there, dict) and isinstance(now, dict):
    for key in sorted(there.keys() | now.keys()):
      yield from _differences(
        there.get(key), now.get(key), f'{name}.{key}' if name else key
      )
  elif there != now:
    yield f'{name} is {_shorten(there)} there and {_shorten(now)} now'


def _shorten(value: Any) -> str:
  text = json.dumps(value)
  return text if len(text) <= 40 else f'{text[:37]}...'
