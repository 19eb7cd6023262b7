import dataclasses

import jax
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.segmentation import augmentation
from tests.segmentation import synthetic

_NONE = augmentation.Ranges(0, 0, 0, 0, 0, 0)
_IMAGES, _MASKS = synthetic.pairs(8)
_KEYS = rng.sample_keys(rng.root_key(5), np.arange(8))


def _perturb(images=_IMAGES, masks=_MASKS, keys=_KEYS, **augment):
  perturb = jax.jit(augmentation.perturb, static_argnums=0)
  found = perturb(
    dataclasses.replace(_NONE, **augment),
    images,
    masks,
    keys=keys,
    unlabelled=255,
  )
  return tuple(np.asarray(x) for x in found)


def test_no_strength_changes_nothing():
  images, masks = _perturb()
  np.testing.assert_allclose(images, _IMAGES, atol=1e-3)
  np.testing.assert_array_equal(masks, _MASKS)
  assert masks.dtype == np.uint8


@pytest.mark.parametrize(
  'strength', ['brightness', 'contrast', 'saturation', 'blur', 'noise']
)
def test_colour_blur_and_noise_change_the_image_alone(strength):
  images, masks = _perturb(**{strength: 0.5})
  np.testing.assert_array_equal(masks, _MASKS)
  assert images.min() >= 0
  assert images.max() <= 255
  change = np.abs(images - _IMAGES).mean((1, 2, 3))
  assert (change > 0.1).all()
  assert len(np.unique(change)) == 8


def test_the_mask_is_shifted_with_its_image():
  count = np.arange(8 * 16 * 16).reshape(8, 16, 16) % 251
  images = np.repeat(count[..., None], 3, -1).astype(np.uint8)
  found, masks = _perturb(images, count.astype(np.uint8), shift=3)
  inside = masks != 255
  assert (masks[inside] == np.rint(found[..., 0])[inside]).all()
  assert (found[:, :, :, 0] != count).any((1, 2)).sum() > 4
  assert inside[:, 3:-3, 3:-3].all()
  assert 0.7 < inside.mean() < 0.95


def test_half_of_the_images_are_mirrored_with_their_masks():
  keys = rng.sample_keys(rng.root_key(5), np.arange(64))
  images, masks = (np.repeat(x[:1], 64, 0) for x in (_IMAGES, _MASKS))
  found, found_masks = _perturb(images, masks, keys, flip=True)
  mirrored = (found_masks != masks).any((1, 2))
  assert 20 < mirrored.sum() < 44
  np.testing.assert_array_equal(found_masks[mirrored], masks[mirrored, :, ::-1])
  np.testing.assert_allclose(
    found[mirrored], images[mirrored, :, ::-1], atol=1e-3
  )


def test_an_image_is_changed_by_its_own_key_alone():
  augment = dataclasses.asdict(augmentation.Ranges(flip=True))
  whole, masks = _perturb(**augment)
  part, part_masks = _perturb(_IMAGES[5:], _MASKS[5:], _KEYS[5:], **augment)
  np.testing.assert_allclose(part, whole[5:], atol=1e-3)
  np.testing.assert_array_equal(part_masks, masks[5:])
