"""Generators, schemas and annotations: what others bring."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import numpy as np

from dgan_jax import errors, rng, storage, validation
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.annotations import keypoint_file
from dgan_jax.checkpoints import opening
from dgan_jax.checkpoints.formats import npy
from dgan_jax.datasets import bundled
from dgan_jax.generators import generator as generators
from dgan_jax.tasks import keypoints, part_segmentation

Annotated = keypoint_file.Annotated
Generator = generators.Generator
Sampling = generators.Sampling
UserError = errors.UserError

_ANNOTATIONS: Mapping[str, Callable[..., Annotated]] = {
  part_segmentation.PartSegmentation.kind: folder_lib.load,
  keypoints.Keypoints.kind: keypoint_file.load,
}


def load_generator(
  path: storage.PathLike = 'bundled',
  *,
  avg_latent: storage.PathLike | None = None,
  noise: storage.PathLike | None = None,
) -> Generator:
  """Reads a StyleGAN1 or StyleGAN2, whatever it is published in.

  Args:
    path: a .pkl, .pt or .safetensors of any origin in docs/formats.md; a
      folder of ours; or 'bundled', rendered cars of 64 px.
    avg_latent: .npy of the mean w, in place of the one in the file. Where
      there is none it is computed, from 8,000 latents; its last bits depend on
      the machine, so `save` the generator before images are painted.
    noise: .npz of constant noise maps noise0, noise1, ..., likewise.

  Raises:
    UserError: it is something else, damaged, or a network that does something
      that ours does not. Nothing in it is executed.

  Example:
    >>> generator = dg.load_generator('bundled')
    >>> generator.architecture.resolution
    64
  """
  return opening.generator(
    opening.open_checkpoint(bundled.path(path, bundled.GENERATOR)),
    avg_latent=npy.read_npy(avg_latent) if avg_latent else None,
    noise=npy.read_npz(noise) if noise else None,
  )


def load_schema(name_or_path: str) -> schema_lib.Schema:
  """Names and colours of parts: 'car_20' and its like, or a .json file.

  Raises:
    UserError: there is none.

  Example:
    >>> dg.load_schema('car_20').classes[:3]
    ('background', 'back_bumper', 'bumper')
  """
  return schema_lib.get_schema(name_or_path)


def load_annotations(
  folder: storage.PathLike,
  generator: Generator,
  *,
  task: str = 'part_segmentation',
  schema: schema_lib.Schema | None = None,
  sampling: Sampling | None = None,
  seed: int = 0,
) -> Annotated:
  """Reads a folder of annotated images: ours, or one of DatasetGAN's release.

  Args:
    folder: see docs/formats.md; or 'bundled', masks of 16 bundled cars.
    generator: that made the images.
    task: 'part_segmentation' reads masks, 'keypoints' keypoints.
    schema: what they mean; None: as the folder's schema.json says.
    sampling: how the images were drawn, for their size; None: as is usual.
    seed: of the noise, where the folder does not say with which noise its
      images were made (the release's do not).

  Returns:
    `masks` uint8 [n, height, width] or `keypoints` float32 [n, keypoints, 3],
    `latents` float32 [n, latent_size], and more.

  Raises:
    UserError: something in it does not fit; says what and where.

  Example:
    >>> annotations = dg.load_annotations('bundled', generator)
    >>> annotations.masks.shape
    (16, 64, 64)
  """
  if task not in _ANNOTATIONS:
    validation.refuse('task', task, ' or '.join(map(repr, _ANNOTATIONS)))
  architecture = generator.architecture
  sampling = sampling or generators.usual_sampling(generator)
  canvas = sampling.canvas(architecture)
  annotations = _ANNOTATIONS[task](
    bundled.path(folder, bundled.ANNOTATED),
    schema=schema,
    size=(canvas.height, canvas.width),
    latent_size=architecture.latent_size,
    num_ws=architecture.num_ws,
  )
  if annotations.generator_checksum not in ('', generators.checksum(generator)):
    raise UserError(
      f'The images of {folder} were made by another generator than this one; '
      'name the one that launch.sample was given.'
    )
  if annotations.noise_keys is not None:
    return annotations
  # The release keeps no record of the noise either: any will do.
  stream = rng.stream(rng.root_key(seed), 'annotated')
  keys = rng.sample_keys(stream, np.arange(len(annotations)))
  return dataclasses.replace(
    annotations, noise_keys=np.asarray(jax.random.key_data(keys))
  )


def sampling(generator: Generator, **fields: Any) -> Sampling:
  """How a generator draws: as is usual for it, but for what is said.

  Args:
    generator: uses its own noise maps if it has any.
    **fields: of `generators.generator.Sampling`: truncation_psi (0 draws the
      mean image, 1 from all of the distribution; usually 0.7),
      truncation_layers, noise ('const', 'random' or 'none'), rows (first, end
      of those kept), dtype, label (of a conditional generator).

  Raises:
    UserError: there is no such field, or the generator cannot draw so.

  Example:
    >>> dg.sampling(generator, truncation_psi=1.0).noise
    'const'
  """
  usual = vars(generators.usual_sampling(generator))
  return drawable('sampling', generator, {**usual, **fields})


def drawable(
  section: str, generator: Generator, fields: Mapping[str, Any]
) -> Sampling:
  """A `Sampling` of all its fields; what is refused is called a field of the
  section."""

  def make(**fields: Any) -> Sampling:
    made = Sampling(**fields)
    made.check_generator(generator)
    return made

  return validation.build(section, make, fields)
