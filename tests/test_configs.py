import dataclasses
import pathlib
import re

import pytest
from ml_collections import ConfigDict

from configs import common as fields
from dgan_jax import schema
from dgan_jax.factory import run
from dgan_jax.generators import generator
from dgan_jax.interpreter import training
from launch import command, common

_SHIPPED = sorted(pathlib.Path(fields.__file__).parent.glob('[!_]*.py'))


def _flatten(config, prefix=''):
  for name, value in config.items():
    if isinstance(value, ConfigDict):
      yield from _flatten(value, f'{prefix}{name}.')
    else:
      yield f'{prefix}{name}', value


@pytest.fixture(params=_SHIPPED, ids=lambda path: path.stem)
def config(request):
  return command.load_config(str(request.param))


def test_all_promised_configs_are_there():
  names = {path.stem for path in _SHIPPED}
  assert names == {
    *('common', 'rendered_car', 'tiny'),
    *('car_20', 'face_34', 'cat_16', 'bird_11', 'bedroom_19'),
  }


def test_a_config_sets_no_field_that_common_does_not_declare(config):
  declared = dict(_flatten(fields.get_config()))
  assert {name for name, _ in _flatten(config)} == set(declared)
  for name, value in _flatten(config):
    assert type(value) is type(declared[name]), name


def test_a_config_is_locked(config):
  with pytest.raises(AttributeError):
    config.interpretr = 1


def test_no_field_is_a_list_because_command_lines_cannot_set_those(config):
  for name, value in _flatten(config):
    assert isinstance(value, (str, int, float, bool, tuple)), name


def test_a_config_names_a_built_in_schema(config):
  assert schema.get_schema(config.schema).name == config.schema


def test_a_config_gives_the_library_its_sampling_options(config):
  options = common.sampling(config)
  assert isinstance(options, generator.Sampling)
  official_car = config.dataset.config_name == 'car_20'
  assert options.rows == ((64, 448) if official_car else None)


def test_a_config_gives_the_library_its_factory_options(config):
  options = common.factory_options(config)
  assert options.num_samples == config.factory.num_samples


def test_a_config_gives_the_library_its_training_options(config):
  options = common.interpreter_options(config)
  assert dataclasses.asdict(options) == dict(config.interpreter)


def test_the_default_config_trains_as_the_library_does_by_default():
  config = fields.get_config()
  assert common.interpreter_options(config) == training.TrainingOptions()


def test_the_default_config_makes_what_tfds_would_make_on_first_use():
  config = fields.get_config()
  options = common.factory_options(config)
  assert options == run.FactoryOptions(num_samples=1000)


@pytest.mark.parametrize('path', _SHIPPED, ids=lambda path: path.stem)
def test_a_config_says_how_to_run_it(path):
  docstring = path.read_text().split('"""')[1]
  assert re.search(r'--(config=configs|workdir=out)/\w+', docstring)
