"""Annotations that an interpreter can learn, of a generator for tests."""

import jax
import numpy as np

from dgan_jax import pyramid as pyramid_lib
from dgan_jax import schema
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import annotated
from dgan_jax.tasks import part_segmentation
from tests import small

GENERATOR = small.generator(8, (6, 5))
SAMPLING = generators.Sampling()
IGNORED = 255
SCHEMA = schema.Schema(
  name='three',
  classes=('low', 'high', 'rare'),
  palette=((0, 0, 0), (255, 0, 0), (0, 255, 0)),
  ignore_label=IGNORED,
)
TASK = part_segmentation.PartSegmentation(SCHEMA)


def annotations(count: int = 6) -> annotations_lib.Annotations:
  """Classes by two features, one pixel of 'rare', a column without label."""
  latents = np.random.default_rng(0).normal(size=(count, 8)).astype(np.float32)
  sample = jax.jit(generators.sample_latents, static_argnums=3)
  _, pyramid = sample(GENERATOR, latents, None, SAMPLING)
  canvas = SAMPLING.canvas(GENERATOR.architecture)
  columns = jax.jit(pyramid_lib.hypercolumns, static_argnums=1)(pyramid, canvas)
  masks = np.asarray(columns[..., -1] > columns[..., 6]).astype(np.uint8)
  masks[0, 3, 5] = 2
  masks[:, :, 0] = IGNORED
  return annotations_lib.Annotations(
    masks=masks,
    latents=latents,
    space='z',
    noise_keys=None,
    names=tuple(f'{i:03}' for i in range(count)),
    schema=SCHEMA,
  )


def pixels(
  annotations: annotations_lib.Annotations,
) -> annotated.AnnotatedPixels:
  """What an interpreter learns from them."""
  _, pyramid = annotated.draw(GENERATOR, annotations, SAMPLING)
  canvas = SAMPLING.canvas(GENERATOR.architecture)
  return annotated.annotated_pixels(annotations.masks, TASK, pyramid, canvas)
