import dataclasses

import numpy as np
import pytest

from dgan_jax.renderers.cars import rendered_car
from dgan_jax.renderers.cars.parts import LABEL
from dgan_jax.renderers.cars.settings import SETTINGS

_PARTS = {
  'wheel': ('wheelhub',),
  'head_lamp': ('car_lights',),
  'tail_lamp': ('tailLight',),
  'mirror': ('mirror',),
  'handle': ('handles',),
  'front_plate': ('licensePlate',),
  'rear_plate': ('licensePlate',),
  'windshield_top': ('windshield', 'roof', 'car_body'),
  'windshield_bottom': ('windshield', 'hoods', 'car_body'),
  'roof_rear': ('roof', 'window', 'trunk_lids', 'car_body'),
}


def parts_of(name):
  return next(
    parts for ending, parts in _PARTS.items() if name.endswith(ending)
  )


@pytest.fixture(scope='module')
def rendered():
  """Cars from both sides."""
  setting = SETTINGS['three_quarter']
  mirrored = tuple((-high, -low) for low, high in setting.yaws)
  both = dataclasses.replace(setting, yaws=(*setting.yaws, *mirrored))
  domain = rendered_car.Domain('three_quarter', 128)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(rendered_car, '_SETTINGS', {domain.setting: both})
    return [domain.render(index) for index in range(40)]


def test_there_are_twenty_keypoints_with_names_of_their_own():
  assert len(rendered_car.KEYPOINTS) == 20
  assert len(set(rendered_car.KEYPOINTS)) == 20
  assert rendered_car.SCHEMA.keypoints == rendered_car.KEYPOINTS


@pytest.mark.parametrize('number', range(20))
def test_a_visible_keypoint_lies_on_its_part(rendered, number):
  labels = [LABEL[part] for part in parts_of(rendered_car.KEYPOINTS[number])]
  seen = [one for one in rendered if one.visible[number]]
  assert len(seen) >= 5
  for one in seen:
    x, y = one.keypoints[number].astype(int)
    around = one.mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    assert np.isin(around, labels).any()


def test_of_both_sides_only_one_is_seen(rendered):
  names = rendered_car.KEYPOINTS
  for part in ('front_wheel', 'rear_wheel', 'handle'):
    left, right = names.index(f'left_{part}'), names.index(f'right_{part}')
    for one in rendered:
      assert not (one.visible[left] and one.visible[right])


def test_front_and_rear_plates_are_not_seen_at_once(rendered):
  front, rear = map(rendered_car.KEYPOINTS.index, ('front_plate', 'rear_plate'))
  for one in rendered:
    assert one.visible[front] != one.visible[rear]


def test_keypoints_scale_with_the_resolution():
  small = rendered_car.Domain('frontal', 64).render(3)
  large = rendered_car.Domain('frontal', 128).render(3)
  np.testing.assert_allclose(2 * small.keypoints, large.keypoints, rtol=1e-6)


def test_what_stands_in_front_hides_keypoints():
  """In rich scenes, a visible keypoint is never on the background."""
  domain = rendered_car.Domain('all_views', 96)
  outside = 0
  for index in range(40):
    one = domain.render(index)
    for x, y in one.keypoints[one.visible].astype(int):
      around = one.mask[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
      outside += not around.any()
  assert not outside
