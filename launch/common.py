"""What the commands share: from a config to what the library takes."""

import dataclasses
import pathlib
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections.config_dict import ConfigDict as Config

from dgan_jax import errors, rng, storage, validation
from dgan_jax import schema as schema_lib
from dgan_jax import workdir as workdir_lib
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.annotations import keypoint_file
from dgan_jax.checkpoints import opening
from dgan_jax.factory import run as run_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import training
from dgan_jax.segmentation import annotator
from dgan_jax.tasks import keypoints, kinds, part_segmentation
from dgan_jax.tasks import task as task_lib
from launch import command

_ASSETS = pathlib.Path(__file__).parents[1] / 'dgan_jax' / 'assets'
_ASSET = _ASSETS / 'rendered_cars_64'
_COMMANDS = 'commands.txt'
_LOADERS: Mapping[str, Any] = {
  part_segmentation.PartSegmentation.kind: folder_lib.load,
  keypoints.Keypoints.kind: keypoint_file.load,
}


def load_generator(config: Config) -> generators.Generator:
  """The generator that the config names: 'bundled', or a file or folder."""
  bundled = config.generator == 'bundled'
  return opening.load_generator(
    _ASSET / 'generator' if bundled else config.generator
  )


def load_annotator(name: str) -> annotator.Annotator:
  """A simulated annotator: 'bundled', or the folder of one."""
  bundled = name == 'bundled'
  return annotator.load(_ASSETS / 'rendered_car_annotator' if bundled else name)


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
    schema_lib.check_same_classes(
      source,
      task.names,
      f'the schema {schema.name!r}',
      kinds.create(task.kind, schema).names,
      task.noun,
    )


def load_annotations(
  config: Config, generator: generators.Generator
) -> keypoint_file.Annotated:
  """The annotations that the config names: 'bundled', or a folder.

  Where they don't say with which noise their images were made, they get some.

  Raises:
    errors.UserError: they don't fit the schema or the generator.
  """
  bundled = config.annotations == 'bundled'
  canvas = sampling(config, generator).canvas(generator.architecture)
  if config.task not in _LOADERS:
    raise errors.UserError(
      f'config.task is {config.task!r}; expected one of {", ".join(_LOADERS)}.'
    )
  annotated: keypoint_file.Annotated = _LOADERS[config.task](
    _ASSET / 'annotated' if bundled else config.annotations,
    schema=given_schema(config),
    size=(canvas.height, canvas.width),
    latent_size=generator.architecture.latent_size,
    num_ws=generator.architecture.num_ws,
  )
  if annotated.generator_checksum not in ('', generators.checksum(generator)):
    raise errors.UserError(
      f'The images of {config.annotations} were made by another generator '
      f'than {config.generator}; name the one that launch.sample was given.'
    )
  if annotated.noise_keys is not None:
    return annotated
  # The release keeps no record of the noise either: any will do.
  keys = rng.sample_keys(
    rng.stream(rng.root_key(config.seed), 'annotated'),
    np.arange(len(annotated)),
  )
  return dataclasses.replace(
    annotated, noise_keys=np.asarray(jax.random.key_data(keys))
  )


def sampling(
  config: Config, generator: generators.Generator
) -> generators.Sampling:
  """How the generator is to draw its images, with what the config leaves to
  the generator filled in.

  Raises:
    errors.UserError: the generator cannot draw so.
  """
  usual = generators.usual_sampling(generator)
  fields = dict(config.sampling)
  if fields['noise'] == 'auto':
    fields['noise'] = usual.noise
  if fields['truncation_layers'] == 0:
    fields['truncation_layers'] = usual.truncation_layers
  if fields['rows'] == (0, 0):
    fields['rows'] = None
  if fields['label'] == -1:
    fields['label'] = None
  return _drawable('config.sampling', fields, generator)


def annotated_sampling(
  config: Config,
  annotated: keypoint_file.Annotated,
  generator: generators.Generator,
) -> generators.Sampling:
  """How the annotated images were drawn: as their manifest says, if any."""
  if not annotated.sampling:
    return sampling(config, generator)
  fields = {**annotated.sampling, 'dtype': config.sampling.dtype}
  return _drawable(f'{config.annotations}: sampling', fields, generator)


def _drawable(
  section: str, fields: Mapping[str, Any], generator: generators.Generator
) -> generators.Sampling:
  def sampling(**fields: Any) -> generators.Sampling:
    options = generators.Sampling(**fields)
    options.check_generator(generator)
    return options

  return validation.build(section, sampling, fields)


def interpreter_options(
  config: Config, names: Sequence[str]
) -> training.TrainingOptions:
  """How the interpreter is to be trained, to tell apart what has the names."""

  def options(**fields: Any) -> training.TrainingOptions:
    made = training.TrainingOptions(**fields)
    made.check_weights(names)
    return made

  return validation.build('config.interpreter', options, config.interpreter)


def factory_options(config: Config) -> run_lib.FactoryOptions:
  """Which samples are to be generated."""
  fields = {**config.factory, 'seed': config.seed}
  return validation.build('config.factory', run_lib.FactoryOptions, fields)


def is_saved(folder: pathlib.Path) -> bool:
  """Whether a save into the folder was ever finished."""
  return (folder / 'checkpoint.json').is_file()


def data_dir(config: Config, workdir: pathlib.Path) -> pathlib.Path:
  """The folder of datasets."""
  return storage.path(config.data_dir or workdir / 'data')


def note_command(workdir: pathlib.Path) -> None:
  """Adds the command that is running to those that made `workdir`."""
  spec = sys.modules['__main__'].__spec__
  name = spec.name if spec else sys.argv[0]
  line = command.spoken(shlex.join(['python', '-m', name, *sys.argv[1:]]))
  with workdir_lib.opening(workdir):
    commands = read_commands(workdir)
    if line not in commands:
      lines = '\n'.join([*commands, line])
      storage.write_text(workdir / _COMMANDS, f'{lines}\n')


def read_commands(workdir: pathlib.Path) -> list[str]:
  """The commands that made `workdir`, oldest first."""
  path = workdir / _COMMANDS
  return path.read_text(encoding='utf-8').splitlines() if path.exists() else []
