"""Every option of every dataclass of options: what is accepted, what not."""

import dataclasses
import functools
import math
import re

import numpy as np
import pytest

from dgan_jax import errors, rng, schema, validation
from dgan_jax.evaluation import plan
from dgan_jax.factory import run
from dgan_jax.gan import discriminator, loop, quality, training_log
from dgan_jax.gan import state as gan
from dgan_jax.generators import generator, stylegan1, stylegan2
from dgan_jax.interpreter import training
from dgan_jax.renderers.cars import rendered_car
from dgan_jax.segmentation import augmentation, unet
from dgan_jax.segmentation import training as segmentation
from tests import small

_NAN, _INF = math.nan, math.inf
_HUGE = 10**400

# What is never right for an option of that kind, then what isn't either of
# smaller ranges.
_INT = (1.5, '1', None, True, -1, _NAN, (1,), 2**40)
_COUNT = (*_INT, 0)
_FLOAT = ('1', None, True, _NAN, _INF, -_INF, (1,))
_SHARE = (*_FLOAT, -0.1, 1.1, _HUGE)
_BELOW_1 = (*_SHARE, 1.0)
_RATE = (*_SHARE, 0, 1e30)
_BOOL = (1, 0, 'True', None, 0.0)
_NAME = ('', 'nothing', 3, None)

