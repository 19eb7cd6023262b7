"""What the commands share: from a config to what the library takes."""

import dataclasses
import pathlib
import shlex
import sys
from collections.abc import Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from ml_collections.config_dict import ConfigDict as Config

from dgan_jax import errors, rng, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.checkpoints import opening
from dgan_jax.factory import run as run_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, training
from dgan_jax.segmentation import annotator

_ASSETS = pathlib.Path(__file__).parents[1] / 'dgan_jax' / 'assets'
_ASSET = _ASSETS / 'rendered_cars_64'
_COMMANDS = 'commands.txt'
_T = TypeVar('_T')


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


def trained_schema(
  config: Config, workdir: pathlib.Path, spec: ensemble.InterpreterSpec
) -> schema_lib.Schema:
  """What the interpreter in a folder labels: as the config says, else as the
  masks did that it learnt from, else as its own spec does.

  Raises:
    errors.UserError: nobody says, or the interpreter has other classes.
  """
  path = workdir / 'schema.json'
  schema = given_schema(config)
  if schema is None and path.exists():
    schema = schema_lib.get_schema(str(path))
  elif schema is None:
    schema = schema_lib.BUILT_IN.get(spec.schema_name)
  if schema is None:
    raise errors.UserError(
      f'What the interpreter in {workdir} labels is unknown; name its schema: '
      '--config.schema=car_20, or the path of a .json file.'
    )
  if spec.classes:
    schema_lib.check_same_classes(
      f'{workdir / "interpreter"}',
      spec.classes,
      f'the schema {schema.name!r}',
      schema.classes,
    )
  return schema


def load_annotations(
  config: Config, generator: generators.Generator
) -> folder_lib.Annotations:
  """The annotations that the config names: 'bundled', or a folder.

  Where they don't say with which noise their images were made, they get some.

  Raises:
    errors.UserError: they don't fit the schema or the generator.
  """
  bundled = config.annotations == 'bundled'
  canvas = sampling(config, generator).canvas(generator.architecture)
  annotated = folder_lib.load(
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
  if not fields['truncation_layers']:
    fields['truncation_layers'] = usual.truncation_layers
  if tuple(fields['rows']) == (0, 0):
    fields['rows'] = None
  if fields['label'] == -1:
    fields['label'] = None
  options = _options(generators.Sampling, fields, 'sampling')
  _check_drawable(options, generator, config.generator)
  return options


def annotated_sampling(
  config: Config,
  annotated: folder_lib.Annotations,
  generator: generators.Generator,
) -> generators.Sampling:
  """How the annotated images were drawn: as their manifest says, if any."""
  if not annotated.sampling:
    return sampling(config, generator)
  fields = {**annotated.sampling, 'dtype': config.sampling.dtype}
  options = _options(generators.Sampling, fields, 'annotations')
  _check_drawable(options, generator, config.generator)
  return options


def _check_drawable(
  options: generators.Sampling, generator: generators.Generator, name: str
) -> None:
  if options.noise == 'const' and generator.noise is None:
    raise errors.UserError(
      f'The generator in {name} has no noise maps of its own, and '
      "sampling.noise is 'const'; use --config.sampling.noise=random."
    )
  count = generator.architecture.num_labels
  if options.label is not None and not 0 <= options.label < count:
    raise errors.UserError(
      f'The generator in {name} has {count} classes, and sampling.label is '
      f'{options.label}; use --config.sampling.label=-1 for any.'
    )


def interpreter_options(config: Config) -> training.TrainingOptions:
  """How the interpreter is to be trained."""
  return _options(training.TrainingOptions, config.interpreter, 'interpreter')


def factory_options(config: Config) -> run_lib.FactoryOptions:
  """Which samples are to be generated."""
  fields = {**config.factory, 'seed': config.seed}
  return _options(run_lib.FactoryOptions, fields, 'factory')


def _options(kind: type[_T], fields: Mapping[str, Any], section: str) -> _T:
  """Makes options; a value they refuse is the user's to mend."""
  try:
    return kind(**fields)
  except (TypeError, ValueError) as error:
    raise errors.UserError(f'config.{section}: {error}') from error


def is_saved(folder: pathlib.Path) -> bool:
  """Whether a save into the folder was ever finished."""
  return (folder / 'checkpoint.json').is_file()


def data_dir(config: Config, workdir: pathlib.Path) -> pathlib.Path:
  """The folder of datasets."""
  return pathlib.Path(config.data_dir or workdir / 'data').expanduser()


def note_command(workdir: pathlib.Path) -> None:
  """Adds the command that is running to those that made `workdir`."""
  spec = sys.modules['__main__'].__spec__
  name = spec.name if spec else sys.argv[0]
  command = shlex.join(['python', '-m', name, *sys.argv[1:]])
  commands = read_commands(workdir)
  if command not in commands:
    workdir.mkdir(parents=True, exist_ok=True)
    lines = '\n'.join([*commands, command])
    storage.write_text(workdir / _COMMANDS, f'{lines}\n')


def read_commands(workdir: pathlib.Path) -> list[str]:
  """The commands that made `workdir`, oldest first."""
  path = workdir / _COMMANDS
  return path.read_text(encoding='utf-8').splitlines() if path.exists() else []
