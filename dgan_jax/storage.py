"""Paths from outside, and small files, written whole or not at all."""

import contextlib
import functools
import glob
import hashlib
import json
import os
import pathlib
import re
import socket
import time
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np

from dgan_jax import errors

PathLike = str | os.PathLike[str]

# One letter would be a drive of Windows.
_SCHEME = re.compile('([A-Za-z][A-Za-z0-9+.-]+):/')

# After which nobody of another machine is taken to be writing still.
_SECONDS_UNTOUCHED = 24 * 3600.0


def path(value: PathLike) -> pathlib.Path:
  """A path that somebody gave, `~` expanded; every one goes through here.

  Raises:
    errors.UserError: it is an address, such as `gs://bucket/folder`.
  """
  text = os.fspath(value)
  if match := _SCHEME.match(text):
    raise errors.UserError(
      f'{text} is an address; expected a path of this machine: {match[1]}:// '
      'cannot be read or written yet.'
    )
  if '\0' in text:
    raise errors.UserError(f'{text!r} is no path: it has a zero byte.')
  return pathlib.Path(os.path.expanduser(text))


def write_bytes(name: PathLike, data: bytes) -> None:
  """Writes a file, whole or not at all; see `written`."""
  with written(name) as temporary:
    temporary.write_bytes(data)


@contextlib.contextmanager
def written(name: PathLike) -> Iterator[pathlib.Path]:
  """Gives what to write a file as: its name never stands for half of it.

  The bytes go to a temporary name in the same folder, are flushed to the disk
  and renamed into place. What the file held before stays until then.

  Raises:
    OSError: the disk is full or the folder cannot be written.
  """
  final = path(name)
  temporary = temporary_name(final)
  try:
    yield temporary
    sync(temporary)
    os.replace(temporary, final)
  finally:
    temporary.unlink(missing_ok=True)


def temporary_name(final: pathlib.Path) -> pathlib.Path:
  """A name to write a file under until it is whole; says who writes it."""
  writer = f'{_machine()}.{os.getpid()}.{uuid.uuid4().hex[:8]}'
  return final.with_name(f'.{final.name}.{writer}.tmp')


def sync(file_or_folder: pathlib.Path) -> None:
  """Returns when what a file or the list of a folder holds is on the disk."""
  number = os.open(file_or_folder, os.O_RDONLY)
  try:
    os.fsync(number)
  finally:
    os.close(number)


def remove_leftovers(final: pathlib.Path) -> None:
  """Removes what killed processes left of writing a file, or those in a folder.

  What may still be written stays: the file of a process of this machine that
  is alive, and one of another machine that was touched within a day.
  """
  if final.is_dir():
    left = final.glob('.*.tmp')
  else:
    left = final.parent.glob(f'.{glob.escape(final.name)}.*.tmp')
  for leftover in left:
    if not _may_be_written(leftover):
      leftover.unlink(missing_ok=True)


def _may_be_written(temporary: pathlib.Path) -> bool:
  *_, machine, process, _, _ = ('', '', *temporary.name.rsplit('.', 4))
  if machine == _machine() and process.isdecimal():
    try:
      os.kill(int(process), 0)
    except ProcessLookupError:
      return False
    except PermissionError:  # It is somebody else's.
      return True
    return True
  return seconds_untouched(temporary) < _SECONDS_UNTOUCHED


def seconds_untouched(file_or_folder: pathlib.Path) -> float:
  """Since a file, or any in a folder, was last written; infinite if gone."""
  touched = -float('inf')
  for entry in (file_or_folder, *file_or_folder.glob('*')):
    with contextlib.suppress(FileNotFoundError):
      touched = max(touched, entry.stat().st_mtime)
  return time.time() - touched


@functools.cache
def _machine() -> str:
  """Within which a process number means one process: a container counts."""
  try:
    numbers = os.stat('/proc/self/ns/pid').st_ino
  except OSError:  # There is no such thing here.
    numbers = 0
  return sha256(socket.gethostname(), str(numbers))[:12]


def write_text(name: PathLike, text: str) -> None:
  """Writes UTF-8 text; see `write_bytes`."""
  write_bytes(name, text.encode('utf-8'))


def write_json(name: PathLike, value: Any) -> None:
  """Writes JSON with sorted keys, so equal values give equal bytes."""
  write_text(name, json.dumps(value, indent=2, sort_keys=True) + '\n')


def as_json(value: Any) -> Any:
  """A value as it will be read, once it was written: without tuples."""
  return json.loads(json.dumps(value))


def read_json(name: PathLike) -> dict[str, Any]:
  """Reads a JSON object, with or without a byte order mark.

  Raises:
    errors.UserError: there is no such file, or it holds something else.
  """
  try:
    value = json.loads(path(name).read_text(encoding='utf-8-sig'))
  except FileNotFoundError:
    raise errors.UserError(f'{name} does not exist.') from None
  except (ValueError, RecursionError) as error:
    raise errors.UserError(f'{name} is not valid JSON: {error}.') from None
  if not isinstance(value, dict):
    raise errors.UserError(
      f'{name} holds a JSON {type(value).__name__}; expected an object.'
    )
  return value


def sha256(*parts: bytes | str | np.ndarray) -> str:
  """Hex digest over parts; an array counts with its type and shape."""
  digest = hashlib.sha256()
  for part in parts:
    data: Any
    if isinstance(part, np.ndarray):
      header = f'{part.dtype.str}{part.shape}'
      data = np.ascontiguousarray(part).reshape(-1).view(np.uint8)
    else:
      header = type(part).__name__
      data = part.encode('utf-8') if isinstance(part, str) else part
    digest.update(f'{header}:{len(data)}:'.encode())
    digest.update(data)
  return digest.hexdigest()


def tree_sha256(tree: Any, *header: str) -> str:
  """Hex digest over a header and the arrays of a pytree, by their paths."""
  import jax  # only here, as files are read without it

  parts: list[str | np.ndarray] = [*header]
  for place, leaf in jax.tree_util.tree_leaves_with_path(tree):
    parts += [jax.tree_util.keystr(place), np.asarray(leaf)]
  return sha256(*parts)
