import dataclasses
import pathlib

import pytest

from configs import common as fields
from dgan_jax import errors, schema
from dgan_jax.factory import run
from dgan_jax.generators import generator, stylegan2
from dgan_jax.interpreter import training
from launch import common, config_file
from tests import shipped, small

# Others have fields of their own: test_gan_configs.py,
# launch/test_train_annotator.py, launch/test_evaluate_labels.py.
_SHIPPED = sorted(
  path
  for path in pathlib.Path(fields.__file__).parent.glob('[!_]*.py')
  if not path.stem.startswith(('gan_', 'annotator_', 'label_'))
)


@pytest.fixture(params=_SHIPPED, ids=lambda path: path.stem)
def config(request):
  return config_file.load(str(request.param))


def test_all_promised_configs_are_there():
  names = {path.stem for path in _SHIPPED}
  assert names == {
    *('common', 'rendered_car', 'tiny'),
    *('car_20', 'face_34', 'cat_16', 'bird_11', 'bedroom_19'),
  }


def test_a_config_has_the_fields_that_common_declares_and_no_lists(config):
  shipped.check_fields(config, fields.get_config())


def test_a_config_is_locked(config):
  with pytest.raises(AttributeError):
    config.interpretr = 1


def test_a_config_names_a_built_in_schema_or_none(config):
  assert config.schema == '' or config.schema in schema.BUILT_IN


def test_a_config_gives_the_library_its_sampling_options(config):
  resolution = 512 if config.dataset.config_name == 'car_20' else 16
  channels = (4,) * (resolution.bit_length() - 2)
  options = common.sampling(config, small.generator(resolution, channels))
  assert isinstance(options, generator.Sampling)
  assert options.rows == ((64, 448) if resolution == 512 else None)
  assert options.noise == 'const'
  assert options.truncation_layers in (7, 8)


def test_what_the_config_leaves_open_the_generator_decides():
  config = fields.get_config()
  two = small.generator(kind=stylegan2.StyleGAN2)
  options = common.sampling(config, two)
  assert (options.noise, options.truncation_layers) == ('const', 6)
  options = common.sampling(config, two.replace(noise=None))
  assert options.noise == 'random'
  config.sampling.noise = 'none'
  config.sampling.truncation_layers = 3
  options = common.sampling(config, two)
  assert (options.noise, options.truncation_layers) == ('none', 3)


@pytest.mark.parametrize(
  ('field', 'value', 'words'),
  [
    ('noise', 'const', 'has no noise maps of its own'),
    ('label', 2, r'config\.sampling\.label is 2; expected .* 2 classes'),
    ('dtype', 'float16', r"config\.sampling\.dtype is 'float16'; expected"),
    ('rows', (0, 65), r'config\.sampling\.rows is \(0, 65\); .* 0 to 16'),
  ],
)
def test_what_a_generator_cannot_do_is_refused(field, value, words):
  config = fields.get_config()
  config.sampling[field] = value
  conditional = small.generator(kind=stylegan2.StyleGAN2, num_labels=2)
  with pytest.raises(errors.UserError, match=words):
    common.sampling(config, conditional.replace(noise=None))


def test_a_config_gives_the_library_its_factory_options(config):
  options = run.FactoryOptions(**config.factory, seed=config.seed)
  assert options.num_samples == config.factory.num_samples


def test_a_config_gives_the_library_its_training_options(config):
  options = common.interpreter_options(
    config, schema.get_schema('car_20').classes
  )
  assert dataclasses.asdict(options) == dict(config.interpreter)


def test_the_default_config_trains_as_the_library_does_by_default():
  config = fields.get_config()
  assert (
    common.interpreter_options(config, schema.get_schema('car_20').classes)
    == training.TrainingOptions()
  )


def test_the_default_config_makes_what_tfds_would_make_on_first_use():
  config = fields.get_config()
  options = run.FactoryOptions(**config.factory, seed=config.seed)
  assert options == run.FactoryOptions(num_samples=1000)


@pytest.mark.parametrize('path', _SHIPPED, ids=lambda path: path.stem)
def test_a_config_says_how_to_run_it(path):
  shipped.check_docstring(path)
