"""Pictures kept as one file of raw pixels, in the order they are made in.

The file holds whole pictures only once what writes it is done or was stopped;
half of one, left by a kill, is made again.
"""

import pathlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from dgan_jax import progress, storage

# (first number) -> the pictures from that one on, uint8 [size, size, 3].
Pictures = Callable[[int], Iterator[np.ndarray]]

_PIXELS, _HEADER = 'images.u8', 'images.json'


class Cache:
  """The pictures of one source in a folder."""

  def __init__(
    self,
    folder: storage.PathLike,
    resolution: int,
    source: Mapping[str, Any],
    version: int = 1,
  ):
    """Opens it; pictures of another source, or version of it, are given up."""
    self._folder = pathlib.Path(folder)
    self._folder.mkdir(parents=True, exist_ok=True)
    self._path = self._folder / _PIXELS
    self._shape = (resolution, resolution, 3)
    self._size = resolution * resolution * 3
    self._identity = {'source': dict(source), 'version': version}
    header = self._folder / _HEADER
    found = storage.read_json(header) if header.exists() else {}
    there = {name: found.get(name) for name in self._identity}
    self.complete = bool(found.get('complete')) and there == self._identity
    if there != self._identity:
      self.clear()
      self._note()

  @property
  def done(self) -> int:
    """Pictures that are there."""
    return self._path.stat().st_size // self._size if self._path.exists() else 0

  def append(self, pictures: Iterator[np.ndarray]) -> Iterator[int]:
    """Writes pictures behind those there; yields how many there are then."""
    done = self.done
    with open(self._path, 'ab') as file:
      file.truncate(done * self._size)
      for picture in pictures:
        file.write(picture.tobytes())
        file.flush()
        done += 1
        yield done

  def clear(self) -> None:
    """Gives up what is there."""
    self._path.unlink(missing_ok=True)

  def finish(self) -> None:
    """Notes that there will be no more."""
    self.complete = True
    self._note()

  def _note(self) -> None:
    header = {**self._identity, 'complete': self.complete}
    storage.write_json(self._folder / _HEADER, header)

  def pixels(self) -> np.ndarray:
    """What is there, uint8 [n, size, size, 3], n > 0, mapped into memory."""
    shape = (self.done, *self._shape)
    return np.memmap(self._path, np.uint8, 'r', shape=shape)


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
    """Makes the first ones.

    Args:
      cache: that they are kept in.
      pictures: makes them.
      count: how many there will be.
      at_first: how many there are when this returns.
      on_progress: told of these.
    """
    self._cache, self._pictures, self._count = cache, pictures, count
    self._changed = threading.Condition()
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
    if len(self._pixels) < count:
      with self._changed:
        self._changed.wait_for(lambda: self._error or self._cache.done >= count)
        if self._cache.done < count and self._error:
          raise self._error
      self._pixels = self._cache.pixels()
    return self._pixels

  def close(self) -> None:
    """Makes no more; those made are kept."""
    self._stopped = True
    if self._thread.ident is not None:  # it was started
      self._thread.join()

  def _fill(self) -> None:
    try:
      self._make(self._count, None)
    except Exception as error:
      self._error = error
    with self._changed:
      self._changed.notify_all()

  def _make(self, count: int, on_progress: progress.OnProgress | None) -> None:
    if self._cache.done >= count:
      return
    for done in self._cache.append(self._pictures(self._cache.done)):
      with self._changed:
        self._changed.notify_all()
      if on_progress:
        on_progress(done, count, {})
      if done == count or self._stopped:
        break