_PARTIAL = {
  run.FactoryOptions: {'num_samples': 8},
  stylegan1.StyleGAN1: {'resolution': 16, 'channels': (6, 5, 4)},
  stylegan2.StyleGAN2: {'resolution': 16, 'channels': (6, 5, 4)},
  discriminator.ResidualDiscriminator: {
    'resolution': 16,
    'channels': (6, 5, 4),
  },
  unet.UNet: {'num_classes': 3},
  plan.Plan: {'options': training.TrainingOptions()},
}
_NETWORK = {
  'resolution': (*_COUNT, 100, 4, 2048),
  'channels': (5, '', (6, 5), (6, 5, 4, 3), (6, 5, 0), (6, 5, 4.0), [6, 5, 4]),
  'latent_size': (*_COUNT, 10**6),
  'mapping_layers': (*_COUNT, 200_000),
}
_REFUSED = {
  generator.Sampling: {
    'truncation_psi': (*_FLOAT, 100),
    'truncation_layers': _INT,
    'noise': (*_NAME, 'constant', 'auto'),
    'rows': (
      *(5, '0,8', (20, 10), (5, 5), (-4, 20), (0, 16, 2), (0,), (), (0, 8.0)),
      *([0, 8], (0, None)),
    ),
    'dtype': (*_NAME, 'float64', 'float16'),
    'label': (1.5, '1', True, -1),
  },
  training.TrainingOptions: {
    'mode': (*_NAME, 'fast'),
    'members': _COUNT,
    'hidden': ((8,), (), (0, 5), (5, 0), (8, -1), (8, 8, 8), (8, 'a'), 8, ''),
    'soft_voting': _BOOL,
    'dropout': (*_BELOW_1, 1.5),
    'class_weights': (('a',), (1.0, _NAN), (1.0, 0.0), (-1.0,), 2.0),
    'steps': _COUNT,
    'batch_size': (*_COUNT, 1),
    'learning_rate': _RATE,
    'weight_decay': (*_SHARE, -1),
    'balance': (*_SHARE, 5),
    'bootstrap': _BOOL,
    'held_out': _BELOW_1,
    'patience': _COUNT,
    'steps_per_evaluation': _COUNT,
    'feature_dtype': (*_NAME, 'int8', 'bfloat16'),
    'max_epochs': _COUNT,
  },
  run.FactoryOptions: {
    'num_samples': (*_COUNT, -5, 2**32 + 1),
    'first_index': (*_INT, 2**32, 2**32 - 7),
    'seed': (*_INT, 2**32, 5_000_000_000, 10**20, _HUGE),
    'samples_per_shard': _COUNT,
    'block_size': _INT,
    'uncertain_fraction': (*_BELOW_1, 2),
  },
  stylegan1.StyleGAN1: _NETWORK,
  stylegan2.StyleGAN2: {
    **_NETWORK,
    'num_labels': _INT,
    'block': _NAME,
    'conv_clamp': ('1', _NAN, True),
  },
  discriminator.ResidualDiscriminator: {
    'resolution': _NETWORK['resolution'],
    'channels': _NETWORK['channels'],
    'group_size': _COUNT,
  },
  gan.Options: {
    'images': _COUNT,
    'batch_size': _COUNT,
    'learning_rate': _RATE,
    'decay': _SHARE,
    'r1_gamma': (*_FLOAT, -1.0),
    'r1_interval': _INT,
    'r1_batch': (*_COUNT, 5, 64),
    'mixing': (*_SHARE, 2),
    'ema_images': _INT,
    'ema_rampup': _SHARE,
    'flip': _BOOL,
    'augment': _BOOL,
    'augment_target': _SHARE,
    'augment_images': _COUNT,
    'dtype': (*_NAME, 'float16'),
  },
  training_log.Schedule: {
    'steps_per_report': _COUNT,
    'images_per_evaluation': _COUNT,
    'seconds_per_save': (*_FLOAT, -1),
    'seconds_per_grid': (*_FLOAT, -1),
    'grid_images': (*_COUNT, 10**6),
  },
  segmentation.Options: {
    'steps': _COUNT,
    'batch_size': _COUNT,
    'learning_rate': _RATE,
    'balance': _SHARE,
    'steps_per_evaluation': _COUNT,
    'augment': (None, 1.0, {}),
  },
  augmentation.Ranges: {
    **dict.fromkeys(
      ('brightness', 'contrast', 'saturation', 'blur', 'noise'), _SHARE
    ),
    'shift': _INT,
    'flip': _BOOL,
  },
  unet.UNet: {
    'num_classes': _COUNT,
    'channels': ((), (8, 9), (0,), 8, (8.0,)),
    'groups': (*_COUNT, 5),
  },
  plan.Plan: {
    'options': (None, {}),
    'annotated': ((0,), (1.5,), 3, (-1,)),
    'ceiling': (*_INT, 32, 1),
    'reference': _COUNT,
    'candidates': (*_INT, 10**6),
    'modes': (('fast',), 'default', (1,)),
    'dropouts': ((1.0,), (_NAN,), 0.1),
    'seeds': ((), (-1,), (2**32,), (0.5,), 0),
  },
  rendered_car.Domain: {
    'setting': (*_NAME, 'side', ('frontal',)),
    'resolution': (*_COUNT, 8, 2048),
    'aspect': (*_NAME, '16:9'),
    'supersampling': (*_COUNT, 9),
  },
}
_ACCEPTED = {
  generator.Sampling: {
    'truncation_psi': (0, 1, -1.0, np.float32(0.5)),
    'truncation_layers': (0, np.int64(3)),
    'rows': (None, (0, 8)),
    'label': (None, 0),
  },
  training.TrainingOptions: {
    'hidden': ((0, 0), (8, 5)),
    'held_out': (0, 0.5),
    'class_weights': ((), (1, 2.0)),
    'dropout': (0, 0.99),
  },
  run.FactoryOptions: {
    'first_index': (0, 2**32 - 8),
    'seed': (0, 2**32 - 1),
    'block_size': (0, 3),
    'uncertain_fraction': (0, 0.5),
  },
  gan.Options: {
    'r1_interval': (0,),
    'r1_gamma': (0, 10),
    'ema_images': (0,),
    'decay': (0, 1),
  },
  training_log.Schedule: {'seconds_per_save': (0, 0.5)},
  stylegan2.StyleGAN2: {'conv_clamp': (None, 256)},
  plan.Plan: {'ceiling': (0, 33), 'candidates': (0,)},
}


def _cases(table):
  return list(_all_cases(table))


def _all_cases(table):
  for kind, fields in table.items():
    for name, values in fields.items():
      for value in values:
        text = f'{value!r:.12}'
        yield pytest.param(
          *(kind, name, value), id=f'{kind.__name__}.{name}={text}'
        )


@pytest.mark.parametrize(('kind', 'name', 'value'), _cases(_REFUSED))
def test_nonsense_is_refused_by_the_name_of_its_field(kind, name, value):
  make = functools.partial(kind, **_PARTIAL.get(kind, {}))
  with pytest.raises(errors.UserError) as caught:
    make(**{name: value})
  # A field that has to fit another is refused by the name of either.
  assert re.fullmatch(r'\w+ is .*; expected .*\.', str(caught.value))
  names = {name, 'channels', 'first_index', 'r1_batch', 'ceiling'}
  assert str(caught.value).split()[0] in names
  assert len(str(caught.value)) < 250


