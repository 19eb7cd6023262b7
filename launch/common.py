"""What the commands share: from a config to what the library takes."""

import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from ml_collections.config_dict import ConfigDict as Config

from dgan_jax import api, errors, parallel, validation
from dgan_jax import schema as schema_lib
from dgan_jax import workdir as workdir_lib
from dgan_jax.api import reading
from dgan_jax.checkpoints import opening
from dgan_jax.datasets import bundled
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import training
from dgan_jax.segmentation import annotator
from dgan_jax.tasks import kinds
from dgan_jax.tasks import task as task_lib
from launch import terminal


def load_generator(config: Config) -> generators.Generator:
  """The generator that the config names: 'bundled', or a file or folder. One
  whose mean latent would be computed is refused: it takes launch.convert."""
  path = bundled.path(config.generator, bundled.GENERATOR)
  return opening.load_generator(path)


def load_annotator(name: str) -> annotator.Annotator:
  """A simulated annotator: 'bundled', or the folder of one."""
  return annotator.load(bundled.path(name, bundled.ANNOTATOR))


def given_schema(config: Config) -> schema_lib.Schema | None:
  """The part schema that the config names, if it names one."""
  return schema_lib.get_schema(config.schema) if config.schema else None


def check_task(config: Config, source: str, task: task_lib.Task) -> None:
  """Refuses an interpreter whose labels are not those of the config.

  Raises:
    errors.UserError: it has another task, or other names than the schema.
  """
  if config.task != task.kind:
    raise errors.UserError(
      f'{source} was trained for the task {task.kind!r}, and config.task is '
      f'{config.task!r}; train one for it in another --workdir.'
    )
  if schema := given_schema(config):
    asked = f'the schema {schema.name!r}'
    names = kinds.create(task.kind, schema).names
    schema_lib.check_same_classes(source, task.names, asked, names, task.noun)


def load_annotations(
  config: Config, generator: generators.Generator
) -> reading.Annotated:
  """The annotations that the config names: 'bundled', or a folder."""
  return api.load_annotations(
    config.annotations,
    generator,
    task=config.task,
    schema=given_schema(config),
    sampling=sampling(config, generator),
    seed=config.seed,
  )


def sampling(
  config: Config, generator: generators.Generator
) -> generators.Sampling:
  """How the generator is to draw its images, with what the config leaves to
  the generator filled in.

  Raises:
    errors.UserError: the generator cannot draw so.
  """
  usual = vars(generators.usual_sampling(generator))
  left = {'noise': 'auto', 'truncation_layers': 0, 'rows': (0, 0), 'label': -1}
  fields = {
    name: usual[name] if name in left and value == left[name] else value
    for name, value in config.sampling.items()
  }
  return reading.drawable('config.sampling', generator, fields)


def annotated_sampling(
  config: Config, annotated: reading.Annotated, generator: generators.Generator
) -> generators.Sampling:
  """How the annotated images were drawn: as their manifest says, if any."""
  if not annotated.sampling:
    return sampling(config, generator)
  fields = {**annotated.sampling, 'dtype': config.sampling.dtype}
  return reading.drawable(f'{config.annotations}: sampling', generator, fields)


def interpreter_options(
  config: Config, names: Sequence[str]
) -> training.TrainingOptions:
  """How the interpreter is to be trained, to tell apart what has the names."""

  def options(**fields: Any) -> training.TrainingOptions:
    made = training.TrainingOptions(**fields)
    made.check_weights(names)
    return made

  return validation.build('config.interpreter', options, config.interpreter)


def note_command(workdir: pathlib.Path) -> None:
  """Adds the command that is running to those that made `workdir`."""
  if parallel.process_index():
    return  # Process 0 does it for all.
  spec = sys.modules['__main__'].__spec__
  name = spec.name if spec else sys.argv[0]
  argv = ['python', '-m', name, *sys.argv[1:]]
  workdir_lib.note_command(workdir, terminal.spoken(shlex.join(argv)))
