"""What a training keeps in its folder, so that it can go on after any end."""

import json
import pathlib
import shutil
import time
from collections.abc import Mapping
from typing import Any, Self

import jax
import numpy as np

from dgan_jax import errors, parallel, progress, storage, workdir
from dgan_jax.checkpoints import pytrees


class RunFolder:
  """The folder of a training.

    run.json          what it depends on
    state/            checkpoint to go on from
    metrics.jsonl     and TensorBoard files

  Of several processes only the first writes; all read.
  """

  def __init__(
    self,
    folder: storage.PathLike,
    identity: Mapping[str, Any],
    *,
    seconds_per_save: float = 30.0,
  ):
    """Opens it, or makes it; `identity` is all that the training's bits depend
    on, as JSON values.

    Raises:
      errors.UserError: in every process, where it holds another training, or
        the processes are not about the same one.
    """
    self._folder = storage.path(folder)
    self._state = self._folder / 'state'
    self._seconds_per_save = seconds_per_save
    self._saved_at = time.monotonic()
    self._writes = parallel.process_index() == 0
    self._writer: progress.MetricWriter | None = None
    text = json.dumps(identity, sort_keys=True)
    parallel.check_same('What is to be trained', storage.sha256(text)[:16])
    parallel.in_first_process(lambda: workdir.open_run(self._folder, identity))

  def restore(self, initial: Any) -> tuple[Any, dict[str, Any]]:
    """The state saved last and its facts; without one (initial, {}).

    Raises:
      errors.UserError: the checkpoint is damaged, or the processes don't see
        the same one; in every process.
    """
    state, facts, found = initial, {}, 'none'
    damage: errors.UserError | None = None
    if pytrees.is_saved(self._state):
      try:
        facts = pytrees.load_metadata(self._state)
        state = pytrees.load(self._state, initial)
        digest = storage.sha256((self._state / pytrees.FILE).read_bytes())
        found = f'one of step {int(state.step)} ({digest[:16]})'
      except errors.UserError as error:
        damage, found = error, 'damaged'
    parallel.check_same(f'The checkpoint in {self._state}', found)
    if damage:
      raise damage
    return state, facts

  def save(
    self,
    state: Any,
    facts: Mapping[str, Any] | None = None,
    *,
    now: bool = False,
  ) -> None:
    """Writes a checkpoint, whole or not at all, of a state that is finite: a
    pytree of arrays with the field `step`. `restore` gives the facts back, JSON
    values. But `now`, most calls are passed over, as saving costs time too.

    Raises:
      OSError: the disk is full; the checkpoint before is whole.
    """
    waited = time.monotonic() - self._saved_at
    if not self._writes or (not now and waited < self._seconds_per_save):
      return
    host = jax.device_get(state)
    if all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(host)):
      pytrees.save(self._state, host, {'kind': 'training', **(facts or {})})
    self._saved_at = time.monotonic()

  def write(self, step: int, metrics: Mapping[str, float]) -> None:
    """Adds metrics to the files of them."""
    if self._writes:
      self._writer = self._writer or progress.MetricWriter(self._folder)
      self._writer.write(step, metrics)

  def forget_state(self) -> None:
    """Removes the checkpoint, once there is a result."""
    if self._writes:
      shutil.rmtree(self._state, ignore_errors=True)

  def __enter__(self) -> Self:
    return self

  def __exit__(self, *exception: object) -> None:
    if self._writer is not None:
      self._writer.close()


def is_finished(result: pathlib.Path) -> bool:
  """Whether a training's result was ever written.

  Raises:
    errors.UserError: in some processes only; in every process.
  """
  found = pytrees.is_saved(result)
  parallel.check_same(f'{result}', 'there' if found else 'not there')
  return found
