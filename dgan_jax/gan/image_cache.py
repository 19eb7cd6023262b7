"""Pictures kept as one file of raw pixels, in the order they are made in.

The file holds whole pictures only once what writes it is done or was stopped;
half of one, left by a kill, is made again.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Any

import numpy as np

from dgan_jax import errors, progress, storage, workdir

# (first number) -> the pictures from that one on, uint8 [size, size, 3].
Pictures = Callable[[int], Iterator[np.ndarray]]

_PIXELS, _HEADER = 'images.u8', 'images.json'
_MAKING = 0  # the lock of who writes pictures
_SECONDS_BETWEEN_LOOKS = 0.1  # at what somebody else makes


class Cache:
  """The pictures of one source in a folder; processes may share it.

  One of them makes pictures, the others wait for it, or go on where it died.
  """

  def __init__(
    self,
    folder: storage.PathLike,
    resolution: int,
    source: Mapping[str, Any],
    version: int = 1,
  ):
    """Opens it; pictures of another source, or version of it, are given up.

    Raises:
      errors.UserError: another process is making these.
    """
    self._folder = storage.path(folder)
    self._path = self._folder / _PIXELS
    self._shape = (resolution, resolution, 3)
    self._size = resolution * resolution * 3
    source = json.loads(json.dumps(source))  # as it will be read
    self._identity = {'source': source, 'version': version}
    with workdir.opening(folder), workdir.Locks(folder) as locks:
      if self._header() is None:
        if not locks.take(_MAKING, wait=False):
          raise self._taken()
        self._path.unlink(missing_ok=True)
        storage.write_json(self._folder / _HEADER, self._identity)

  @property
  def done(self) -> int:
    """Pictures that are there."""
    return self._path.stat().st_size // self._size if self._path.exists() else 0

  @property
  def content(self) -> str:
    """Digest of all pictures, once there will be no more; '' before."""
    header = self._header()
    if header is None:
      raise self._taken()
    return str(header.get('content', ''))

  def make(
    self, pictures: Pictures, count: int | None = None
  ) -> Generator[int, None, None]:
    """Makes what is missing of `count` pictures, unless another process does;
    None: of as many as `pictures` gives, from 0 on, as what a kill left may
    lack some.

    Yields:
      How many are there, as often as that may have changed.

    Raises:
      errors.UserError: another process made other pictures.
    """
    with workdir.Locks(self._folder) as locks:
      while not self._is_full(count):
        if not locks.take(_MAKING, wait=False):
          time.sleep(_SECONDS_BETWEEN_LOOKS)
          yield self.done
        elif not self._is_full(count):  # It may have been filled just now.
          yield from self._append(pictures, count)

  def pixels(self) -> np.ndarray:
    """What is there, uint8 [n, size, size, 3], n > 0, mapped into memory."""
    shape = (self.done, *self._shape)
    return np.memmap(self._path, np.uint8, 'r', shape=shape)

  def _append(self, pictures: Pictures, count: int | None) -> Iterator[int]:
    done = 0 if count is None else self.done
    with open(self._path, 'ab') as file:
      file.truncate(done * self._size)
      for picture in pictures(done):
        file.write(picture.tobytes())
        file.flush()
        done += 1
        yield done
        if done == count:
          return
    if count is not None:
      raise RuntimeError(f'There are {done} pictures of {count}.')
    header = {**self._identity, 'content': storage.sha256(self.pixels())}
    storage.write_json(self._folder / _HEADER, header)

  def _is_full(self, count: int | None) -> bool:
    content = self.content
    return bool(content) if count is None else self.done >= count

  def _header(self) -> dict[str, Any] | None:
    """What is known about the pictures there; None if they are others."""
    path = self._folder / _HEADER
    found = storage.read_json(path) if path.exists() else {}
    there = {name: found.get(name) for name in self._identity}
    return found if there == self._identity else None

  def _taken(self) -> errors.UserError:
    return errors.UserError(
      f'Another process keeps other images in {self._folder}; wait until it is '
      'done, or name another folder.'
    )


class Growing:
  """A number of pictures, the first of which are there from the start; the
  others are made in the background."""

  def __init__(
    self,
    cache: Cache,
    pictures: Pictures,
    count: int,
    at_first: int,
    on_progress: progress.OnProgress | None = None,
  ):
    """Makes the first ones, `at_first`, which `on_progress` is told of."""
    self._cache, self._pictures, self._count = cache, pictures, count
    self._stopped = False
    self._error: Exception | None = None
    if cache.done < at_first:
      self._make(at_first, on_progress)
    self._pixels = cache.pixels()
    self._thread = threading.Thread(target=self._fill, daemon=True)
    if len(self._pixels) < count:
      self._thread.start()

  def __call__(self, count: int) -> np.ndarray:
    """The first `count` pictures, or more; waits for them if need be.

    Raises:
      Exception: whatever stopped the making of them.
    """
    while len(self._pixels) < count:
      self._thread.join(_SECONDS_BETWEEN_LOOKS)
      if self._error and self._cache.done < count:
        raise self._error
      self._pixels = self._cache.pixels()
    return self._pixels

  def close(self) -> None:
    """Makes no more; those made are kept."""
    self._stopped = True
    if self._thread.is_alive():
      self._thread.join()

  def _fill(self) -> None:
    try:
      self._make(self._count)
    except Exception as error:
      self._error = error

  def _make(
    self, count: int, on_progress: progress.OnProgress | None = None
  ) -> None:
    with contextlib.closing(self._cache.make(self._pictures, count)) as making:
      for done in making:
        if on_progress:
          on_progress(min(done, count), count, {})
        if self._stopped:
          break
