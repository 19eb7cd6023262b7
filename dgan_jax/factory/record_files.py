"""Files of records, in either of the formats that TFDS reads."""

import contextlib
import dataclasses
import errno
import functools
import os
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from array_record.python import array_record_module

from dgan_jax import errors, storage
from dgan_jax.factory import tfrecord

# What `tfds.load` reads, and what `tfds.data_source` reads.
FORMATS = ('tfrecord', 'array_record')

_READ_AT_ONCE = 64  # records


def in_order(formats: Sequence[str]) -> tuple[str, ...]:
  """Formats that somebody asked for, each once.

  Raises:
    errors.UserError: there are none, or others.
  """
  if not formats or not set(formats) <= set(FORMATS):
    raise errors.UserError(
      f'The dataset is to be stored as {list(formats)}; expected some of '
      f'{list(FORMATS)}.'
    )
  return tuple(one for one in FORMATS if one in formats)


@dataclasses.dataclass(frozen=True)
class RecordFile:
  """A file that is there, and the samples it holds."""

  path: pathlib.Path
  file_format: str  # one of `FORMATS`
  positions: np.ndarray  # of its n first records, ascending, int64 [n]
  sizes: np.ndarray  # bytes of their payloads, int64 [n]

  def is_whole(self) -> bool:
    """Whether it is as long as it must be; its records aren't read."""
    if not self.path.is_file():
      return False
    if self.file_format == 'tfrecord':
      expected = int(tfrecord.size(self.sizes).sum())
      return self.path.stat().st_size == expected
    try:
      with _array_record_reader(self.path) as reader:
        return bool(reader.num_records() == len(self.sizes))
    except tfrecord.DamagedError:
      return False

  def read(self, positions: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """Yields (position, payload) of those that it has, ascending, int64; raises
    tfrecord.DamagedError where the file is not what was written."""
    first, last = np.searchsorted(positions, self.positions[[0, -1]])
    wanted = np.isin(self.positions, positions[first : last + 1])
    if self.file_format == 'tfrecord':
      lengths = tfrecord.size(self.sizes)
      starts = np.cumsum(lengths) - lengths
      payloads = tfrecord.read(self.path, starts[wanted].tolist())
    else:
      payloads = _read_array_records(self.path, np.flatnonzero(wanted))
    if wanted.any():
      found = self.positions[wanted].tolist()
      yield from zip(found, payloads, strict=True)


@contextlib.contextmanager
def _array_record_reader(path: pathlib.Path) -> Iterator[Any]:
  try:
    reader = array_record_module.ArrayRecordReader(os.fspath(path))
    yield reader
    reader.close()
  except (RuntimeError, IndexError, ValueError) as error:
    raise tfrecord.DamagedError(f'{path} is damaged ({error})') from error


def _read_array_records(
  path: pathlib.Path, numbers: np.ndarray
) -> Iterator[bytes]:
  with _array_record_reader(path) as reader:
    for start in range(0, len(numbers), _READ_AT_ONCE):
      yield from reader.read(numbers[start : start + _READ_AT_ONCE].tolist())


def write(paths: Mapping[str, pathlib.Path], payloads: Iterable[bytes]) -> None:
  """Writes the same records to a file of each format.

  A file has its name once its bytes are on the disk. What killed processes left
  of writing it goes. Raises OSError if the disk is full or the folder cannot be
  written.
  """
  for path in paths.values():
    storage.remove_leftovers(path)
  try:
    with contextlib.ExitStack() as files, contextlib.ExitStack() as writers:
      add = []
      for file_format, path in paths.items():
        temporary = files.enter_context(storage.written(path))
        add.append(writers.enter_context(_WRITERS[file_format](temporary)))
      for payload in payloads:
        for write_one in add:
          write_one(payload)
  except OSError as error:  # A failed write does not say to which file.
    name = os.fspath(next(iter(paths.values())))
    raise OSError(error.errno, error.strerror, name) from error


Add = Callable[[bytes], object]


@contextlib.contextmanager
def _tfrecords(path: pathlib.Path) -> Iterator[Add]:
  with open(path, 'wb') as file:
    yield lambda payload: file.write(tfrecord.frame(payload))


@contextlib.contextmanager
def _array_records(path: pathlib.Path) -> Iterator[Add]:
  """Its errors are those of files."""

  def call(function: Callable[..., Any], *arguments: Any) -> Any:
    try:
      return function(*arguments)
    except RuntimeError as error:  # Its word for a full disk, among others.
      raise OSError(errno.EIO, str(error), os.fspath(path)) from error

  # What's in a record is compressed already.
  options = 'group_size:1,uncompressed'
  writer = call(array_record_module.ArrayRecordWriter, os.fspath(path), options)
  yield functools.partial(call, writer.write)
  call(writer.close)


_WRITERS = {'tfrecord': _tfrecords, 'array_record': _array_records}
