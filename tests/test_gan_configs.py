import dataclasses
import pathlib
import re

import pytest
from ml_collections import ConfigDict

from configs import gan_common as fields
from dgan_jax.gan import record, state
from launch import command, train_gan

_SHIPPED = sorted(pathlib.Path(fields.__file__).parent.glob('gan_*.py'))


def _flatten(config, prefix=''):
  for name, value in config.items():
    if isinstance(value, ConfigDict):
      yield from _flatten(value, f'{prefix}{name}.')
    else:
      yield f'{prefix}{name}', value


@pytest.fixture(params=_SHIPPED, ids=lambda path: path.stem)
def config(request):
  return command.load_config(str(request.param))


def test_a_config_sets_no_field_that_common_does_not_declare(config):
  declared = dict(_flatten(fields.get_config()))
  assert {name for name, _ in _flatten(config)} == set(declared)
  for name, value in _flatten(config):
    assert type(value) is type(declared[name]), name
    assert isinstance(value, (str, int, float, bool, tuple)), name


def test_a_config_gives_networks_and_options_that_fit(config):
  generator, discriminator, options = train_gan._recipe(config)
  recipe = state.Recipe.of(generator, discriminator, options)
  assert options.batch_size % discriminator.group_size == 0
  assert options.r1_batch % discriminator.group_size == 0
  assert recipe.generator.resolution == config.network.resolution


def test_the_default_config_trains_as_the_library_does_by_default():
  config = fields.get_config()
  assert dict(config.training) == dataclasses.asdict(state.Options())
  declared = dataclasses.asdict(record.Schedule())
  assert dict(config.schedule).keys() == declared.keys()


@pytest.mark.parametrize('path', _SHIPPED, ids=lambda path: path.stem)
def test_a_config_says_how_to_run_it(path):
  docstring = path.read_text().split('"""')[1]
  assert re.search(r'--config=configs/gan_\w+', docstring)
