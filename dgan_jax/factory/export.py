"""From the shards of a run to a dataset that TFDS reads."""

import contextlib
import dataclasses
import errno
import itertools
import math
import os
import pathlib
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from array_record.python import array_record_module

from dgan_jax import errors, locks, storage
from dgan_jax.factory import records, shards, tfrecord
from dgan_jax.factory import splits as splits_lib

TRAIN = 'train'
UNCERTAIN = 'uncertain'

# Large enough to read fast, small enough that a large dataset has files to
# shuffle and to share out among hosts.
_FILE_BYTES = 128 << 20

_PROVENANCE = 'made_from'


@dataclasses.dataclass(frozen=True)
class Dataset:
  """A finished dataset on disk.

  Attributes:
    directory: `<data_dir>/<name>/<config>/<version>`.
    card: its name and texts.
    layout: of its features.
    first_index: global index of the first sample.
    kept: positions of the samples in the split 'train', ascending; position
      p has the global index `first_index + p`.
    uncertain: positions of those in the split 'uncertain', ascending.
    summary: scores and counts by position.
  """

  directory: pathlib.Path
  card: records.Card
  layout: records.Layout
  first_index: int
  kept: np.ndarray
  uncertain: np.ndarray
  summary: shards.Summary

  @property
  def splits(self) -> dict[str, np.ndarray]:
    """Split -> positions; TFDS knows no empty splits."""
    splits = {TRAIN: self.kept, UNCERTAIN: self.uncertain}
    return {name: where for name, where in splits.items() if len(where)}

  def read(self, position: int) -> dict[str, Any]:
    """The features of one sample, as numpy arrays and scalars."""
    for split, positions in self.splits.items():
      place = int(np.searchsorted(positions, position))
      if place < len(positions) and positions[place] == position:
        return records.read(self.directory, split)[place]
    raise IndexError(
      f'{self.directory} has no sample {position}; expected 0 to '
      f'{len(self.summary.scores) - 1}.'
    )


def is_finished(directory: pathlib.Path, provenance: Mapping[str, Any]) -> bool:
  """Whether the dataset is there.

  Args:
    directory: of the dataset.
    provenance: everything it is made from, as JSON values.

  Raises:
    errors.UserError: there is one, made from something else.
  """
  if not directory.exists():
    return False
  found = storage.read_json(directory / 'metadata.json').get(_PROVENANCE, {})
  if differences := shards.compare(found, provenance):
    raise errors.UserError(
      f'{directory} holds a dataset that was made from something else: '
      f'{differences}. Name another config or data_dir, or delete it.'
    )
  return True


def finish(
  run: shards.Shards,
  summary: shards.Summary,
  card: records.Card,
  layout: records.Layout,
  *,
  data_dir: storage.PathLike,
  provenance: Mapping[str, Any],
  uncertain_fraction: float,
) -> Dataset:
  """Splits off the uncertain samples and writes the dataset.

  The dataset appears whole, by the renaming of a folder. One that is there
  already is kept. Processes that call this at once wait for each other.

  Args:
    run: its shards, all of them made.
    summary: of the whole run.
    card: name and texts of the dataset.
    layout: of its features.
    data_dir: TFDS's folder of datasets.
    provenance: everything the dataset is made from, as JSON values.
    uncertain_fraction: see `splits_lib.split_by_uncertainty`.

  Raises:
    errors.UserError: another dataset has that name.
    OSError: the disk is full or read-only; nothing is left behind.
  """
  directory = card.directory(data_dir)
  kept, uncertain = splits_lib.split_by_uncertainty(
    summary.scores, uncertain_fraction
  )
  dataset = Dataset(
    directory, card, layout, run.plan.first_index, kept, uncertain, summary
  )
  with _locked(directory.parents[1]) as folder:
    if not is_finished(directory, provenance):
      with _incomplete(directory) as temporary:
        _check_space(temporary, 2 * int(summary.sizes.sum()))
        _write(temporary, run, dataset, provenance)
    if not _default_config(folder).exists():
      _write_default_config(folder, card.config)
  return dataset


