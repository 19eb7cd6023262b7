"""A dataset of the factory: as it is to be, and as it is on the disk."""

import contextlib
import dataclasses
import heapq
import importlib.util
import itertools
import operator
import pathlib
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging

from dgan_jax import errors, storage, workdir
from dgan_jax import samples as samples_lib
from dgan_jax.factory import record_files, records, shards
from dgan_jax.factory import splits as splits_lib
from dgan_jax.tasks import task as task_lib

# In its metadata.
PROVENANCE = 'made_from'
# `shards.Summary` of every sample, by position.
SAMPLES = 'samples.npy'

# What may come of reading a file that is not what was written.
_DAMAGE = (
  *(OSError, EOFError, ValueError, TypeError, LookupError),
  errors.UserError,
)


@dataclasses.dataclass(frozen=True)
class Target:
  """A dataset as it is to be."""

  directory: pathlib.Path  # `<data_dir>/<name>/<config>/<version>`
  card: records.Card
  layout: records.Layout
  # Everything that it is made from, and what tells it from others that are:
  # first_index, num_samples, uncertain_fraction and formats; JSON values.
  provenance: dict[str, Any]

  @property
  def formats(self) -> tuple[str, ...]:
    """The kinds of files it is stored in."""
    return tuple(self.provenance['formats'])


@dataclasses.dataclass(frozen=True)
class Dataset(Target):
  """A finished dataset on disk."""

  # Split -> positions of its samples, ascending; position p has the global
  # index `first_index + p`. TFDS knows no empty splits.
  splits: Mapping[str, np.ndarray]
  summary: shards.Summary  # by position
  # Split -> its files, of one of the formats.
  files: Mapping[str, Sequence[record_files.RecordFile]]

  def read(self, position: int) -> dict[str, Any]:
    """The features of one sample, as numpy arrays and scalars."""
    if not 0 <= position < len(self.summary):
      raise IndexError(
        f'{self.directory} has no sample {position}; expected 0 to '
        f'{len(self.summary) - 1}.'
      )
    [payload] = read_payloads(self.files.values(), np.array([position]))
    return dict(self.layout.features().deserialize_example_np(payload))

  def samples(self, positions: Iterable[int]) -> samples_lib.Samples:
    """Some of its samples, which show themselves."""
    examples = [self.read(position) for position in positions]
    columns = jax.tree.map(lambda *x: np.stack(x), *examples)
    columns['uncertainty'] = task_lib.from_uint8(
      columns['uncertainty'][..., 0], self.layout.uncertainty_maximum
    )
    task = self.layout.task
    labels = [task.read(example) for example in examples]
    names = ('image', 'latent', 'key', 'index', 'uncertainty', 'score')
    return samples_lib.Samples(
      **{name: columns[name] for name in names},
      labels=jax.tree.map(lambda *x: np.stack(x), *labels),
      task=task,
    )

  @property
  def loading_line(self) -> str:
    """The Python that loads it here; `tfds` is imported."""
    name = f'{self.card.name}/{self.card.config}'
    data_dir = str(self.directory.parents[2])
    one = len(self.formats) == 1
    can_load = importlib.util.find_spec('tensorflow') or one
    is_read = 'tfrecord' in self.formats and can_load
    call = 'load' if is_read else 'data_source'
    return f'data = tfds.{call}({name!r}, data_dir={data_dir!r})'

  @property
  def read_by(self) -> str:
    """What reads it."""
    newer = ' 4.9.7 or newer' if len(self.formats) > 1 else ''
    return f'tensorflow-datasets{newer}'


def split(summary: shards.Summary, fraction: float) -> dict[str, np.ndarray]:
  """Split -> positions of its samples; see `Dataset.splits`."""
  parts = splits_lib.split_by_uncertainty(summary['score'], fraction)
  named = zip(('train', 'uncertain'), parts, strict=True)
  return {name: positions for name, positions in named if len(positions)}


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
      stack.enter_context(locked(target.directory))
    return _find(target)


def _find(target: Target) -> Dataset | None:
  directory = target.directory
  if not directory.exists():
    return None
  found = storage.read_json(directory / 'metadata.json').get(PROVENANCE, {})
  free = {'formats': None}
  if found.get('num_samples', 0) < target.provenance['num_samples']:
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
  summary = np.load(directory / SAMPLES, allow_pickle=False)
  if len(summary) != provenance['num_samples']:
    raise ValueError(f'{SAMPLES} has {len(summary)} samples')
  splits = split(summary, provenance['uncertain_fraction'])
  formats = provenance['formats']
  files: dict[str, dict[str, list[record_files.RecordFile]]]
  files = {file_format: {} for file_format in formats}
  for info in storage.read_json(directory / 'dataset_info.json')['splits']:
    name = info['name']
    ends = np.cumsum([int(length) for length in info['shardLengths']])
    parts = np.split(splits[name], ends[:-1])
    paths = records.file_paths(directory, target.card, name, len(parts))
    for one in formats:
      files[one][name] = [
        record_files.RecordFile(path[one], one, part, summary['size'][part])
        for path, part in zip(paths, parts, strict=True)
      ]
  whole = [
    one
    for one, by_split in files.items()
    if all(file.is_whole() for file in itertools.chain(*by_split.values()))
  ]
  if not whole:
    raise ValueError('record files are missing or cut short')
  fields = vars(target) | {'provenance': {**provenance, 'formats': whole}}
  return Dataset(
    **fields, splits=splits, summary=summary, files=files[whole[0]]
  )


def is_finished(target: Target) -> bool:
  """Whether exactly this dataset is there, and can be read."""
  try:
    found = storage.read_json(target.directory / 'metadata.json')
  except (OSError, errors.UserError):
    return False
  # Most often it isn't, and need not be opened.
  if found.get(PROVENANCE) != target.provenance:
    return False
  dataset = find(target)
  return dataset is not None and dataset.provenance == target.provenance


def is_made(target: Target) -> bool:
  """Like `is_finished`, for whoever is `locked`; refuses another dataset."""
  found = _find(target)
  return found is not None and found.provenance == target.provenance


def read_payloads(
  sources: Iterable[Iterable[record_files.RecordFile]], positions: np.ndarray
) -> Iterator[bytes]:
  """The records at these positions, int64 [n], ascending. Of each source the
  files follow each other; every position is in one."""
  chains = (
    itertools.chain.from_iterable(file.read(positions) for file in files)
    for files in sources
  )
  merged = heapq.merge(*chains, key=operator.itemgetter(0))
  pairs = zip(positions.tolist(), merged, strict=True)
  for position, (found, payload) in pairs:
    assert found == position
    yield payload


@contextlib.contextmanager
def locked(directory: pathlib.Path) -> Iterator[None]:
  """One process at a time puts datasets of one name in their place."""
  with workdir.Locks(directory.parents[1]) as locks:
    locks.take(0, wait=True)  # the files have other numbers
    old = old_place(directory)
    if old.exists():  # Somebody was killed at it.
      if directory.exists():
        shutil.rmtree(old, ignore_errors=True)
      else:
        old.rename(directory)
    yield


def old_place(directory: pathlib.Path) -> pathlib.Path:
  """Where a dataset is while another takes its place."""
  return directory.with_name(f'.{directory.name}.old')
