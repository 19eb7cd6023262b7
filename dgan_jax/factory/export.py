"""From the shards of a run to a dataset that TFDS reads."""

import errno
import functools
import json
import math
import os
import pathlib
import shutil
from collections.abc import Mapping, Sequence
from concurrent import futures

import numpy as np

from dgan_jax import errors, storage, workdir
from dgan_jax.factory import dataset as dataset_lib
from dgan_jax.factory import record_files, records, shards, tfrecord

# Large enough to read fast, small enough that a large dataset has files to
# shuffle and to share out among processes.
_FILE_BYTES = 128 << 20

# Half a dataset that nobody wrote to for so long is somebody's who died.
_SECONDS_UNTOUCHED = 3600.0


def finish(
  target: dataset_lib.Target,
  there: dataset_lib.Dataset | None,
  new: Sequence[record_files.RecordFile],
  summary: shards.Summary,
  process: tuple[int, int] = (0, 1),
) -> None:
  """Splits off the uncertain samples and writes the dataset.

  Processes that call this at once share its files. It appears whole, by the
  renaming of a folder, in place of the one that was there.

  What is `there` are the first samples, see `find`, and `new` the files of all
  others; the summary is of all samples. For `process` see `workers.fill`.

  Raises:
    errors.UserError: another dataset has that name.
    OSError: the disk is full or read-only. Whole files stay, and the same
      call goes on from there.
  """
  splits = {}
  for name, positions in dataset_lib.split(
    summary, target.provenance['uncertain_fraction']
  ).items():
    files = math.ceil(int(summary['size'][positions].sum()) / _FILE_BYTES)
    splits[name] = np.array_split(positions, min(files, len(positions)))
  directory = target.directory
  provenance = json.dumps(target.provenance, sort_keys=True)
  folder = directory.with_name(
    f'.{directory.name}.{storage.sha256(provenance)[:16]}.incomplete'
  )
  try:
    with dataset_lib.locked(directory):
      if dataset_lib.is_made(target):
        return
      _remove_abandoned(folder)
      folder.mkdir(parents=True, exist_ok=True)
      _check_space(folder, len(target.formats) * int(summary['size'].sum()))
    tasks: list[Task] = []
    for split, parts in splits.items():
      paths = records.file_paths(
        folder, target.card, split, len(parts), target.formats
      )
      tasks += zip(paths, parts, strict=True)
    start = len(tasks) * process[0] // process[1]
    sources = [new, *(there.files.values() if there else ())]
    _write(directory.parents[1], sources, [*tasks[start:], *tasks[:start]])
    with dataset_lib.locked(directory):
      if not dataset_lib.is_made(target):
        _write_info(target, folder, splits, summary)
        _put_in_place(folder, directory)
  except tfrecord.DamagedError as error:
    raise errors.UserError(
      f'{error}; the same command makes it again, if it is a shard. The '
      'samples of a dataset are made again when its folder is deleted.'
    ) from error
  except OSError as error:
    if dataset_lib.is_finished(target):  # Another process has tidied up.
      return
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
    files = paths.values()
    # What files are locked by, as long as they are in no dataset.
    number = int(storage.sha256(*map(os.fspath, files))[:12], 16)
    if all(map(os.path.exists, files)) or not locks.take(number, wait=wait):
      return
    if not all(map(os.path.exists, files)):  # finished just now?
      record_files.write(paths, dataset_lib.read_payloads(sources, positions))
    locks.release(number)

  with (
    workdir.Locks(name_folder) as locks,
    futures.ThreadPoolExecutor(os.cpu_count(), 'export') as pool,
  ):
    # First what nobody else is writing.
    for wait in (False, True):
      list(pool.map(functools.partial(write, wait=wait), tasks))


def _write_info(
  target: dataset_lib.Target,
  folder: pathlib.Path,
  splits: Mapping[str, Sequence[np.ndarray]],
  summary: shards.Summary,
) -> None:
  """Writes all that a dataset has beside its records."""
  np.save(folder / dataset_lib.SAMPLES, summary)
  task = target.layout.task
  counted = {}
  for split, parts in splits.items():
    totals = summary['counts'][np.concatenate(parts)].sum(0).tolist()
    counted[split] = dict(zip(task.names, totals, strict=True))
  records.write_info(
    folder,
    target.card,
    target.layout,
    {split: [len(part) for part in parts] for split, parts in splits.items()},
    {dataset_lib.PROVENANCE: target.provenance, task.counted: counted},
    target.formats,
  )


def _put_in_place(folder: pathlib.Path, directory: pathlib.Path) -> None:
  """Makes a complete folder the dataset."""
  for path in (*folder.iterdir(), folder):
    storage.sync(path)
  if directory.exists():
    directory.rename(dataset_lib.old_place(directory))
  folder.rename(directory)
  storage.sync(directory.parent)
  shutil.rmtree(dataset_lib.old_place(directory), ignore_errors=True)


def set_default_config(
  data_dir: storage.PathLike, card: records.Card, *, replace: bool = True
) -> None:
  """Makes the card's config the one that `tfds.load(name)` reads where no
  builder class says otherwise.

  `replace` says whether another config may have been it.
  """
  directory = card.directory(data_dir)
  path = directory.parents[1] / '.config' / 'metadata.json'
  if not replace and path.exists():
    return
  with dataset_lib.locked(directory):
    path.parent.mkdir(parents=True, exist_ok=True)
    storage.remove_leftovers(path)
    storage.write_json(path, {'default_config_name': card.config})


def _remove_abandoned(folder: pathlib.Path) -> None:
  """Removes what was begun for other datasets of the name of `folder`."""
  version = folder.name.rsplit('.', 2)[0]
  for other in {*folder.parent.glob(f'{version}.*.incomplete')} - {folder}:
    if storage.seconds_untouched(other) > _SECONDS_UNTOUCHED:
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
