"""Who does what, among the processes that share a run folder."""

import errno
import fcntl
import os
import pathlib
from typing import Self

from absl import logging

# The numbers of shards lie below; this one guards the start of a run.
RUN = 2**40

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.EINVAL)


class Claims:
  """Locks by number, on the bytes of one file.

  The system releases the locks of a process when it dies, however it dies.
  They save work and nothing rests on them: where a file system has no locks,
  two processes may make the same shard, whose bytes are the same.

  POSIX locks belong to a process: a second `Claims` for the same folder in
  one process excludes nobody, and closing it drops the locks of the first.
  """

  def __init__(self, path: str | os.PathLike[str]):
    """Raises OSError if the file cannot be written."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    self._file = open(path, 'ab')  # noqa: SIM115

  def take(self, number: int, *, wait: bool) -> bool:
    """Claims `number`, a non-negative int.

    Args:
      number: what to claim.
      wait: until whoever has it is done or dead.

    Returns:
      False if another process has it (never with `wait`).
    """
    mode = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
    try:
      fcntl.lockf(self._file, mode, 1, number)
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
    """Gives `number` back."""
    try:
      fcntl.lockf(self._file, fcntl.LOCK_UN, 1, number)
    except OSError as error:
      if error.errno not in _NO_LOCKS:
        raise

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    self._file.close()
