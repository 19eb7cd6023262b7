"""The folder of a run: what the run is made from, and who is at work there."""

import contextlib
import errno
import fcntl
import json
import os
import struct
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Self

from absl import logging

from dgan_jax import errors, storage

# What a folder holds beside the numbers of its parts, which lie below.
_OPENING = 2**62
_USE = _OPENING + 1

_LOCK, _COMMANDS = '.lock', 'commands.txt'
_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


class Locks:
  """Locks by number, on the bytes of a file in a folder.

  The system releases them when a process dies, however it dies. Two objects
  for one folder exclude each other, in one process too (except where Linux's
  locks of open files are missing). Where a file system has no locks at all,
  everybody gets them, so nothing but work may rest on them.
  """

  def __init__(self, folder: storage.PathLike):
    """Makes the folder if need be; raises OSError if it cannot be written."""
    folder = storage.path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    self._file = open(folder / _LOCK, 'a+b')  # noqa: SIM115

  def take(self, number: int, *, wait: bool, shared: bool = False) -> bool:
    """Locks a number from 0 to 2**62, perhaps shared with others that share it;
    False if another has it. To `wait` is until that one is done or dead."""
    try:
      self._set(fcntl.LOCK_SH if shared else fcntl.LOCK_EX, number, wait)
    except OSError as error:
      if error.errno in (errno.EACCES, errno.EAGAIN):
        return False
      if error.errno not in _NO_LOCKS:
        raise
      logging.log_first_n(
        logging.WARNING, '%s: no file locks here.', 1, self._file.name
      )
    return True

  def release(self, number: int) -> None:
    """Gives a number back."""
    with contextlib.suppress(OSError):  # There are no locks here.
      self._set(fcntl.LOCK_UN, number, False)

  def _set(self, kind: int, number: int, wait: bool) -> None:
    if sys.platform == 'linux':
      types = {
        fcntl.LOCK_SH: fcntl.F_RDLCK,
        fcntl.LOCK_EX: fcntl.F_WRLCK,
        fcntl.LOCK_UN: fcntl.F_UNLCK,
      }
      # struct flock: type, whence, start, length, process.
      flock = struct.pack('hhqqi4x', types[kind], os.SEEK_SET, number, 1, 0)
      command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
      try:
        fcntl.fcntl(self._file, command, flock)
        return
      except OSError as error:
        if error.errno != errno.EINVAL:
          raise
    fcntl.lockf(self._file, kind | (0 if wait else fcntl.LOCK_NB), 1, number)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    self._file.close()


@contextlib.contextmanager
def opening(folder: storage.PathLike) -> Iterator[None]:
  """One at a time reads and writes the small files of a folder."""
  with Locks(folder) as locks:
    locks.take(_OPENING, wait=True)
    yield


@contextlib.contextmanager
def use(folder: storage.PathLike, *, shared: bool = False) -> Iterator[None]:
  """A folder for as long as one works in it, perhaps shared with others that
  share it; made if need be, and then taken away if nothing came into it.

  Raises:
    errors.UserError: another process works there.
  """
  folder = storage.path(folder)
  is_new, was_used = not folder.exists(), (folder / _LOCK).exists()
  with Locks(folder) as locks:
    if not locks.take(_USE, wait=False, shared=shared):
      raise errors.UserError(
        f'Another process is at work in {folder}; wait until it is done, or '
        'name another folder.'
      )
    try:
      yield
    finally:
      if not was_used and os.listdir(folder) == [_LOCK]:
        (folder / _LOCK).unlink()
        if is_new:
          folder.rmdir()


def open_run(folder: storage.PathLike, identity: Mapping[str, Any]) -> None:
  """Starts a run in a folder, or makes sure that it is the same run; `identity`
  is everything that its bytes depend on, as JSON values.

  Raises:
    errors.UserError: the folder holds another run; the message says in what
      it differs.
    OSError: the folder cannot be written.
  """
  path = storage.path(folder) / 'run.json'
  with opening(folder):
    storage.remove_leftovers(path)
    if not path.exists():
      storage.write_json(path, identity)
      return
    differences = compare(storage.read_json(path), identity)
  if differences:
    raise errors.UserError(
      f'{folder} holds a run that was made from something else: '
      f'{differences}. Name another folder, or go on with what it was made '
      'from.'
    )


def note_command(folder: storage.PathLike, command: str) -> None:
  """Adds a command to those that made a folder, if it is not among them."""
  with opening(folder):
    commands = read_commands(folder)
    if command not in commands:
      text = '\n'.join([*commands, command])
      storage.write_text(storage.path(folder) / _COMMANDS, f'{text}\n')


def read_commands(folder: storage.PathLike) -> list[str]:
  """The commands that made a folder, oldest first."""
  path = storage.path(folder) / _COMMANDS
  return path.read_text(encoding='utf-8').splitlines() if path.exists() else []


def compare(there: Mapping[str, Any], now: Mapping[str, Any]) -> str:
  """In words, where two JSON objects differ; '' if they don't."""
  return '; '.join(_differences(there, storage.as_json(now), ''))


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
