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
from typing import Any

import jax
import numpy as np

from dgan_jax import annotations, files, parallel, progress, rng
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
  sampling = common.annotated_sampling(config, annotated)
  identity = {
    'generator': generators.checksum(generator),
    'annotations': _checksum(annotated),
    'schema': annotated.schema.to_json(),
    'sampling': dataclasses.asdict(sampling),
    'interpreter': dataclasses.asdict(options),
    'seed': config.seed,
  }
  folder = workdir / 'training'
  shards.open_run(folder, identity)
  common.note_command(workdir)
  result = workdir / 'interpreter'
  if result.exists():
    store.load_interpreter(result)  # refuses a damaged one
    print(f'The interpreter in {result} is trained.')
    return
  root = rng.root_key(config.seed)
  if annotated.noise_keys is None:
    # As in the release: no record of the noise, so any will do.
    keys = rng.sample_keys(
      rng.stream(root, 'annotated'), np.arange(len(annotated))
    )
    annotated = dataclasses.replace(
      annotated, noise_keys=np.asarray(jax.random.key_data(keys))
    )
  with (
    progress.MetricWriter(folder) as writer,
    command.terminal_progress('steps', writer) as on_progress,
  ):
    interpreter = training.train(
      generator,
      annotated,
      sampling,
      options,
      key=rng.stream(root, 'interpreter'),
      on_progress=on_progress,
      checkpoint=_Checkpoint(folder / 'state'),
    )
  if parallel.process_index() == 0:
    store.save_interpreter(result, interpreter)
    shutil.rmtree(folder / 'state', ignore_errors=True)
    print(f'Wrote {options.members} members to {result}.')


def _checksum(annotated: annotations.Annotations) -> str:
  """Of what training sees of the annotations."""
  keys = annotated.noise_keys
  return files.sha256(
    annotated.masks,
    annotated.latents,
    annotated.space,
    '' if keys is None else keys,
  )


class _Checkpoint:
  """The state of training in a folder."""

  def __init__(self, folder: pathlib.Path):
    self._folder = folder
    self._saved_at = time.monotonic()

  def restore(self, like: Any) -> Any | None:
    if not self._folder.exists():
      return None
    return store.load_pytree(self._folder, like)

  def save(self, state: Any) -> None:
    """Skips most calls; a kill costs seconds, and so does saving."""
    now = time.monotonic()
    if now - self._saved_at < _SECONDS_BETWEEN_SAVES:
      return
    if parallel.process_index() == 0:
      store.save_pytree(self._folder, state)
    self._saved_at = now


if __name__ == '__main__':
  command.run_config(main)
