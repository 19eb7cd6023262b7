"""Samples of a generator, labelled by the simulated annotator.

Those to learn from are samples of a seed, the ones that launch.sample draws
too; those to measure on have a stream of their own, so that nothing is measured
on what it was learnt from.
"""

import dataclasses
import io
import pathlib
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import errors, parallel, progress, rng, storage
from dgan_jax import schema as schema_lib
from dgan_jax.annotations import entries
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.checkpoints.formats import npy
from dgan_jax.generators import generator as generators
from dgan_jax.generators import selection
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import predict

# Images that a device draws in one go.
BLOCK_SIZE = 8


@dataclasses.dataclass(frozen=True)
class Setup:
  """Whose images are labelled, and who knows the right labels."""

  generator: generators.Generator
  sampling: generators.Sampling  # of images to learn from and to measure on
  annotator: annotator_lib.Annotator  # its labels are the truth

  @property
  def size(self) -> tuple[int, int]:
    """(height, width) of the images."""
    canvas = self.sampling.canvas(self.generator.architecture)
    return canvas.height, canvas.width

  def check(self, schema: schema_lib.Schema) -> None:
    """Raises errors.UserError if the annotator doesn't know such images, or
    paints other classes."""
    self.annotator.check(np.zeros((1, *self.size, 3), np.uint8))
    painted = self.annotator.schema
    if painted.classes != schema.classes:
      raise errors.UserError(
        f'The annotator paints the classes of {painted.name!r}; those of '
        f'{schema.name!r} are asked for.'
      )

  def identity(self) -> dict[str, Any]:
    """What JSON can hold to tell it from others."""
    return {
      'generator': generators.checksum(self.generator),
      'sampling': dataclasses.asdict(self.sampling),
      'annotator': annotator_lib.checksum(self.annotator),
    }


def measured_keys(seed: int, count: int) -> chex.PRNGKey:
  """Keys [count] of the samples to measure on."""
  root = rng.stream(rng.root_key(seed), 'measured')
  return rng.sample_keys(root, np.arange(count))


def paint(
  setup: Setup,
  keys: chex.PRNGKey,
  *,
  on_progress: progress.OnProgress | None = None,
) -> np.ndarray:
  """The annotator's masks uint8 [n, height, width] of samples by keys [n]."""
  run = parallel.map_items(
    _draw, setup.generator, BLOCK_SIZE, static=(setup.sampling,)
  )
  label = predict.labeller(setup.annotator)
  painted: list[np.ndarray] = []
  for count, images in run(np.asarray(jax.random.key_data(keys))):
    painted += list(label(images)[0][:count])
    if on_progress:
      on_progress(len(painted), len(keys), {})
  return np.stack(painted)


def _draw(
  sampling: generators.Sampling, generator: generators.Generator, keys: Any
) -> chex.Array:
  return generators.sample(generator, rng.key_from_data(keys), sampling)[1]


def annotate(
  setup: Setup, seed: int, count: int, candidates: int = 0
) -> annotations_lib.Annotations:
  """Samples to learn from, painted by the annotator; for `candidates` see
  `selection.choose`."""
  indices = selection.choose(
    setup.generator, setup.sampling, seed, count, candidates
  )
  keys = rng.sample_keys(rng.root_key(seed), indices)
  data = np.asarray(jax.random.key_data(keys))
  latent_size = setup.generator.architecture.latent_size
  return annotations_lib.Annotations(
    masks=paint(setup, keys),
    latents=entries.resolve_latents(data, latent_size),
    space='z',
    noise_keys=data,
    names=tuple(f'{index:03}' for index in indices),
    schema=setup.annotator.schema,
    generator_checksum=generators.checksum(setup.generator),
    sampling=dataclasses.asdict(setup.sampling),
  )


@dataclasses.dataclass(frozen=True)
class Truth:
  """What is measured on."""

  keys: chex.PRNGKey  # of the samples, [n]
  masks: np.ndarray  # their right labels, uint8 [n, height, width]


def truth(
  setup: Setup,
  seed: int,
  count: int,
  path: pathlib.Path,
  *,
  on_progress: progress.OnProgress | None = None,
) -> Truth:
  """The samples of a seed to measure on, `count` > 0 of them.

  Their masks are kept in the .npy file `path`, and read where it is there: so
  name one for every setup, seed and count.

  Raises:
    errors.UserError: the file is there and holds something else.
  """
  keys = measured_keys(seed, count)
  if not path.exists():
    painted = paint(setup, keys, on_progress=on_progress)
    buffer = io.BytesIO()
    np.save(buffer, painted)
    storage.write_bytes(path, buffer.getvalue())
    return Truth(keys, painted)
  kept = npy.read_npy(path)
  if kept.dtype != np.uint8 or kept.shape != (count, *setup.size):
    raise errors.UserError(
      f'{path} holds {kept.dtype} {list(kept.shape)}; expected uint8 '
      f'{[count, *setup.size]}: take it away to have it made again.'
    )
  return Truth(keys, kept)
