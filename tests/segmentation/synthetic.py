"""Images whose parts are easy to tell: a bright box with a red patch in it."""

import functools

import jax
import numpy as np

from dgan_jax import rng
from dgan_jax import schema as schema_lib
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import unet

SCHEMA = schema_lib.Schema(
  'box_3',
  ('background', 'box', 'patch'),
  ((255, 255, 255), (0, 0, 255), (255, 0, 0)),
  ignore_label=255,
)
ARCHITECTURE = unet.UNet(3, (8, 16), groups=4)


def pairs(
  count: int, size: tuple[int, int] = (16, 16), seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
  """Images and masks."""
  random = np.random.default_rng(seed)
  images = random.normal(70, 15, (count, *size, 3))
  masks = np.zeros((count, *size), np.uint8)
  for image, mask in zip(images, masks, strict=True):
    top, left = random.integers(0, 6, 2)
    box = np.s_[top : top + 9, left : left + 9]
    patch = np.s_[top + 2 : top + 6, left + 2 : left + 6]
    image[box] += 110
    image[(*patch, slice(1, 3))] -= 160
    mask[box], mask[patch] = 1, 2
  return images.clip(0, 255).astype(np.uint8), masks


@functools.cache
def annotator() -> annotator_lib.Annotator:
  """One that was never trained."""
  params = jax.jit(ARCHITECTURE.init)(rng.root_key(1))
  return annotator_lib.Annotator(ARCHITECTURE, SCHEMA, (16, 16), params)
