import re
from typing import Any

import jax
import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.checkpoints.origins import (
  arrays_to_generator,
  known_origins,
  naming,
)
from dgan_jax.generators import stylegan1, stylegan2
from tests import small
from tests.checkpoints import ada_pickle as checkpoints

_ONE: dict[str, Any] = {'kind': stylegan1.StyleGAN1}
_TWO: dict[str, Any] = {'kind': stylegan2.StyleGAN2}
_OFFICIAL = {**_ONE, 'instance_norm_eps': 1e-8}
_CASES: dict[str, tuple[naming.Naming, dict[str, Any]]] = {
  'release': (known_origins.RELEASE, _ONE),
  'tensorflow-1': (known_origins.TENSORFLOW1, _OFFICIAL),
  'tensorflow-2': (known_origins.TENSORFLOW2, _TWO),
  'tensorflow-2-resnet': (
    known_origins.TENSORFLOW2,
    {**_TWO, 'block': 'resnet'},
  ),
  'tensorflow-2-orig': (known_origins.TENSORFLOW2, {**_TWO, 'block': 'orig'}),
  'ada': (known_origins.ADA, {**_TWO, 'conv_clamp': 256.0}),
  'ada-resnet': (
    known_origins.ADA,
    {**_TWO, 'conv_clamp': 256.0, 'block': 'resnet'},
  ),
  'ada-orig': (
    known_origins.ADA,
    {**_TWO, 'conv_clamp': 256.0, 'block': 'orig'},
  ),
  'ada-conditional': (
    known_origins.ADA,
    {**_TWO, 'conv_clamp': 256.0, 'num_labels': 3},
  ),
  'editgan': (known_origins.EDITGAN, _TWO),
}


@pytest.fixture(scope='module', params=list(_CASES.values()), ids=list(_CASES))
def case(request):
  names_of, options = request.param
  generator = small.generator(**options)
  return names_of, generator, checkpoints.state_dict(names_of, generator)


def _same(ours, theirs):
  # TensorFlow's biases of styles are stored less one, which rounds.
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=3e-7), ours, theirs
  )


def test_any_generator_survives_the_way_there_and_back(case):
  names_of, generator, arrays = case
  stored = arrays_to_generator.read(names_of, arrays)
  assert stored.architecture == generator.architecture
  _same(stored.params, generator.params)
  if names_of.noise(generator.architecture):
    _same(stored.noise, generator.noise)
  else:
    assert stored.noise is None
  if names_of.w_avg is None:
    assert stored.w_avg is None
  else:
    rows = generator.architecture.num_ws
    np.testing.assert_array_equal(
      stored.w_avg, np.tile(generator.w_avg[:1], (rows, 1))
    )


def test_the_marker_is_of_one_naming_only(case):
  names_of, _, arrays = case
  owners = {n.marker for n, _ in _CASES.values() if n.marker in arrays}
  assert owners == {names_of.marker}


def _refused(names_of, arrays, *words):
  with pytest.raises(errors.UserError) as error:
    arrays_to_generator.read(names_of, arrays, source='car.pkl')
  message = str(error.value)
  assert message.startswith('car.pkl')
  assert '\n' not in message
  for word in words:
    assert word in message


def test_a_missing_weight_is_named(case):
  names_of, generator, arrays = case
  entries = names_of.entries(generator.architecture)
  for entry in entries[::8]:
    less = {k: v for k, v in arrays.items() if k != entry.key}
    # Without the first to_rgb it looks like a network of other blocks.
    if 'to_rgb' in entry.path and names_of.marker in (
      known_origins.ADA.marker,
      known_origins.TENSORFLOW2.marker,
    ):
      _refused(names_of, less)
    else:
      _refused(names_of, less, f'no key {entry.key}')


def test_a_weight_of_another_shape_is_named_with_both_shapes(case):
  names_of, generator, arrays = case
  entry = next(
    e
    for e in names_of.entries(generator.architecture)
    if e.path[-2:] == ('to_rgb', 'kernel')
  )
  wrong = np.zeros((*entry.stored_shape, 2), np.float32)
  _refused(
    names_of,
    {**arrays, entry.key: wrong},
    entry.key,
    str(wrong.shape),
    str(entry.stored_shape),
  )


def test_keys_of_another_network_are_named(case):
  names_of, _, arrays = case
  _refused(names_of, {**arrays, 'more.weight': np.ones(2)}, 'more.weight')


def test_values_that_are_no_numbers_are_refused(case):
  names_of, generator, arrays = case
  entry = names_of.entries(generator.architecture)[-1]
  value = arrays[entry.key]
  for bad, word in (
    (np.full_like(value, np.nan), 'not finite'),
    (np.full(value.shape, 'x'), '<U1'),
    (value.astype(np.complex64), 'complex64'),
  ):
    _refused(names_of, {**arrays, entry.key: bad}, entry.key, word)


def test_half_of_the_noise_is_refused(case):
  names_of, generator, arrays = case
  keys = [entry.key for entry in names_of.noise(generator.architecture)]
  if keys:
    less = {k: v for k, v in arrays.items() if k != keys[1]}
    _refused(names_of, less, keys[1])


def test_a_network_may_come_without_noise_and_without_mean(case):
  names_of, generator, arrays = case
  drop = {entry.key for entry in names_of.noise(generator.architecture)}
  drop.add(names_of.w_avg)
  stored = arrays_to_generator.read(
    names_of, {k: v for k, v in arrays.items() if k not in drop}
  )
  assert stored.noise is None
  assert stored.w_avg is None


def test_another_blur_is_refused(case):
  names_of, generator, arrays = case
  for key, value in names_of.constants(generator.architecture).items():
    less = {k: v for k, v in arrays.items() if k != key}
    arrays_to_generator.read(names_of, less)  # it may be missing
    _refused(names_of, {**arrays, key: 2 * value}, key, 'another blur', ' / ')
    break


def test_no_channels_are_refused(case):
  names_of, generator, arrays = case
  entry = next(
    e
    for e in names_of.entries(generator.architecture)
    if e.path[-1] == 'kernel' and e.path[-2] in ('conv', 'conv_1')
  )
  wrong = np.zeros((0,) * len(entry.stored_shape), np.float32)
  _refused(names_of, {**arrays, entry.key: wrong}, entry.key, '(0, ')


def test_absurdly_many_mapping_layers_are_refused(case):
  names_of, generator, arrays = case
  key = next(
    e.key
    for e in names_of.entries(generator.architecture)
    if e.path == ('mapping', 'dense_1', 'kernel')
  )
  number = r'(?<=[ce.])[12](?=[./])'
  more = {re.sub(number, str(i), key): arrays[key] for i in range(9, 199)}
  _refused(names_of, {**arrays, **more}, 'mapping_layers is', '1 to 100')
