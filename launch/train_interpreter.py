"""Trains the interpreter: from a generator's features to part labels.

The annotations are a folder of painted masks (see launch.sample). Stopped and
started again, training goes on where it was; the interpreter is written to
WORKDIR/interpreter.

Example:
  python -m launch.train_interpreter --workdir=out/rendered_car
  python -m launch.train_interpreter --workdir=out/mine \\
    --config.annotations=paint --config.interpreter.members=5
"""

import dataclasses
import pathlib
import shutil
import time
from typing import Any, Self

import numpy as np

from dgan_jax import files, parallel, progress, rng
from dgan_jax.checkpoints import store
from dgan_jax.factory import shards
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import training
from launch import command, common

_SECONDS_BETWEEN_SAVES = 30.0


def main(config: command.Config, workdir: pathlib.Path) -> None:
  """Trains what the config says, unless it is there."""
  options = common.interpreter_options(config)
  generator = common.load_generator(config)
  annotated = common.load_annotations(config, generator)
  sampling = common.annotated_sampling(config, annotated, generator)
  identity = {
    'generator': generators.checksum(generator),
    'annotations': files.sha256(
      annotated.masks,
      annotated.latents,
      annotated.space,
      np.asarray(annotated.noise_keys),
    ),
    'schema': annotated.schema.to_json(),
    'sampling': dataclasses.asdict(sampling),
    'interpreter': dataclasses.asdict(options),
    'seed': config.seed,
  }
  folder = workdir / 'training'
  shards.open_run(folder, identity)
  common.note_command(workdir)
  result = workdir / 'interpreter'
  if common.is_saved(result):
    store.load_interpreter(result)  # refuses a damaged one
    print(f'The interpreter in {result} is trained.')
    return
  with (
    progress.MetricWriter(folder) as writer,
    command.terminal_progress('steps', writer) as on_progress,
    _Checkpoint(folder / 'state') as checkpoint,
  ):
    interpreter = training.train(
      generator,
      annotated,
      sampling,
      options,
      key=rng.stream(rng.root_key(config.seed), 'interpreter'),
      on_progress=on_progress,
      checkpoint=checkpoint,
    )
  if parallel.process_index() == 0:
    store.save_interpreter(result, interpreter)
    shutil.rmtree(folder / 'state', ignore_errors=True)
    print(f'Wrote {options.members} members to {result}.')


class _Checkpoint:
  """The state of training in a folder; an interrupt saves the last one."""

  def __init__(self, folder: pathlib.Path):
    self._folder = folder
    self._saved_at = time.monotonic()
    self._state: Any = None

  def restore(self, like: Any) -> Any | None:
    if not common.is_saved(self._folder):
      return None
    return store.load_pytree(self._folder, like)

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


if __name__ == '__main__':
  command.run_config(main)
