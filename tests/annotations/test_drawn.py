import dataclasses

import numpy as np
import pytest
from PIL import Image

from dgan_jax import errors
from dgan_jax.annotations import drawn
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.tasks import part_segmentation
from tests import small

_TASK = part_segmentation.unnamed(2)


@pytest.fixture(scope='module')
def images():
  """Smooth pictures, as different as cars are."""
  random = np.random.default_rng(0)
  small = random.integers(60, 200, (5, 4, 4, 3), np.uint8)
  return np.stack(
    [np.asarray(Image.fromarray(x).resize((40, 40))) for x in small]
  )


@pytest.fixture
def annotations(images, tmp_path):
  """Their pictures with other noise, and as JPEG."""
  noise = np.random.default_rng(1).normal(0, 12, images.shape)
  pictures = np.clip(images + noise, 0, 255).astype(np.uint8)
  paths = tuple(tmp_path / f'{i}.jpg' for i in range(5))
  for path, picture in zip(paths, pictures, strict=True):
    Image.fromarray(picture).save(path, quality=80)
  masks = np.zeros((5, 40, 40), np.uint8)
  masks[:, 20:] = 1
  return folder_lib.Annotations(
    masks=masks,
    latents=np.zeros((5, 4), np.float32),
    space='z',
    noise_keys=None,
    names=tuple('abcde'),
    schema=_TASK.schema,
    images=paths,
  )


def test_other_noise_and_jpeg_are_the_same_image(images, annotations):
  assert drawn.mismatched(images, annotations) == []
  drawn.check(images, annotations)


def test_masks_one_row_off_are_refused(images, annotations):
  moved = np.roll(images, 1, 0)
  assert drawn.mismatched(moved, annotations) == [0, 1, 2, 3, 4]
  with pytest.raises(errors.UserError, match=r'differ \(a, b, c, d, e\)'):
    drawn.check(moved, annotations)


def test_two_that_changed_places_are_found(images, annotations):
  order = [0, 3, 2, 1, 4]
  assert drawn.mismatched(images[order], annotations) == [1, 3]


def test_two_alike_that_changed_places_are_found(images, annotations):
  alike = images.copy()
  alike[1] = np.minimum(images[0], 245) + 10
  for path, picture in zip(annotations.images, alike, strict=True):
    Image.fromarray(picture).save(path)
  assert drawn.mismatched(alike, annotations) == []
  assert drawn.mismatched(alike[[1, 0, 2, 3, 4]], annotations) == [0, 1]


def test_images_of_another_generator_are_found(images, annotations):
  other = np.random.default_rng(5).permutation(images.reshape(-1, 3))
  assert len(drawn.mismatched(other.reshape(images.shape), annotations)) == 5
  single = small.subset(annotations, [2])
  assert drawn.mismatched(255 - images[2:3], single) == [0]
  assert drawn.mismatched(images[2:3], single) == []


def test_images_that_hardly_differ_are_what_they_are(images, annotations):
  alike = np.full_like(images, 100)
  for place, path in enumerate(annotations.images):
    Image.new('RGB', (40, 40), (99 + place % 3,) * 3).save(path)
  assert drawn.mismatched(alike, annotations) == []


def test_pictures_of_another_resolution_are_compared(images, annotations):
  for path in annotations.images:
    Image.open(path).resize((100, 100)).save(path)
  assert drawn.mismatched(images, annotations) == []
  assert len(drawn.mismatched(np.roll(images, 1, 0), annotations)) == 5


def test_what_has_no_picture_of_its_shape_is_not_compared(images, annotations):
  Image.new('RGB', (20, 30)).save(annotations.images[1])
  paths = (None, *annotations.images[1:])
  some = dataclasses.replace(annotations, images=paths)
  assert drawn.mismatched(np.roll(images, 1, 0), some) == [2, 3, 4]
  bare = dataclasses.replace(annotations, images=())
  assert drawn.mismatched(np.roll(images, 1, 0), bare) == []


def test_the_sheet_shows_every_mask_and_the_names(images, annotations):
  with_legend = drawn.sheet(images, annotations, _TASK)
  assert with_legend.width > 5 * 2 * 128 / 2
  swapped = drawn.sheet(images[[1, 0, 2, 3, 4]], annotations, _TASK)
  assert swapped.height < with_legend.height
  blank = dataclasses.replace(annotations, masks=0 * annotations.masks)
  assert drawn.sheet(images, blank, _TASK).tobytes() != with_legend.tobytes()
