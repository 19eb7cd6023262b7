"""Trains the simulated annotator: a network in place of the person who paints.

It learns from rendered images, whose masks are exact, and is measured on
others. Stopped and started again, training goes on where it was. The network
is written to WORKDIR/annotator; WORKDIR/report has the table of the held-out
images and a sheet of some.

Example:
  python -m launch.train_annotator --workdir=out/annotator
  python -m launch.train_annotator --workdir=out/wide \\
    --config.domain.setting=all_views --config.num_pairs=20000
"""

import pathlib
from typing import Annotated

from dgan_jax import parallel, renderers, rng, validation
from dgan_jax.renderers.engine import batches
from dgan_jax.renderers.engine import renderer as domain_lib
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import (
  augmentation,
  pairs,
  quality_report,
  training,
  unet,
)
from dgan_jax.training import run_folder
from launch import command, common, terminal


def main(config: command.Config, workdir: pathlib.Path) -> None:
  """Trains what the config says, unless it is there."""
  domain = validation.build('config.domain', renderers.get, config.domain)
  architecture, options = _network_and_options(config, domain)
  result = workdir / 'annotator'
  with run_folder.RunFolder(workdir / 'training', config.to_dict()) as folder:
    common.note_command(workdir)
    if run_folder.is_finished(result):
      annotator_lib.load(result)  # refuses a damaged one
      print(f'The annotator in {result} is trained.')
      return
    learnt = _render(domain, 'annotated', config.num_pairs)
    held_out = _render(domain, 'test', config.num_held_out)
    with terminal.progress_line('steps') as on_progress:
      annotator = training.train(
        architecture,
        domain.schema,
        learnt,
        options,
        key=rng.stream(rng.root_key(config.seed), 'annotator'),
        held_out=held_out,
        on_progress=on_progress,
        folder=folder,
      )
    if parallel.process_index() == 0:
      _write(config, workdir, annotator, held_out)
      folder.forget_state()
      print(f'Wrote the annotator to {result}.')


def _write(
  config: command.Config,
  workdir: pathlib.Path,
  annotator: annotator_lib.Annotator,
  held_out: pairs.Pairs,
) -> None:
  """The annotator, and how good it is."""
  annotator = annotator_lib.rounded(annotator, config.stored_dtype)
  report = workdir / 'report'
  table, scores = quality_report.write(report, annotator, held_out)
  print(f'\n{table}\n\nLook at {report / "held_out.png"}.')
  facts = {'config': config.to_dict(), 'held_out': scores}
  annotator_lib.save(
    workdir / 'annotator', annotator, facts=facts, dtype=config.stored_dtype
  )


def _network_and_options(
  config: command.Config, domain: domain_lib.Domain
) -> tuple[unet.UNet, training.Options]:
  """The network and how it is trained."""
  dtype = Annotated[str, validation.choice(annotator_lib.DTYPES)]
  hints = {'num_pairs': validation.Count, 'num_held_out': validation.Count}
  for name, hint in {**hints, 'stored_dtype': dtype}.items():
    validation.expect(f'config.{name}', config[name], hint)
  build = validation.build
  network = {'num_classes': domain.schema.num_classes, **config.network}
  architecture = build('config.network', unet.UNet, network)
  augment = build('config.augment', augmentation.Ranges, config.augment)
  fields = {'augment': augment, **config.training}
  options = build('config.training', training.Options, fields)
  architecture.check_size(domain.size)
  return architecture, options


def _render(domain: domain_lib.Domain, use: str, count: int) -> pairs.Pairs:
  """The first pictures of the range for that use."""
  first = domain_lib.FIRST_INDEX[use]
  with terminal.progress_line(f'{use} pictures') as on_progress:
    rendered = batches.render_arrays(
      domain, range(first, first + count), on_progress=on_progress
    )
  return rendered.image, rendered.mask


if __name__ == '__main__':
  command.run_config(
    main, config='annotator_rendered_car', machine_independent=False
  )
