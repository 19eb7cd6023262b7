import json

import numpy as np
import pytest

from dgan_jax import errors, schema

CAR = schema.get_schema('car_20')


def content(**changes):
  return {'name': 'toy', 'classes': ['background', 'part'], **changes}


@pytest.mark.parametrize(
  ('name', 'count'),
  [
    ('car_20', 20),
    ('car_12', 12),
    ('car_5', 5),
    ('face_34', 34),
    ('face_8', 8),
    ('cat_16', 16),
    ('bird_11', 11),
    ('bedroom_19', 19),
  ],
)
def test_the_tasks_of_the_paper_are_built_in(name, count):
  built_in = schema.get_schema(name)
  assert built_in.name == name
  assert built_in.num_classes == count
  assert built_in.classes[0] == 'background'
  assert built_in.ignore_label == 255


def test_car_colours_are_those_of_the_release():
  assert CAR.palette[0] == (255, 255, 255)
  assert CAR.palette[CAR.classes.index('bumper')] == (0, 0, 0)
  assert CAR.palette[CAR.classes.index('licensePlate')] == (225, 184, 161)
  assert CAR.palette[19] == (104, 131, 101)


@pytest.mark.parametrize('name', schema.BUILT_IN)
def test_no_two_classes_look_alike(name):
  palette = np.array(schema.get_schema(name).palette, int)
  distance = np.abs(palette[:, None] - palette).sum(-1)
  np.fill_diagonal(distance, 999)
  assert distance.min() >= 45


def test_generated_colours_never_change():
  assert schema.generated_palette(4) == (
    (255, 255, 255),
    (30, 240, 240),
    (240, 240, 30),
    (240, 30, 240),
  )
  assert schema.generated_palette(12)[:4] == schema.generated_palette(4)
  assert len(set(schema.generated_palette(64))) == 64


def test_car_20_merges_into_ade_car_12():
  merged = schema.merge(np.arange(20, dtype=np.uint8), CAR, 'car_12')
  expected = {
    'car_lights': 2,
    'licensePlate': 3,
    'mirror': 4,
    'tailLight': 5,
    'tire': 6,
    'window': 7,
    'windshield': 8,
    'door': 9,
    'handles': 10,
    'wheelhub': 11,
    'background': 0,
  }
  for label, name in enumerate(CAR.classes):
    assert merged[label] == expected.get(name, 1), name
  assert merged.dtype == np.uint8


def test_merging_to_5_classes_is_the_same_in_one_step_or_two():
  mask = np.arange(20, dtype=np.uint8)
  car_12 = schema.get_schema('car_12')
  np.testing.assert_array_equal(
    schema.merge(mask, CAR, 'car_5'),
    schema.merge(schema.merge(mask, CAR, 'car_12'), car_12, 'car_5'),
  )


def test_face_parts_merge_into_the_part_they_are_in():
  face = schema.get_schema('face_34')
  coarse = schema.get_schema('face_8').classes
  merged = schema.merge(np.arange(34, dtype=np.uint8), face, 'face_8')
  of = {name: coarse[merged[i]] for i, name in enumerate(face.classes)}
  assert of['eye_pupil'] == 'eye'
  assert of['eyebrow'] == 'eyebrow'
  assert of['ear_helix'] == 'ear'
  assert of['hair_sideburns'] == 'hair'
  assert of['mouth_teeth'] == 'mouth'
  assert of['nose_tip'] == 'nose'
  assert of['cheek'] == of['eye_top_lid'] == 'face'
  assert of['neck'] == of['background'] == 'background'


def test_ignored_pixels_stay_ignored_and_look_grey():
  mask = np.array([[0, 255]], np.uint8)
  assert schema.merge(mask, CAR, 'car_12')[0, 1] == 255
  colors = schema.colorize(mask, CAR)
  np.testing.assert_array_equal(colors[0], [(255,) * 3, schema.IGNORE_COLOR])


