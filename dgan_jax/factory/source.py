"""What the factory labels: images with their features, by index."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import chex
import jax
import numpy as np

from dgan_jax import errors, rng
from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import generator as generator_lib
from dgan_jax.interpreter import ensemble

# A pytree of arrays [n, ...]: what the images of n samples are made from.
Rows = Any
# (state of the source, rows) -> images uint8 [n, height, width, 3], their
# features, and by name arrays [n, ...] that say where each came from.
Draw = Callable[
  [Any, Rows],
  tuple[chex.Array, pyramid_lib.FeaturePyramid, Mapping[str, chex.Array]],
]


class Source(Protocol):
  """Images whose features an interpreter labels.

  Everything behind it (labels, shards, splits, datasets, reports) is the same
  for all sources.
  """

  @property
  def state(self) -> Any:
    """The arrays that `draw` needs, a pytree; every device gets them once."""

  @property
  def canvas(self) -> pyramid_lib.Canvas:
    """The frame that images and labels live in."""

  @property
  def latent_size(self) -> int:
    """Length of the samples' latents."""

  def rows(self, root: chex.PRNGKey, indices: np.ndarray) -> Rows:
    """What the samples of these indices uint32 [n] are made from, on the
    host; a pure function of the root key and each index."""

  @property
  def draw(self) -> Draw:
    """A pure function, compiled by the caller, once for all that are equal;
    so it holds no arrays."""

  def identity(self) -> dict[str, Any]:
    """JSON values that change when the images do."""

  def check_fit(self, spec: ensemble.InterpreterSpec) -> None:
    """Raises errors.UserError for an interpreter of something else."""


@dataclasses.dataclass(frozen=True, eq=False)
class GeneratorSource(Source):
  """Index -> key -> latent -> image and features.

  Attributes:
    generator: latent -> image and features.
    sampling: truncation, noise, crop and type.
    space: 'z' or 'w', of latents that stand in rows beside the key.
  """

  generator: generator_lib.Generator
  sampling: generator_lib.Sampling
  space: str = 'z'

  @property
  def state(self) -> generator_lib.Generator:
    return self.generator

  @property
  def canvas(self) -> pyramid_lib.Canvas:
    return self.sampling.canvas(self.generator.architecture)

  @property
  def latent_size(self) -> int:
    return self.generator.architecture.latent_size

  def rows(self, root: chex.PRNGKey, indices: np.ndarray) -> Rows:
    """See `Source`: {'key': uint32 [n, 2]}, and 'latents' if they are not the
    z of the keys."""
    return {'key': np.asarray(_key_data(root, indices))}

  @property
  def draw(self) -> Draw:
    return _Draw(self.sampling, self.space)

  def identity(self) -> dict[str, Any]:
    """The generator's checksum, and the sampling."""
    return {
      'generator': self._checksum,
      'sampling': dataclasses.asdict(self.sampling),
    }

  def check_fit(self, spec: ensemble.InterpreterSpec) -> None:
    """Raises errors.UserError for an interpreter of another generator, or of
    other rows of its images."""
    made = self.generator.architecture
    pairs = (
      ('generator', spec.generator_checksum, self._checksum),
      ('resolution', spec.resolution, made.resolution),
      ('feature channels', spec.feature_channels, made.feature_channels),
    )
    for name, trained, given in pairs:
      # Imported interpreters don't know all of it.
      if trained and trained != given:
        raise errors.UserError(
          f'The interpreter was trained for the {name} {_short(trained)}; here '
          f'it is {_short(given)}. Train one for this generator with '
          'launch.train_interpreter.'
        )
    if spec.resolution and spec.rows != self.sampling.rows:
      raise errors.UserError(
        f'The interpreter was trained on the rows {spec.rows} of the image; '
        f'the samples are to have {self.sampling.rows}. Set sampling.rows to '
        'the former, or train one for the latter.'
      )

  @functools.cached_property
  def _checksum(self) -> str:
    return generator_lib.checksum(self.generator)


@dataclasses.dataclass(frozen=True)
class _Draw:
  sampling: generator_lib.Sampling
  space: str

  def __call__(
    self, state: generator_lib.Generator, rows: Rows
  ) -> tuple[chex.Array, pyramid_lib.FeaturePyramid, Mapping[str, chex.Array]]:
    keys = rng.key_from_data(rows['key'])
    latents, space = rows.get('latents'), self.space
    if latents is None:
      latents, space = rng.latents(keys, state.architecture.latent_size), 'z'
    image, pyramid = generator_lib.sample_latents(
      state, latents, keys, self.sampling, space
    )
    return image, pyramid, {'key': rows['key'], 'latent': latents}


@jax.jit
def _key_data(root: chex.PRNGKey, indices: chex.Array) -> chex.Array:
  return jax.random.key_data(rng.sample_keys(root, indices))


def _short(value: Any) -> str:
  return f'{value[:12]}...' if isinstance(value, str) else str(value)
