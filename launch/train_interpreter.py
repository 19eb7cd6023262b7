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

import numpy as np

from dgan_jax import api, errors, parallel, storage
from dgan_jax.annotations import drawn
from dgan_jax.checkpoints import store
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import training
from dgan_jax.tasks import kinds
from dgan_jax.training import run_folder
from dgan_jax.visualize import sheets
from launch import command, common, terminal


def main(config: command.Config, workdir: pathlib.Path) -> None:
  """Trains what the config says, unless it is there."""
  generator = common.load_generator(config)
  annotated = common.load_annotations(config, generator)
  names = kinds.create(annotated.task, annotated.schema).names
  options = common.interpreter_options(config, names)
  sampling = common.annotated_sampling(config, annotated, generator)
  task = training.task_of(annotated, options)
  identity = {
    'generator': generators.checksum(generator),
    'annotations': storage.sha256(
      task.truth(annotated),
      annotated.latents,
      annotated.space,
      np.asarray(annotated.noise_keys),
    ),
    'task': task.to_json(),
    'sampling': dataclasses.asdict(sampling),
    'interpreter': dataclasses.asdict(options),
    'seed': config.seed,
  }

  sheet = workdir / 'annotations.png'

  def show(images: np.ndarray) -> None:
    if parallel.process_index() == 0:
      picture = drawn.sheet(images, annotated, task)
      storage.write_bytes(sheet, sheets.png(picture))
      print(f'Look at {sheet}: what was read, over the images it is of.')

  place = workdir / 'training'
  is_new = not place.exists()
  result = workdir / 'interpreter'
  with run_folder.RunFolder(place, identity) as folder:
    if run_folder.is_finished(result):
      store.load_interpreter(result)  # refuses a damaged one
      print(f'The interpreter in {result} is trained; {sheet} shows on what.')
      return
    try:
      with terminal.progress_line('steps') as on_progress:
        interpreter = api.train_interpreter(
          generator,
          annotated,
          seed=config.seed,
          sampling=sampling,
          on_images=show,
          on_progress=on_progress,
          folder=folder,
          **vars(options),
        )
    except errors.UserError:
      if is_new:  # What is mended is another run: leave no trace of this one.
        shutil.rmtree(place, ignore_errors=True)
      raise
    common.note_command(workdir)
    if parallel.process_index() == 0:
      store.save_interpreter(result, interpreter)
      folder.forget_state()
      print(f'Wrote {options.members} members to {result}.')


if __name__ == '__main__':
  command.run_config(main)
