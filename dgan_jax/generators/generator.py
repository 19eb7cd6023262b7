"""A generator ready to use: architecture, weights, mean latent and noise."""

import dataclasses
import functools
import json
from collections.abc import Mapping
from typing import Annotated, Any

import chex
import flax.struct
import jax
import jax.numpy as jnp

from dgan_jax import pyramid as pyramid_lib
from dgan_jax import rng, storage, validation
from dgan_jax.generators import stylegan1, stylegan2

Architecture = stylegan1.StyleGAN1 | stylegan2.StyleGAN2
KINDS: Mapping[str, type[Architecture]] = {
  'StyleGAN1': stylegan1.StyleGAN1,
  'StyleGAN2': stylegan2.StyleGAN2,
}

NOISE_MODES = ('const', 'random', 'none')
DTYPES = ('float32', 'bfloat16')


@flax.struct.dataclass
class Generator:
  """latent -> ws -> (image, features).

  Attributes:
    architecture: what the weights belong to; static under jit.
    params: the weights, nested dict of float32 arrays.
    w_avg: mean w, [num_ws, latent_size]; rows may differ.
    noise: constant noise maps [1, r, r, 1], one per entry of the
      architecture's `noise_resolutions`, or None if the generator has none of
      its own.
  """

  architecture: Architecture = flax.struct.field(pytree_node=False)
  params: Any
  w_avg: chex.Array
  noise: tuple[chex.Array, ...] | None = None

  def arrays(self) -> dict[str, Any]:
    """All but the architecture."""
    return {'params': self.params, 'w_avg': self.w_avg, 'noise': self.noise}


@dataclasses.dataclass(frozen=True)
class Sampling:
  """How images are drawn from a generator.

  Attributes:
    truncation_psi: 1 draws from all of the distribution, 0 the mean image,
      -1 the opposites of what 1 draws.
    truncation_layers: rows of ws that truncation acts on.
    noise: 'const' (the generator's own maps: images are functions of the
      latent), 'random' (from the sample's key) or 'none'.
    rows: (first, end) of the image rows kept, for domains that aren't square
      (512 px cars: (64, 448)); None keeps all.
    dtype: 'float32' or, on accelerators, 'bfloat16'.
    label: class of a conditional generator's images; None draws one, all as
      likely, from the sample's key.
  """

  truncation_psi: Annotated[float, validation.between(-2.0, 2.0)] = 0.7
  truncation_layers: validation.Whole = 8
  noise: Annotated[str, validation.choice(NOISE_MODES)] = 'const'
  rows: tuple[validation.Whole, validation.Whole] | None = None
  dtype: Annotated[str, validation.choice(DTYPES)] = 'float32'
  label: validation.Whole | None = None

  def __post_init__(self) -> None:
    validation.check(self)
    if self.rows and self.rows[0] >= self.rows[1]:
      validation.refuse('rows', self.rows, 'a first row and an end behind it')

  def check_generator(self, generator: Generator) -> None:
    """Raises errors.UserError for what the generator cannot draw."""
    architecture = generator.architecture
    layers = max(architecture.num_ws, architecture.truncation_layers)
    if self.truncation_layers > layers:
      expected = f'{architecture.num_ws} at most, the rows of this generator'
      validation.refuse('truncation_layers', self.truncation_layers, expected)
    height = Sampling().canvas(architecture).height
    if self.rows and self.rows[1] > height:
      expected = f'rows from 0 to {height}, the height of its images'
      validation.refuse('rows', self.rows, expected)
    if self.noise == 'const' and generator.noise is None:
      expected = "'random', as the generator has no noise maps of its own"
      validation.refuse('noise', self.noise, expected)
    labels = architecture.num_labels
    if self.label is not None and self.label >= labels:
      expected = f'none, or one of the {labels} classes of this generator'
      validation.refuse('label', self.label, expected)

  def canvas(self, architecture: Architecture) -> pyramid_lib.Canvas:
    """The frame that images and labels live in."""
    return pyramid_lib.Canvas.of(architecture.resolution, self.rows)


def architecture_to_json(architecture: Architecture) -> dict[str, Any]:
  """The architecture as what JSON can hold."""
  kind = type(architecture).__name__
  return {'kind': kind, **dataclasses.asdict(architecture)}


def architecture_from_json(fields: Mapping[str, Any]) -> Architecture:
  """The inverse; without a kind it is a StyleGAN1.

  Raises:
    AttributeError, KeyError, TypeError, ValueError: these are no fields of an
      architecture.
  """
  fields = {**fields, 'channels': tuple(fields['channels'])}
  kind = fields.pop('kind', 'StyleGAN1')
  validation.expect('kind', kind, Annotated[str, validation.choice(KINDS)])
  return KINDS[kind](**fields)


@functools.cache
def shapes(architecture: Architecture, has_noise: bool) -> dict[str, Any]:
  """The `jax.ShapeDtypeStruct`s of a generator's params, w_avg and noise."""
  shape = functools.partial(jax.ShapeDtypeStruct, dtype=jnp.float32)
  maps = tuple(shape((1, r, r, 1)) for r in architecture.noise_resolutions)
  return {
    'params': jax.eval_shape(architecture.init, rng.root_key(0)),
    'w_avg': shape((architecture.num_ws, architecture.latent_size)),
    'noise': maps if has_noise else None,
  }


