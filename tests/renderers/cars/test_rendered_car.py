import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from dgan_jax import errors, renderers, schema, storage
from dgan_jax.renderers.cars import rendered_car
from dgan_jax.renderers.cars.settings import SETTINGS

_ROOT = pathlib.Path(__file__).parents[3]

# Of 12 pictures each: changes with anything that changes a single bit, and
# with it the version.
_VERSION = 2
CHECKSUMS = {
  ('frontal', 64, 'square'): 'b03e9ffdc6f6b88f',
  ('three_quarter', 64, 'square'): '67b7a0efe5276c10',
  ('three_quarter', 128, 'square'): '0b656d1497f478fa',
  ('all_views', 64, '4:3'): '22d155ec718f88cd',
}


def checksum(setting, resolution, aspect):
  domain = rendered_car.Domain(setting, resolution, aspect)
  arrays = []
  for index in range(12):
    one = domain.render(index)
    arrays += [one.image, one.mask, one.keypoints, one.visible]
  return storage.sha256(*arrays)[:16]


@pytest.mark.parametrize('key', CHECKSUMS)
def test_pictures_are_the_same_on_every_machine(key):
  assert (rendered_car.VERSION, checksum(*key)) == (_VERSION, CHECKSUMS[key])


def test_pictures_are_the_same_without_vector_instructions():
  from numpy._core import _multiarray_umath as umath

  usable = [
    name for name in umath.__cpu_dispatch__ if umath.__cpu_features__[name]
  ]
  if not usable:
    pytest.skip('This processor has none that NumPy uses.')
  done = subprocess.run(
    [
      *(sys.executable, '-c'),
      'from tests.renderers.cars import test_rendered_car as test; '
      'print(test.checksum("three_quarter", 64, "square"))',
    ],
    cwd=_ROOT,
    env={**os.environ, 'NPY_DISABLE_CPU_FEATURES': ' '.join(usable)},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert done.stdout.strip() == CHECKSUMS['three_quarter', 64, 'square']


@pytest.mark.parametrize('setting', SETTINGS)
@pytest.mark.parametrize(
  ('aspect', 'resolution', 'size'),
  [('square', 32, (32, 32)), ('4:3', 32, (24, 32)), ('4:3', 20, (15, 20))],
)
def test_sizes_and_types_are_what_was_asked_for(
  setting, aspect, resolution, size
):
  domain = renderers.get(
    'rendered_car', setting=setting, resolution=resolution, aspect=aspect
  )
  one = domain.render(0)
  assert domain.size == size
  assert (one.image.shape, one.image.dtype) == ((*size, 3), np.uint8)
  assert (one.mask.shape, one.mask.dtype) == (size, np.uint8)
  assert (one.keypoints.shape, one.keypoints.dtype) == ((20, 2), np.float32)
  assert (one.visible.shape, one.visible.dtype) == ((20,), bool)
  assert not schema.unknown_labels(one.mask, domain.schema)


def test_every_class_occurs_in_three_quarter_views():
  domain = rendered_car.Domain('three_quarter', 64)
  occurs = np.zeros(20, int)
  for index in range(120):
    counts = np.bincount(domain.render(index).mask.ravel())
    occurs += np.pad(counts, (0, 20 - len(counts))) >= 3
  by_name = dict(zip(domain.schema.classes, occurs.tolist(), strict=True))
  assert min(by_name.values()) >= 40, by_name
  assert by_name['handles'] >= 100


def test_front_views_have_no_rear():
  domain = rendered_car.Domain('frontal', 64)
  names = domain.schema.classes
  for index in range(20):
    found = {names[k] for k in np.unique(domain.render(index).mask)}
    assert 'licensePlate' in found
    assert found >= {'hoods', 'windshield', 'bumper', 'tire', 'wheelhub'}


@pytest.mark.parametrize('setting', SETTINGS)
def test_cars_are_seen_from_where_the_setting_says(setting):
  domain = rendered_car.Domain(setting)
  yaws = [rendered_car.draw_scene(domain, index).yaw for index in range(60)]
  ranges = SETTINGS[setting].yaws
  for yaw in yaws:
    assert any(low <= yaw <= high for low, high in ranges)
  for low, high in ranges:
    assert any(low <= yaw <= high for yaw in yaws)


@pytest.mark.parametrize('setting', ['frontal', 'three_quarter'])
def test_plain_settings_show_the_whole_car_large_and_in_the_middle(setting):
  domain = rendered_car.Domain(setting, 64)
  for index in range(20):
    car = domain.render(index).mask > 0
    columns, rows = np.flatnonzero(car.any(0)), np.flatnonzero(car.any(1))
    assert 0.7 < np.ptp(columns) / 64 < 0.9
    assert columns[0] > 0
    assert columns[-1] < 63
    assert rows[0] > 0
    assert rows[-1] < 63


def test_a_car_keeps_its_looks_at_every_resolution():
  small = rendered_car.Domain('all_views', 64).render(7)
  large = rendered_car.Domain('all_views', 128).render(7)
  halved = large.image.reshape(64, 2, 64, 2, 3).mean((1, 3))
  assert np.abs(halved - small.image).mean() < 6
  assert (large.mask[::2, ::2] == small.mask).mean() > 0.93


def test_pictures_differ():
  domain = rendered_car.Domain('three_quarter', 32)
  images = {domain.render(k).image.tobytes() for k in range(20)}
  assert len(images) == 20


def test_a_picture_without_a_whole_height_is_refused():
  words = 'resolution is 66; expected a multiple of 4'
  with pytest.raises(errors.UserError, match=words):
    renderers.get('rendered_car', aspect='4:3', resolution=66)


@pytest.mark.parametrize('index', [-1, 2**63])
def test_indices_out_of_range_are_refused(index):
  with pytest.raises(errors.UserError, match=f'no rendered car {index}'):
    rendered_car.Domain().render(index)


def test_an_unknown_domain_is_refused():
  with pytest.raises(
    errors.UserError, match="name is 'boats'; expected 'rendered_car'"
  ):
    renderers.get('boats')
