import dataclasses
import pathlib

import pytest

from configs import gan_common as fields
from dgan_jax.gan import state, training_log
from launch import config_file, train_gan
from tests import shipped

_SHIPPED = sorted(pathlib.Path(fields.__file__).parent.glob('gan_*.py'))


@pytest.fixture(params=_SHIPPED, ids=lambda path: path.stem)
def config(request):
  return config_file.load(str(request.param))


def test_a_config_has_the_fields_that_common_declares_and_no_lists(config):
  shipped.check_fields(config, fields.get_config())


def test_a_config_gives_networks_and_options_that_fit(config):
  made = train_gan._train_config(config)
  group = made.discriminator.group_size
  assert made.options.batch_size % group == 0
  assert made.options.r1_batch % group == 0
  assert made.generator.resolution == config.network.resolution


def test_the_default_config_trains_as_the_library_does_by_default():
  config = fields.get_config()
  assert dict(config.training) == dataclasses.asdict(state.Options())
  declared = dataclasses.asdict(training_log.Schedule())
  assert dict(config.schedule).keys() == declared.keys()


@pytest.mark.parametrize('path', _SHIPPED, ids=lambda path: path.stem)
def test_a_config_says_how_to_run_it(path):
  shipped.check_docstring(path)