def usual_sampling(generator: Generator) -> Sampling:
  """Noise and truncation as they are usual for a generator: its own noise
  maps if it has any, and its architecture's rows."""
  return Sampling(
    truncation_layers=generator.architecture.truncation_layers,
    noise='random' if generator.noise is None else 'const',
  )


def checksum(generator: Generator) -> str:
  """sha256 of architecture and arrays: what a dataset names as its source."""
  fields = dataclasses.asdict(generator.architecture)
  header = json.dumps(fields, sort_keys=True)
  return storage.tree_sha256(generator.arrays(), header)


def truncate(
  w: chex.Array, w_avg: chex.Array, psi: float, num_layers: int
) -> chex.Array:
  """Pulls w [batch, latent_size] towards the mean: w_avg + psi (w - w_avg) in
  the first `num_layers` rows of ws [batch, rows, latent_size]."""
  chex.assert_rank([w, w_avg], 2)
  scale = jnp.where(jnp.arange(w_avg.shape[0]) < num_layers, psi, 1.0)
  mean = w_avg[None]
  return mean + scale[None, :, None] * (w[:, None] - mean)


def mean_w(
  architecture: Architecture,
  params: Any,
  *,
  key: chex.PRNGKey,
  num_samples: int = 8000,
) -> chex.Array:
  """w_avg [num_ws, latent_size] as the mean of mapped latents, of all classes
  alike if there are any."""
  z = jax.random.normal(key, (num_samples, architecture.latent_size))
  labels = None
  if architecture.num_labels:
    labels = jnp.arange(num_samples) % architecture.num_labels
  mean = architecture.map(params, z, labels).mean(0)
  return jnp.broadcast_to(mean, (architecture.num_ws, mean.shape[-1]))


def labels_of(
  generator: Generator,
  batch: int,
  keys: chex.PRNGKey | None,
  sampling: Sampling,
) -> chex.Array | None:
  """The classes [batch] of a conditional generator's samples, else None.

  Raises:
    ValueError: the class asked for is not among them, or is to be drawn
      without keys.
  """
  count, label = generator.architecture.num_labels, sampling.label
  if label is not None and label >= count:
    raise ValueError(
      f'Class {label} is none of the {count} classes of this generator.'
    )
  if not count:
    return None
  if label is not None:
    return jnp.full((batch,), label)
  if keys is None:
    raise ValueError(
      f'A generator of {count} classes needs a label, or the keys of the '
      'samples to draw one.'
    )
  return rng.labels(keys, count)


def styles(
  generator: Generator,
  latents: chex.Array,
  sampling: Sampling,
  space: str,
  labels: chex.Array | None = None,
) -> chex.Array:
  """Latents to ws [batch, rows, latent_size].

  Args:
    generator: of the latents.
    latents: z [batch, latent_size]; or in space 'w', [batch, latent_size] or
      [batch, rows, latent_size], which is used as it is, untruncated.
    sampling: the truncation.
    space: 'z' or 'w'.
    labels: classes [batch] of z, if the generator is conditional.
  """
  if space == 'z':
    w = generator.architecture.map(generator.params, latents, labels)
    psi, layers = sampling.truncation_psi, sampling.truncation_layers
    return truncate(w, generator.w_avg, psi, layers)
  if latents.ndim == 3:
    return latents
  shape = len(latents), generator.architecture.num_ws, latents.shape[1]
  return jnp.broadcast_to(latents[:, None], shape)


def sample_latents(
  generator: Generator,
  latents: chex.Array,
  keys: chex.PRNGKey | None,
  sampling: Sampling,
  space: str = 'z',
) -> tuple[chex.Array, pyramid_lib.FeaturePyramid]:
  """Images of given latents.

  Args:
    generator: latent -> image.
    latents, space: see `styles`.
    keys: [batch], where random noise and the classes of a conditional
      generator come from.
    sampling: truncation, noise, crop and type.

  Returns:
    images uint8 [batch, height, width, 3] and the features.

  Raises:
    ValueError: constant noise from a generator that has none, random noise
      without keys, or a class that there isn't.
  """
  architecture = generator.architecture
  noise = generator.noise if sampling.noise == 'const' else None
  if sampling.noise == 'const' and noise is None:
    raise ValueError(
      "noise='const' needs a generator with noise maps of its own; this one "
      "has none: use noise='random'."
    )
  if sampling.noise == 'random':
    if keys is None:
      raise ValueError("noise='random' needs the keys of the samples.")
    noise = rng.noise(keys, architecture.noise_resolutions)
  labels = None
  if space == 'z':
    labels = labels_of(generator, latents.shape[0], keys, sampling)
  ws = styles(generator, latents, sampling, space, labels)
  dtype = jnp.dtype(sampling.dtype)
  rgb, pyramid = architecture.synthesize(generator.params, ws, noise, dtype)
  image = sampling.canvas(architecture).image(rgb)
  return pyramid_lib.to_uint8(image), pyramid


def sample(
  generator: Generator, keys: chex.PRNGKey, sampling: Sampling
) -> tuple[chex.Array, chex.Array, pyramid_lib.FeaturePyramid]:
  """Draws one sample per key [batch], a function of that and nothing else.

  Returns:
    z [batch, latent_size], images uint8 [batch, height, width, 3], features.
  """
  z = rng.latents(keys, generator.architecture.latent_size)
  image, pyramid = sample_latents(generator, z, keys, sampling)
  return z, image, pyramid