def set_default_config(data_dir: storage.PathLike, card: records.Card) -> None:
  """Makes the card's config the one that `tfds.load(name)` reads where no
  builder class says otherwise."""
  with _locked(card.directory(data_dir).parents[1]) as folder:
    _write_default_config(folder, card.config)


def _default_config(folder: pathlib.Path) -> pathlib.Path:
  """Where TFDS looks for the config that a bare dataset name means."""
  return folder / '.config' / 'metadata.json'


def _write_default_config(folder: pathlib.Path, config: str) -> None:
  path = _default_config(folder)
  path.parent.mkdir(parents=True, exist_ok=True)
  shards.remove_leftovers(path)
  storage.write_json(path, {'default_config_name': config})


@contextlib.contextmanager
def _locked(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """One process at a time finishes datasets of one name."""
  with locks.Claims(folder / '.lock') as lock:
    lock.take(0, wait=True)
    yield folder


@contextlib.contextmanager
def _incomplete(directory: pathlib.Path) -> Iterator[pathlib.Path]:
  """A folder that gets the name `directory` if all goes well."""
  prefix = f'.{directory.name}.{socket.gethostname()}.'
  for leftover in directory.parent.glob(f'{prefix}*.incomplete'):
    shutil.rmtree(leftover, ignore_errors=True)
  temporary = directory.with_name(f'{prefix}{os.getpid()}.incomplete')
  temporary.mkdir(parents=True)
  try:
    yield temporary
    temporary.rename(directory)
  except OSError as error:
    # A failed write does not say to which file.
    raise OSError(
      error.errno, error.strerror, error.filename or os.fspath(directory)
    ) from error
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def _check_space(folder: pathlib.Path, needed: int) -> None:
  free = shutil.disk_usage(folder).free
  if free < needed:
    raise OSError(
      errno.ENOSPC,
      f'The dataset needs {needed >> 20} MiB and {free >> 20} MiB are free',
      os.fspath(folder.parent),
    )


def _write(
  folder: pathlib.Path,
  run: shards.Shards,
  dataset: Dataset,
  provenance: Mapping[str, Any],
) -> None:
  task = dataset.layout.task
  splits, counted = {}, {}
  for split, positions in dataset.splits.items():
    counts = dataset.summary.counts[positions].sum(0).tolist()
    counted[split] = dict(zip(task.names, counts, strict=True))
    splits[split] = _file_lengths(dataset.summary.sizes[positions])
    try:
      _write_split(
        folder, dataset.card, split, splits[split], run.payloads(positions)
      )
    except tfrecord.DamagedError as error:
      raise errors.UserError(
        f'{error}; the same command will make it again.'
      ) from error
  records.write_info(
    folder,
    dataset.card,
    dataset.layout,
    splits,
    {_PROVENANCE: provenance, task.counted: counted},
  )


def _write_split(
  folder: pathlib.Path,
  card: records.Card,
  split: str,
  lengths: Sequence[int],
  payloads: Iterator[bytes],
) -> None:
  """Fills the files of a split, one after another, in both formats."""
  names = (
    records.file_names(card, split, file_format, len(lengths))
    for file_format in records.FORMATS
  )
  for length, name, array_name in zip(lengths, *names, strict=True):
    path = os.fspath(folder / array_name)
    try:
      # What's in a record is compressed already.
      arrays = array_record_module.ArrayRecordWriter(
        path, 'group_size:1,uncompressed'
      )
      with open(folder / name, 'wb') as file:
        for payload in itertools.islice(payloads, length):
          file.write(tfrecord.frame(payload))
          arrays.write(payload)
      arrays.close()
    except RuntimeError as error:  # Its word for a full disk, among others.
      raise OSError(errno.EIO, str(error), path) from error


def _file_lengths(sizes: np.ndarray) -> list[int]:
  """How many of the records go to each file."""
  count = min(math.ceil(int(sizes.sum()) / _FILE_BYTES), len(sizes))
  return [len(part) for part in np.array_split(sizes, count)]
