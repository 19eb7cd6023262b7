import json

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors
from dgan_jax.annotations import manifest, masks
from dgan_jax.segmentation import painting, predict
from tests.segmentation import synthetic


@pytest.fixture
def folder(tmp_path):
  """As launch.sample writes one."""
  images, _ = synthetic.pairs(3)
  (tmp_path / 'images').mkdir()
  names = ('000', '001', '002')
  for name, image in zip(names, images, strict=True):
    Image.fromarray(image).save(tmp_path / 'images' / f'{name}.png')
  manifest.write(tmp_path, manifest.Manifest(names))
  schema = synthetic.SCHEMA.to_json()
  (tmp_path / 'schema.json').write_text(json.dumps(schema))
  return tmp_path


def test_the_masks_are_read_as_those_of_a_person(folder):
  annotator = synthetic.annotator()
  images, found = painting.paint(folder, annotator)
  np.testing.assert_array_equal(images, synthetic.pairs(3)[0])
  np.testing.assert_array_equal(found, predict.annotate(annotator, images)[0])
  for name, mask in zip(('000', '001', '002'), found, strict=True):
    path = folder / 'masks' / f'{name}.png'
    read = masks.read_masks([path], synthetic.SCHEMA, (16, 16))[0]
    np.testing.assert_array_equal(read, mask)


def test_the_folder_says_that_the_annotator_was_simulated(folder):
  painting.paint(folder, synthetic.annotator(), facts={'steps': 3})
  note = json.loads((folder / 'annotator.json').read_text())
  assert 'simulated' in note['annotator']
  assert note['facts'] == {'steps': 3}
  assert list(note['masks']) == ['000', '001', '002']


def test_masks_of_an_annotator_are_painted_over(folder):
  painting.paint(folder, synthetic.annotator())
  before = (folder / 'masks' / '001.png').read_bytes()
  image = np.zeros((16, 16, 3), np.uint8)
  Image.fromarray(image).save(folder / 'images' / '001.png')
  painting.paint(folder, synthetic.annotator())
  assert (folder / 'masks' / '001.png').read_bytes() != before


@pytest.mark.parametrize('name', ['001.png', '001.npy'])
def test_masks_of_a_person_are_left_alone(folder, name):
  painting.paint(folder, synthetic.annotator())
  (folder / 'masks' / '000.png').unlink()
  (folder / 'masks' / name).write_bytes(b'painted')
  with pytest.raises(errors.UserError, match=f'else has painted .*{name}'):
    painting.paint(folder, synthetic.annotator())
  assert (folder / 'masks' / name).read_bytes() == b'painted'
  assert not (folder / 'masks' / '000.png').exists()


def test_other_classes_are_not_painted(folder):
  schema = synthetic.SCHEMA.to_json() | {'name': 'mine'}
  schema['classes'] = ['background', 'box', 'lid']
  (folder / 'schema.json').write_text(json.dumps(schema))
  with pytest.raises(errors.UserError, match="label 2 is 'lid' in the one"):
    painting.paint(folder, synthetic.annotator())


def test_masks_have_the_colours_that_the_folder_says(folder):
  schema = synthetic.SCHEMA.to_json()
  schema['palette'][1] = [1, 2, 3]
  (folder / 'schema.json').write_text(json.dumps(schema))
  painting.paint(folder, synthetic.annotator())
  with Image.open(folder / 'masks' / '000.png') as mask:
    assert mask.getpalette()[3:6] == [1, 2, 3]


def test_an_image_of_another_size_is_refused_by_name(folder):
  Image.fromarray(np.zeros((8, 16, 3), np.uint8)).save(
    folder / 'images' / '001.png'
  )
  with pytest.raises(errors.UserError, match=r'001\.png is 8 x 16 .* 16 x 16'):
    painting.paint(folder, synthetic.annotator())