def test_a_label_outside_the_schema_is_refused():
  mask = np.array([3, 20], np.uint8)
  for call in (
    lambda: schema.colorize(mask, CAR),
    lambda: schema.merge(mask, CAR, 'car_12'),
  ):
    with pytest.raises(ValueError, match=r'label 20.*classes 0 to 19, and 255'):
      call()


def test_an_unknown_merge_is_refused_with_those_there_are():
  with pytest.raises(errors.UserError, match='merges into car_12, car_5'):
    schema.merge(np.zeros(1, np.uint8), CAR, 'face_8')


@pytest.mark.parametrize('name', schema.BUILT_IN)
def test_a_schema_survives_its_file(name, tmp_path):
  path = tmp_path / 'schema.json'
  shipped = schema.get_schema(name)
  path.write_text(json.dumps(shipped.to_json()))
  assert schema.get_schema(str(path)) == shipped


def test_a_file_without_a_palette_gets_one():
  toy = schema.Schema.from_json(content())
  assert toy.palette == schema.generated_palette(2)
  assert toy.ignore_label is None


def test_an_unknown_name_is_refused_with_those_there_are(tmp_path):
  with pytest.raises(errors.UserError, match=r'car_21.*built in are car_20'):
    schema.get_schema('car_21')
  with pytest.raises(errors.UserError, match='does not exist'):
    schema.get_schema(str(tmp_path / 'mine.json'))


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'name': ''}, 'no "name"'),
    ({'classes': 'car'}, '"classes" that is not a list'),
    ({'classes': []}, '0 classes; expected 1 to 255'),
    ({'classes': [f'c{i}' for i in range(256)]}, '256 classes'),
    ({'classes': ['a', 'a']}, "'a' more than once"),
    ({'palette': [[0, 0, 0]]}, '1 colours for 2 classes'),
    ({'palette': [[0, 0, 0], [0, 300, 0]]}, 'outside 0 to 255'),
    ({'palette': ['red', 'blue']}, 'not a list of'),
    ({'palette': 3}, 'not a list of'),
    ({'ignore_label': 1}, 'ignores label 1; expected one from 2 to 255'),
    ({'ignore_label': 'no'}, 'neither a number nor null'),
    ({'merges': {'one': [0]}}, "merges 1 classes into 'one'; it has 2"),
    ({'merges': {'one': [0, -1]}}, 'label outside 0 to 254'),
    ({'merges': [1]}, 'not lists of labels'),
    ({'keypoints': [1]}, '"keypoints" that is not a list'),
    ({'colors': []}, "unknown field 'colors'"),
  ],
)
def test_a_bad_schema_file_is_refused_by_its_name(changes, message):
  with pytest.raises(errors.UserError, match=message) as caught:
    schema.Schema.from_json(content(**changes), source='my/schema.json')
  assert str(caught.value).startswith('my/schema.json')
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize(
  'name',
  [' door', 'door ', 'do\nor', 'do\u2028or', '\x1b[0m', '\ud800', 'x' * 101],
)
def test_names_that_lists_of_names_cannot_hold_are_refused(name):
  for field in ('classes', 'keypoints', 'name'):
    found = name if field == 'name' else ['d', name]
    value = {'name': 'a', 'classes': ['b', 'c'], field: found}
    with pytest.raises(errors.UserError, match='printable') as caught:
      schema.Schema.from_json(value)
    assert str(caught.value).isprintable()


def test_schemas_are_compared_by_their_classes():
  ours, theirs = ('a', 'b', 'c'), ('a', 'c', 'b')
  schema.check_same_classes('x', ours, 'y', list(ours))
  with pytest.raises(errors.UserError, match=r"label 1 is 'b' .* and 'c'"):
    schema.check_same_classes('x', ours, 'y', theirs)
  with pytest.raises(errors.UserError, match=r"label 2 is 'c' .* and None"):
    schema.check_same_classes('x', ours, 'y', ours[:2])