@pytest.mark.parametrize(('kind', 'name', 'value'), _cases(_ACCEPTED))
def test_what_makes_sense_is_accepted(kind, name, value):
  made = kind(**{**_PARTIAL.get(kind, {}), name: value})
  assert getattr(made, name) == value


@pytest.mark.parametrize('kind', _REFUSED, ids=lambda kind: kind.__name__)
def test_no_option_is_left_out(kind):
  fields = {field.name for field in dataclasses.fields(kind)}
  untold = {'instance_norm_eps', 'fused_from'}  # no config has them
  assert fields - untold == set(_REFUSED[kind])


@pytest.mark.parametrize(
  ('hint', 'words'),
  [
    (validation.Count, 'a whole number of 1 or more'),
    (validation.Share, 'a number from 0.0 to 1.0'),
    (validation.ShareBelow1, 'a number from 0, below 1'),
    (validation.LearningRate, 'a number above 0, at most 1'),
    (validation.Positive, 'a number above 0'),
    (validation.Index, 'a whole number from 0, below 2^32'),
    (validation.Whole | None, 'a whole number of 0 or more'),
    (bool, 'True or False'),
    (str, 'a str'),
    (tuple[int, int], '2 values, each a whole number'),
    (tuple[bool, ...], 'any number of values, each True or False'),
  ],
)
def test_a_refusal_says_what_is_expected(hint, words):
  with pytest.raises(errors.UserError) as caught:
    validation.expect('x', _NAN, hint)
  assert str(caught.value) == f'x is nan; expected {words}.'


def test_a_section_names_the_field_by_its_whole_path():
  with pytest.raises(errors.UserError, match=r'^config\.x\.members is 0; exp'):
    validation.build('config.x', training.TrainingOptions, {'members': 0})
  with pytest.raises(errors.UserError, match=r'^config\.x: .*membrs'):
    validation.build('config.x', training.TrainingOptions, {'membrs': 1})


@pytest.mark.parametrize('seed', [-1, 2**32, 1.0, 2**64])
def test_a_seed_that_would_stand_for_another_is_refused(seed):
  with pytest.raises(errors.UserError, match='seed is'):
    rng.root_key(seed)


@pytest.mark.parametrize(
  ('fields', 'words'),
  [
    ({'truncation_layers': 50}, 'truncation_layers is 50; expected 6 at most'),
    ({'rows': (0, 65)}, r'rows is \(0, 65\); expected rows from 0 to 16'),
    ({'label': 2}, 'label is 2; expected none, or one of the 2 classes'),
    ({'noise': 'const'}, "noise is 'const'; expected 'random'"),
  ],
)
def test_what_a_generator_cannot_draw_is_refused(fields, words):
  given = small.generator(kind=stylegan2.StyleGAN2, num_labels=2)
  usual = {'truncation_layers': 6, 'noise': 'random'}
  with pytest.raises(errors.UserError, match=words):
    generator.Sampling(**{**usual, **fields}).check_generator(
      given.replace(noise=None)
    )
  generator.usual_sampling(given).check_generator(given)


def test_weights_of_other_classes_are_refused():
  options = training.TrainingOptions(class_weights=(1.0, 2.0))
  with pytest.raises(errors.UserError, match='one for each of the 20 names'):
    options.check_weights(schema.get_schema('car_20').classes)


def test_groups_that_do_not_fill_a_batch_are_refused():
  judge = discriminator.ResidualDiscriminator(16, (6, 5, 4), group_size=3)
  options = gan.Options(batch_size=8, r1_batch=4)
  drawn = stylegan1.StyleGAN1(16, (6, 5, 4), 8)
  config = gan.TrainConfig.of(drawn, judge, options)
  words = 'batch_size is 8; expected a multiple of 24: 8 devices, groups of 3'
  with pytest.raises(errors.UserError, match=words):
    loop.check_sharing(config)


@pytest.mark.parametrize(('count', 'reals'), [(1, 5), (5, 1), (5, 0)])
def test_no_distance_is_taken_of_one_image(count, reals):
  images = np.zeros((reals, 8, 8, 3), np.uint8)
  with pytest.raises(errors.UserError, match=r'2 or more|two or more'):
    quality.FrechetDistance(
      quality.coarse_pixels, images, name='x', key=rng.root_key(0), count=count
    )
