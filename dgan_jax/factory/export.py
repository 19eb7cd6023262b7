"""From the shards of a run to a dataset that TFDS reads, and back."""

import contextlib
import dataclasses
import errno
import functools
import heapq
import itertools
import json
import math
import operator
import os
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent import futures
from typing import Any

import numpy as np
from absl import logging

from dgan_jax import errors, storage, workdir
from dgan_jax.factory import record_files, records, shards, tfrecord
from dgan_jax.factory import splits as splits_lib

TRAIN = 'train'
UNCERTAIN = 'uncertain'

# Large enough to read fast, small enough that a large dataset has files to
# shuffle and to share out among processes.
_FILE_BYTES = 128 << 20

_PROVENANCE = 'made_from'
# Score, counts and record size of every sample, by position.
_SAMPLES = 'samples.npy'

# The lock of what all datasets of a name share; files have larger numbers.
_NAME = 0
# Half a dataset that nobody wrote to for so long is somebody's who died.
_SECONDS_UNTOUCHED = 3600.0

# What may come of reading a file that is not what was written.
_DAMAGE = (
  *(OSError, EOFError, ValueError, TypeError, LookupError),
  errors.UserError,
)


@dataclasses.dataclass(frozen=True)
class Target:
  """A dataset as it is to be.

  Attributes:
    directory: `<data_dir>/<name>/<config>/<version>`.
    card: its name and texts.
    layout: of its features.
    made_from: everything that the samples depend on, as JSON values.
    first_index: global index of the first sample.
    num_samples: in all splits.
    uncertain_fraction: see `splits_lib.split_by_uncertainty`.
    formats: kinds of record files; see `record_files.in_order`.
  """

  directory: pathlib.Path
  card: records.Card
  layout: records.Layout
  made_from: Mapping[str, Any]
  first_index: int
  num_samples: int
  uncertain_fraction: float
  formats: Sequence[str]

  @property
  def provenance(self) -> dict[str, Any]:
    """What tells it from other datasets, as JSON values."""
    provenance: dict[str, Any] = {
      **self.made_from,
      'first_index': self.first_index,
      'num_samples': self.num_samples,
      'uncertain_fraction': self.uncertain_fraction,
      'formats': self.formats,
    }
    return json.loads(json.dumps(provenance))  # as it will be read


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A finished dataset on disk.

  Attributes:
    directory: `<data_dir>/<name>/<config>/<version>`.
    card: its name and texts.
    layout: of its features.
    provenance: everything it is made from, as JSON values.
    first_index: global index of the first sample.
    kept: positions of the samples in the split 'train', ascending; position
      p has the global index `first_index + p`.
    uncertain: positions of those in the split 'uncertain', ascending.
    summary: scores and counts by position.
    files: split -> its files, of one of the formats.
  """

  directory: pathlib.Path
  card: records.Card
  layout: records.Layout
  provenance: Mapping[str, Any]
  first_index: int
  kept: np.ndarray
  uncertain: np.ndarray
  summary: shards.Summary
  files: Mapping[str, Sequence[record_files.RecordFile]]

  @property
  def formats(self) -> tuple[str, ...]:
    """The kinds of files it is stored in."""
    return tuple(self.provenance['formats'])

  @property
  def splits(self) -> dict[str, np.ndarray]:
    """Split -> positions; TFDS knows no empty splits."""
    splits = {TRAIN: self.kept, UNCERTAIN: self.uncertain}
    return {name: where for name, where in splits.items() if len(where)}

  def read(self, position: int) -> dict[str, Any]:
    """The features of one sample, as numpy arrays and scalars."""
    if not 0 <= position < len(self.summary):
      raise IndexError(
        f'{self.directory} has no sample {position}; expected 0 to '
        f'{len(self.summary) - 1}.'
      )
    files = self.files.values()
    [payload] = _payloads(files, np.array([position]))
    example: dict[str, Any]
    example = self.layout.features().deserialize_example_np(payload)
    return example


def find(target: Target) -> Dataset | None:
  """The dataset that is there, the one asked for or one that may become it.

  It may if all that differs is that it has fewer samples, or is stored in
  other formats; its `provenance` tells.

  Raises:
    errors.UserError: it is made from something else, or larger.
  """
  if not target.directory.parent.is_dir():
    return None
  with contextlib.ExitStack() as stack:
    # Somebody may be putting another in its place; not on a read-only disk.
    with contextlib.suppress(OSError):
      stack.enter_context(_locked(target.directory))
    return _find(target)


def _find(target: Target) -> Dataset | None:
  directory = target.directory
  if not directory.exists():
    return None
  found = storage.read_json(directory / 'metadata.json').get(_PROVENANCE, {})
  free = {'formats': None}
  if found.get('num_samples', 0) < target.num_samples:
    free['num_samples'] = None
  if differences := workdir.compare(found | free, target.provenance | free):
    raise errors.UserError(
      f'{directory} holds a dataset that was made from something else: '
      f'{differences}. Name another config or data_dir, or delete it.'
    )
  try:
    return _open(target, found)
  except _DAMAGE as error:
    logging.warning(
      '%s cannot be read, and all of its samples are made again: %s.',
      *(directory, error),
    )
    return None


def _open(target: Target, provenance: Mapping[str, Any]) -> Dataset:
  """Raises one of many errors where the dataset is damaged."""
  directory = target.directory
  table = np.load(directory / _SAMPLES, allow_pickle=False)
  if len(table) != provenance['num_samples']:
    raise ValueError(f'{_SAMPLES} has {len(table)} samples')
  summary = shards.Summary(
    table['score'].copy(), table['counts'].astype(np.int64), table['size']
  )
  kept, uncertain = splits_lib.split_by_uncertainty(
    summary.scores, provenance['uncertain_fraction']
  )
  files: dict[str, dict[str, list[record_files.RecordFile]]] = {}
  for split in storage.read_json(directory / 'dataset_info.json')['splits']:
    ends = np.cumsum([int(length) for length in split['shardLengths']])
    positions = kept if split['name'] == TRAIN else uncertain
    parts = np.split(positions, ends[:-1])
    paths = records.file_paths(
      directory, target.card, split['name'], len(parts)
    )
    for path, part in zip(paths, parts, strict=True):
      for file_format in provenance['formats']:
        files.setdefault(file_format, {}).setdefault(split['name'], []).append(
          record_files.RecordFile(
            path[file_format], file_format, part, summary.sizes[part]
          )
        )
  whole = [
    file_format
    for file_format, splits in files.items()
    if all(file.is_whole() for file in itertools.chain(*splits.values()))
  ]
  if not whole:
    raise ValueError('record files are missing or cut short')
  return Dataset(
    directory,
    target.card,
    target.layout,
    {**provenance, 'formats': whole},
    target.first_index,
    kept,
    uncertain,
    summary,
    files[whole[0]],
  )


def is_finished(target: Target) -> bool:
  """Whether exactly this dataset is there, and can be read."""
  try:
    found = storage.read_json(target.directory / 'metadata.json')
  except (OSError, errors.UserError):
    return False
  # Most often it isn't, and need not be opened.
  return found.get(_PROVENANCE) == target.provenance and _is(
    target, find(target)
  )


def _is(target: Target, found: Dataset | None) -> bool:
  return found is not None and found.provenance == target.provenance


def finish(
  target: Target,
  there: Dataset | None,
  new: Sequence[record_files.RecordFile],
  summary: shards.Summary,
  *,
  process_index: int = 0,
  process_count: int = 1,
) -> None:
  """Splits off the uncertain samples and writes the dataset.

  Processes that call this at once share its files. It appears whole, by the
  renaming of a folder, in place of the one that was there.

  Args:
    target: what is to be there.
    there: what is there, the first samples; see `find`.
    new: the files of all other samples.
    summary: of all samples.
    process_index: of this process; decides only where it begins.
    process_count: how many processes share the run, as far as known.

  Raises:
    errors.UserError: another dataset has that name.
    OSError: the disk is full or read-only. Whole files stay, and the same
      call goes on from there.
  """
  kept, uncertain = splits_lib.split_by_uncertainty(
    summary.scores, target.uncertain_fraction
  )
  splits = {
    split: _parts(positions, summary.sizes)
    for split, positions in ((TRAIN, kept), (UNCERTAIN, uncertain))
    if len(positions)
  }
  directory = target.directory
  provenance = json.dumps(target.provenance, sort_keys=True)
  folder = directory.with_name(
    f'.{directory.name}.{storage.sha256(provenance)[:16]}.incomplete'
  )
  try:
    with _locked(directory):
      if _is(target, _find(target)):
        return
      _remove_abandoned(folder)
      folder.mkdir(parents=True, exist_ok=True)
      _check_space(folder, len(target.formats) * int(summary.sizes.sum()))
    tasks = [
      (paths, part)
      for split, parts in splits.items()
      for paths, part in zip(
        records.file_paths(
          folder, target.card, split, len(parts), target.formats
        ),
        parts,
        strict=True,
      )
    ]
    start = len(tasks) * process_index // process_count
    sources = [new, *(there.files.values() if there else ())]
    _write(directory.parents[1], sources, [*tasks[start:], *tasks[:start]])
    with _locked(directory):
      if not _is(target, _find(target)):
        _write_info(target, folder, splits, summary)
        _put_in_place(folder, directory)
  except tfrecord.DamagedError as error:
    raise errors.UserError(
      f'{error}; the same command makes it again, if it is a shard. The '
      'samples of a dataset are made again when its folder is deleted.'
    ) from error
  except OSError as error:
    if is_finished(target):  # Another process has tidied up.
      return
    # A failed write does not say to which file.
    name = error.filename or os.fspath(directory)
    raise OSError(error.errno, error.strerror, name) from error


Task = tuple[dict[str, pathlib.Path], np.ndarray]


def _write(
  name_folder: pathlib.Path,
  sources: Sequence[Sequence[record_files.RecordFile]],
  tasks: Sequence[Task],
) -> None:
  """Returns when all files are there, by whomever."""

  def write(task: Task, wait: bool) -> None:
    paths, positions = task
    number = _number(*paths.values())
    if _are_there(paths) or not locks.take(number, wait=wait):
      return
    if not _are_there(paths):  # They may have been finished just now.
      for path in paths.values():
        storage.remove_leftovers(path)
      record_files.write(paths, _payloads(sources, positions))
    locks.release(number)

  with (
    workdir.Locks(name_folder) as locks,
    futures.ThreadPoolExecutor(os.cpu_count(), 'export') as pool,
  ):
    # First what nobody else is writing.
    for wait in (False, True):
      list(pool.map(functools.partial(write, wait=wait), tasks))


def _are_there(paths: Mapping[str, pathlib.Path]) -> bool:
  return all(path.exists() for path in paths.values())


def _number(*paths: pathlib.Path) -> int:
  """What files are locked by, as long as they are in no dataset."""
  return int(storage.sha256(*map(os.fspath, paths))[:12], 16) + _NAME + 1


def _payloads(
  sources: Iterable[Iterable[record_files.RecordFile]], positions: np.ndarray
) -> Iterator[bytes]:
  """The records at these positions, ascending.

  Args:
    sources: of each, the files follow each other; every position is in one.
    positions: int64 [n].
  """
  chains = (
    itertools.chain.from_iterable(file.read(positions) for file in files)
    for files in sources
  )
  merged = heapq.merge(*chains, key=operator.itemgetter(0))
  for position, (found, payload) in zip(
    positions.tolist(), merged, strict=True
  ):
    assert found == position
    yield payload


def _write_info(
  target: Target,
  folder: pathlib.Path,
  splits: Mapping[str, Sequence[np.ndarray]],
  summary: shards.Summary,
) -> None:
  """Writes all that a dataset has beside its records."""
  table = np.empty(
    len(summary),
    [
      ('score', '<f4'),
      ('size', '<i8'),
      ('counts', '<u4', summary.counts.shape[1:]),
    ],
  )
  table['score'], table['size'] = summary.scores, summary.sizes
  table['counts'] = summary.counts
  np.save(folder / _SAMPLES, table)
  task = target.layout.task
  counted = {}
  for split, parts in splits.items():
    counts = summary.counts[np.concatenate(parts)].sum(0).tolist()
    counted[split] = dict(zip(task.names, counts, strict=True))
  records.write_info(
    folder,
    target.card,
    target.layout,
    {split: [len(part) for part in parts] for split, parts in splits.items()},
    {_PROVENANCE: target.provenance, task.counted: counted},
    target.formats,
  )


def _put_in_place(folder: pathlib.Path, directory: pathlib.Path) -> None:
  """Makes a complete folder the dataset."""
  for path in (*folder.iterdir(), folder):
    storage.sync(path)
  if directory.exists():
    directory.rename(_old(directory))
  folder.rename(directory)
  storage.sync(directory.parent)
  shutil.rmtree(_old(directory), ignore_errors=True)


def _old(directory: pathlib.Path) -> pathlib.Path:
  """Where a dataset is while another takes its place."""
  return directory.with_name(f'.{directory.name}.old')


def settle(target: Target) -> None:
  """Does what is left to do once a dataset is in its place."""
  name_folder = target.directory.parents[1]
  if _old(target.directory).exists() or not _default(name_folder).exists():
    with _locked(target.directory):
      if not _default(name_folder).exists():
        _write_default_config(name_folder, target.card.config)


def set_default_config(data_dir: storage.PathLike, card: records.Card) -> None:
  """Makes the card's config the one that `tfds.load(name)` reads where no
  builder class says otherwise."""
  with _locked(card.directory(data_dir)) as name_folder:
    _write_default_config(name_folder, card.config)


def _default(name_folder: pathlib.Path) -> pathlib.Path:
  """Where TFDS looks for the config that a bare dataset name means."""
  return name_folder / '.config' / 'metadata.json'


def _write_default_config(name_folder: pathlib.Path, config: str) -> None:
  path = _default(name_folder)
  path.parent.mkdir(parents=True, exist_ok=True)
  storage.remove_leftovers(path)
  storage.write_json(path, {'default_config_name': config})


@contextlib.contextmanager
def _locked(directory: pathlib.Path) -> Iterator[pathlib.Path]:
  """One process at a time puts datasets of one name in their place."""
  name_folder = directory.parents[1]
  with workdir.Locks(name_folder) as locks:
    locks.take(_NAME, wait=True)
    old = _old(directory)
    if old.exists():  # Somebody was killed at it.
      if directory.exists():
        shutil.rmtree(old, ignore_errors=True)
      else:
        old.rename(directory)
    yield name_folder


def _remove_abandoned(folder: pathlib.Path) -> None:
  """Removes what was begun for other datasets of the name of `folder`."""
  version = folder.name.rsplit('.', 2)[0]
  for other in folder.parent.glob(f'{version}.*.incomplete'):
    if (
      other != folder and storage.seconds_untouched(other) > _SECONDS_UNTOUCHED
    ):
      shutil.rmtree(other, ignore_errors=True)


def _check_space(folder: pathlib.Path, needed: int) -> None:
  needed -= sum(path.stat().st_size for path in folder.iterdir())
  free = shutil.disk_usage(folder).free
  if free < needed:
    raise OSError(
      errno.ENOSPC,
      f'The dataset needs {needed >> 20} MiB and {free >> 20} MiB are free',
      os.fspath(folder.parent),
    )


def _parts(positions: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
  """The positions whose records go to each file of a split."""
  count = math.ceil(int(sizes[positions].sum()) / _FILE_BYTES)
  return np.array_split(positions, min(count, len(positions)))
