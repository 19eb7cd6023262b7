"""What a finished run has made: pictures, a data card, a class table."""

import pathlib

import jax

import dgan_jax
from dgan_jax import parallel, report
from dgan_jax import workdir as workdir_lib
from dgan_jax.factory import dataset as dataset_lib
from dgan_jax.factory import run
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble
from dgan_jax.visualize import frequencies as frequencies_lib
from dgan_jax.visualize import sheets
from launch import command

_SHOWN = 12  # samples on the contact sheet

_BUNDLED = (
  'These cars are rendered, and the annotator of the masks was simulated: '
  'a demonstration, not a result.'
)


def present(
  job: run.Job,
  dataset: dataset_lib.Dataset,
  config: command.Config,
  workdir: pathlib.Path,
) -> None:
  """Writes WORKDIR/report and prints the table and how to load the data."""
  if parallel.process_index():
    return
  task = dataset.layout.task
  frequencies = task.frequencies(dataset.summary['counts'])
  # The first samples, the most and the least uncertain.
  scores = dataset.summary['score']
  least, most = sheets.extremes(scores, (_SHOWN + 1) // 2)
  positions = {*range(len(scores))[:_SHOWN], *least.tolist(), *most.tolist()}
  samples = dataset.samples(sorted(positions))
  pictures = report.figures(samples, frequencies, shown=_SHOWN)
  sizes = {split: len(where) for split, where in dataset.splits.items()}
  card = report.data_card(
    title=f'{config.dataset.name}/{config.dataset.config_name}',
    summary=dataset.card.description,
    notice=_BUNDLED if config.generator == 'bundled' else '',
    highlights={
      **{f'samples in {split}': f'{n:,}' for split, n in sizes.items()},
      'pixels, height x width': f'{dataset.layout.height} x '
      f'{dataset.layout.width}',
      task.noun: str(len(task.names)),
    },
    facts=_facts(job, dataset, config, workdir),
    commands=workdir_lib.read_commands(workdir),
    frequencies=frequencies,
    pictures=pictures,
  )
  paths = report.write(workdir / 'report', pictures, card)
  print(f'\n{frequencies_lib.table(frequencies)}\n')
  for split, size in sizes.items():
    print(f'{size:6} samples in {split!r}')
  print(f'\nLook at {paths[-1]} or {paths[0]}.')
  print(f'Load it in Python, with {dataset.read_by}:\n')
  print('  import tensorflow_datasets as tfds')
  print(f'  {dataset.loading_line}\n')


def _facts(
  job: run.Job,
  dataset: dataset_lib.Dataset,
  config: command.Config,
  workdir: pathlib.Path,
) -> dict[str, dict[str, str]]:
  """The sections of the data card."""
  options, source = job.options, job.source.identity()
  sampling = generators.Sampling(**source['sampling'])
  spec = job.interpreter.spec
  last = options.first_index + options.num_samples - 1
  return {
    'Made from': {
      'Generator': config.generator,
      'Generator, sha256': source['generator'],
      'Annotations': config.annotations,
      'Interpreter': f'{workdir / "interpreter"}, {spec.members} members',
      'Interpreter, sha256': ensemble.checksum(job.interpreter),
      'Task': spec.task.kind,
      'Schema': spec.task.schema.name,
    },
    'To make it again': {
      'Seed': str(options.seed),
      'Samples': f'{options.first_index} to {last}',
      'Truncation': f'{sampling.truncation_psi} on the first '
      f'{sampling.truncation_layers} rows',
      'Noise': sampling.noise,
      'Compute': f'{sampling.dtype} in blocks of {job.block_size}, '
      f'on {jax.default_backend()}',
      'Set apart as uncertain': frequencies_lib.percent(
        options.uncertain_fraction
      ),
      'Versions': f'dgan_jax {dgan_jax.__version__}, jax {jax.__version__}',
    },
    'On disk': {
      'Folder': str(dataset.directory),
      'Stored as': ' and '.join(dataset.formats),
      'Loaded by': dataset.loading_line,
      'With': dataset.read_by,
      'Licence': dataset.card.license or 'that of dgan_jax: Apache-2.0',
    },
  }
