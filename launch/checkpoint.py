"""The state of a training in a folder."""

import pathlib
import time
from typing import Any, Self

from dgan_jax import parallel
from dgan_jax.checkpoints import store
from launch import common

_SECONDS_BETWEEN_SAVES = 30.0


class Checkpoint:
  """Saves now and then; an interrupt saves the last state."""

  def __init__(self, folder: pathlib.Path):
    self._folder = folder
    self._saved_at = time.monotonic()
    self._state: Any = None

  def restore(self, like: Any) -> Any | None:
    """The state saved last, of the shape of `like`, or None."""
    state = None
    if common.is_saved(self._folder):
      state = store.load_pytree(self._folder, like)
    parallel.check_agreed(state, self._folder)
    return state

  def save(self, state: Any) -> None:
    """Skips most calls, as saving costs time too."""
    self._state = state
    if time.monotonic() - self._saved_at >= _SECONDS_BETWEEN_SAVES:
      self._write()
      self._saved_at = time.monotonic()

  def _write(self) -> None:
    if self._state is not None and parallel.process_index() == 0:
      store.save_pytree(self._folder, self._state)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, kind: object, *details: object) -> None:
    if kind is KeyboardInterrupt:
      self._write()
