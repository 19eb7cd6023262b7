"""A generator and a discriminator that train in no time."""

import dataclasses
import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax

from dgan_jax import rng
from dgan_jax.gan import discriminator as discriminators
from dgan_jax.gan import state as state_lib
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1

GENERATOR = stylegan1.StyleGAN1(8, (6, 4), 4, mapping_layers=2)
DISCRIMINATOR = discriminators.ResidualDiscriminator(8, (6, 4), group_size=2)
OPTIONS = state_lib.Options(images=400, batch_size=8, r1_batch=4, r1_interval=4)
KEY = rng.root_key(7)


@functools.cache
def config(
  group_size: int = 2,
  sgd: bool = False,
  generator: generators.Architecture = GENERATOR,
  **options: Any,
) -> state_lib.TrainConfig:
  """With other options than `OPTIONS`; with plain gradient descent."""
  made = state_lib.TrainConfig.of(
    generator,
    dataclasses.replace(DISCRIMINATOR, group_size=group_size),
    dataclasses.replace(OPTIONS, **options),
  )
  if not sgd:
    return made
  return dataclasses.replace(
    made,
    generator_optimizer=optax.identity(),
    discriminator_optimizer=optax.identity(),
  )


@functools.cache
def _init(made: state_lib.TrainConfig) -> state_lib.State:
  return jax.jit(lambda: state_lib.init(made, key=KEY))()


def state(made: state_lib.TrainConfig) -> state_lib.State:
  """Where training starts; may be used up."""
  return jax.tree.map(lambda x: x.copy(), _init(made))


def batch(seed: int = 0) -> state_lib.Batch:
  """Random reals."""
  size = OPTIONS.batch_size
  images = np.random.default_rng(seed).integers(0, 256, (size, 8, 8, 3))
  return state_lib.Batch(
    images.astype(np.uint8), np.arange(size, dtype=np.int32)
  )


def assert_near(found: Any, expected: Any, share: float) -> None:
  """Leaves differ by no more than a share of the largest number of all."""
  scale = max(float(jnp.abs(x).max()) for x in jax.tree.leaves(expected))
  chex.assert_trees_all_close(found, expected, rtol=0, atol=share * scale)
