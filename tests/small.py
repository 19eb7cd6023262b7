"""Networks small enough for tests, with random weights."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax.annotations import folder
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import part_segmentation


@functools.cache
def generator(
  resolution: int = 16,
  channels: tuple[int, ...] = (6, 5, 4),
  latent_size: int = 8,
  kind: type[generators.Architecture] = stylegan1.StyleGAN1,
  **options: Any,
) -> generators.Generator:
  """A generator with constant noise; options of its architecture."""
  options = {'mapping_layers': 2, **options}
  return random_generator(kind(resolution, channels, latent_size, **options))


def random_generator(
  architecture: generators.Architecture,
) -> generators.Generator:
  """Normal weights, mean latent and noise."""
  rng = np.random.default_rng(architecture.resolution)
  arrays = jax.tree.map(
    lambda leaf: jnp.asarray(rng.normal(size=leaf.shape), jnp.float32),
    generators.shapes(architecture, has_noise=True),
  )
  return generators.Generator(architecture, **arrays)


@functools.cache
def interpreter(
  feature_channels: tuple[int, ...],
  classes: int = 5,
  members: int = 3,
  hidden: tuple[int, int] = (8, 6),
  soft_voting: bool = False,
) -> ensemble.Interpreter:
  """An interpreter of random members that rarely agree."""
  spec = ensemble.InterpreterSpec(
    feature_channels,
    dataclasses.replace(
      part_segmentation.unnamed(classes), soft_voting=soft_voting
    ),
    hidden,
    members,
  )
  entries = state_dict.member_entries(spec.num_features, (*hidden, classes))
  rng = np.random.default_rng(classes)

  def random(path: Any, leaf: Any) -> jax.Array:
    value = rng.normal(size=(members, *leaf.shape))
    name = path[-1].key
    if name == 'kernel':
      value *= 2 / np.sqrt(leaf.shape[0])
    elif name in ('scale', 'var'):
      value = 1 + 0.2 * np.abs(value)
    else:
      value *= 0.2
    return jnp.asarray(value, jnp.float32)

  return ensemble.Interpreter(
    spec,
    jax.tree_util.tree_map_with_path(random, state_dict.param_shapes(entries)),
  )


def subset(
  annotations: folder.Annotations, rows: Sequence[int]
) -> folder.Annotations:
  """Some of the entries."""
  keys, images = annotations.noise_keys, annotations.images
  return dataclasses.replace(
    annotations,
    masks=annotations.masks[rows],
    latents=annotations.latents[rows],
    noise_keys=None if keys is None else keys[rows],
    names=tuple(annotations.names[row] for row in rows),
    images=tuple(images[row] for row in rows) if images else (),
  )


def logits(interpreter: ensemble.Interpreter, x: jax.Array) -> jax.Array:
  """Outputs [members, n, names] of feature vectors [n, features]: the slow
  reference of labelling."""
  spec = interpreter.spec
  classifier = ensemble.PixelClassifier(spec.hidden, spec.num_outputs)
  params, batch_stats = ensemble.split_batch_stats(interpreter.params)
  result: Any = jax.vmap(
    lambda p, a: classifier.apply({'params': p, 'batch_stats': a}, x)
  )(params, batch_stats)
  return result
