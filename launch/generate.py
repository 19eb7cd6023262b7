"""Generates a labelled dataset with a trained interpreter.

Goes on where an earlier run of the same command was stopped; any number of
processes may run it at once. At the end there is a TFDS dataset, and in
WORKDIR/report its pictures and data card.

Example:
  python -m launch.train_interpreter --workdir=out/rendered_car
  python -m launch.generate --workdir=out/rendered_car \\
    --config.factory.num_samples=500
"""

import pathlib

from dgan_jax import errors, parallel, progress, storage, validation
from dgan_jax.checkpoints import pytrees, store
from dgan_jax.datasets import base
from dgan_jax.factory import dataset as dataset_lib
from dgan_jax.factory import run, source
from launch import command, common, dataset_report, terminal


def main(config: command.Config, workdir: pathlib.Path) -> dataset_lib.Dataset:
  """Generates what the config says; needs WORKDIR/interpreter."""
  place = workdir / 'interpreter'
  if not pytrees.is_saved(place):
    raise errors.UserError(
      f'There is no {place}; train one first: '
      f'python -m launch.train_interpreter --workdir={workdir}.'
    )
  generator = common.load_generator(config)
  drawn = source.GeneratorSource(generator, common.sampling(config, generator))
  interpreter = store.load_interpreter(place)
  fields = {**config.factory, 'seed': config.seed}
  options = validation.build('config.factory', run.FactoryOptions, fields)
  job = run.Job(drawn, interpreter, options)
  common.check_task(config, str(place), interpreter.spec.task)
  common.note_command(workdir)
  folder = workdir / 'generation'
  if process := parallel.process_index():
    folder = folder / f'process_{process}'
  with (
    progress.MetricWriter(folder) as writer,
    terminal.progress_line('samples', writer) as on_progress,
  ):
    dataset = run.generate(
      job,
      base.card(config.dataset.name, config.dataset.config_name),
      workdir=workdir / 'run',
      data_dir=storage.path(config.data_dir or workdir / 'data'),
      formats=config.dataset.formats,
      on_progress=on_progress,
    )
  if not process:
    dataset_report.present(job, dataset, config, workdir)
  return dataset


if __name__ == '__main__':
  command.run_config(main, shared=True)
