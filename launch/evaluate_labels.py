"""Measures the interpreter's labels against the simulated annotator's.

Interpreters learn from 1, 4, 8 ... samples that the annotator painted, and
label thousands of others that it painted too. Every interpreter's figures are
a line of WORKDIR/rows.jsonl; stopped and started again, the next one goes on.
WORKDIR/label_quality.md has the tables, .png the chart, .json everything, and
samples.png the best, median and worst labels.

Example:
  python -m launch.evaluate_labels --workdir=out/label_quality
  python -m launch.evaluate_labels --workdir=out/mine \\
    --config.generator=mine/generator --config.annotator=out/annotator/annotator
"""

import functools
import pathlib

from dgan_jax import progress, storage, validation
from dgan_jax import schema as schema_lib
from dgan_jax import workdir as workdir_lib
from dgan_jax.annotations import folder
from dgan_jax.evaluation import (
  annotated_samples,
  label_quality,
  pictures,
  results,
)
from dgan_jax.evaluation import plan as plan_lib
from dgan_jax.visualize import sheets
from launch import command, common, terminal


def main(config: command.Config, workdir: pathlib.Path) -> None:
  """Measures what the config says, but for what is there."""
  setup = _setup(config)
  plan = _plan(config, setup.annotator.schema)
  seed, count = config.seed, config.num_samples
  identity = {**setup.identity(), 'seed': seed, 'num_samples': count}
  workdir_lib.open_run(workdir, identity)
  common.note_command(workdir)
  rows = plan_lib.Rows(workdir / 'rows.jsonl')
  with terminal.progress_line('samples to measure on') as on_progress:
    truth = annotated_samples.truth(
      setup, seed, count, workdir / 'truth.npy', on_progress=on_progress
    )
  planned = plan.runs()
  missing = [run for run in planned if run not in rows]
  state = progress.Progress(len(planned), 'interpreters')
  print(state.update(len(planned) - len(missing)))

  @functools.cache
  def painted(seed: int, count: int, candidates: int) -> folder.Annotations:
    return annotated_samples.annotate(setup, seed, count, candidates)

  for place, run in enumerate(missing):
    print(f'{run}:', flush=True)
    annotated = painted(run.seed, run.annotated, run.candidates)
    interpreter, measured, seconds = label_quality.train_and_measure(
      setup, run, annotated, truth, terminal.progress_line
    )
    if run == planned[0]:
      sheet = pictures.sheet(setup, interpreter, measured, truth, plan.voting)
      storage.write_bytes(workdir / 'samples.png', sheets.png(sheet))
    rows.add(run, {**label_quality.summary(measured), **seconds})
    print(state.update(len(planned) - len(missing) + place + 1))
  result = results.Outcome(
    plan, {run: rows[run] for run in planned}, truth, setup.annotator.schema
  )
  found = {'setup': identity, **result.to_json()}
  storage.write_json(workdir / 'label_quality.json', found)
  storage.write_bytes(workdir / 'label_quality.png', pictures.chart(result))
  text = results.markdown(result)
  storage.write_text(workdir / 'label_quality.md', text)
  print(f'\n{text}\nLook at {workdir / "label_quality.png"}.')


def _plan(config: command.Config, schema: schema_lib.Schema) -> plan_lib.Plan:
  validation.expect('config.num_samples', config.num_samples, validation.Count)
  options = common.interpreter_options(config, schema.classes)
  names = ('annotated', 'ceiling', 'reference', 'candidates', 'modes')
  fields = {name: config[name] for name in (*names, 'dropouts', 'seeds')}
  fields['options'] = options
  return validation.build('config', plan_lib.Plan, fields)


def _setup(config: command.Config) -> annotated_samples.Setup:
  generator = common.load_generator(config)
  sampling = common.sampling(config, generator)
  annotator = common.load_annotator(config.annotator)
  setup = annotated_samples.Setup(generator, sampling, annotator)
  if schema := common.given_schema(config):
    setup.check(schema)
  return setup


if __name__ == '__main__':
  command.run_config(main, config='label_quality')
