"""What training changes, what it is told, and how it starts."""

import dataclasses
from typing import Annotated, Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import optax

from dgan_jax import errors, rng, validation
from dgan_jax.gan import augmentation
from dgan_jax.gan import discriminator as discriminators
from dgan_jax.generators import generator as generators


@dataclasses.dataclass(frozen=True)
class Options:
  """How a generator is trained."""

  images: validation.Count = 1_000_000  # shown in all, epochs or not
  batch_size: validation.Count = 32  # of all devices together
  learning_rate: validation.LearningRate = 0.0025  # of both networks
  # Share of the training, at its end, in which that falls linearly to zero.
  decay: validation.Share = 0.25
  r1_gamma: validation.NotNegative = 1.0  # weight of the R1 penalty
  r1_interval: validation.Whole = 16  # steps between two; 0: none ever
  r1_batch: validation.Count = 16  # images it is taken on, evenly spread
  mixing: validation.Share = 0.5  # share of samples whose ws are of two latents
  # Half-life, in images, of what g_ema averages (0: it is the generator), and
  # at most this share of the images shown so far.
  ema_images: validation.Whole = 10_000
  ema_rampup: validation.Share = 0.05
  flip: bool = False  # whether half of the reals are mirrored
  augment: bool = False  # see `augmentation.adapt`, also for the next two
  augment_target: validation.Share = 0.6
  augment_images: validation.Count = 500_000  # `images_to_one`
  # Of the computation; weights, statistics and the penalty stay float32.
  dtype: Annotated[str, validation.choice(generators.DTYPES)] = 'float32'

  def __post_init__(self) -> None:
    validation.check(self)
    if self.batch_size % self.r1_batch:
      expected = f'a divisor of batch_size, {self.batch_size}'
      validation.refuse('r1_batch', self.r1_batch, expected)

  @property
  def steps(self) -> int:
    """Batches in all."""
    return -(-self.images // self.batch_size)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """All that is fixed during a training; optimizers turn gradients to steps of
  unit learning rate."""

  generator: generators.Architecture
  discriminator: discriminators.ResidualDiscriminator
  options: Options
  generator_optimizer: optax.GradientTransformation
  discriminator_optimizer: optax.GradientTransformation

  @classmethod
  def of(
    cls,
    generator: generators.Architecture,
    discriminator: discriminators.ResidualDiscriminator,
    options: Options,
  ) -> 'TrainConfig':
    """With Adam (0, 0.99), as the StyleGANs.

    Raises:
      errors.UserError: the two are for images of different sizes, or the
        generator is conditional.
    """
    if generator.resolution != discriminator.resolution:
      raise errors.UserError(
        f'A generator of {generator.resolution} px and a discriminator of '
        f'{discriminator.resolution} px.'
      )
    if generator.num_labels:
      message = 'Conditional generators cannot be trained here.'
      raise errors.UserError(message)
    # Karras et al. 2020, appendix B: the penalty's extra steps are made up for.
    share = discriminator_share(options)
    decays = (0.99, 0.99**share)
    optimizers = [optax.scale_by_adam(0.0, decay, 1e-8) for decay in decays]
    return cls(generator, discriminator, options, *optimizers)


def discriminator_share(options: Options) -> float:
  """Of the discriminator's updates, the share that are not a penalty's."""
  interval = options.r1_interval
  return interval / (interval + 1) if interval else 1.0


@flax.struct.dataclass
class Batch:
  """Real images of one step, or those of one device."""

  images: chex.Array  # uint8 [n, size, size, 3]
  positions: chex.Array  # of each in the batch of all devices, int32 [n]


@flax.struct.dataclass
class State:
  """All that training changes; with the config, the data and the seed it
  determines what follows."""

  step: chex.Array  # batches seen, int32
  generator: Any  # parameters
  discriminator: Any
  generator_optimizer: Any  # state, of the parameters
  discriminator_optimizer: Any
  g_ema: Any  # moving average of the generator's parameters, to draw from
  w_avg: chex.Array  # of w over the last steps, [latent_size]
  ada: augmentation.Ada  # how often the discriminator's images are augmented


def init(config: TrainConfig, *, key: chex.PRNGKey) -> State:
  """Where training starts."""
  generator = config.generator.init(rng.stream(key, 'generator'))
  discriminator = config.discriminator.init(rng.stream(key, 'discriminator'))
  return State(
    step=jnp.zeros((), jnp.int32),
    generator=generator,
    discriminator=discriminator,
    generator_optimizer=config.generator_optimizer.init(generator),
    discriminator_optimizer=config.discriminator_optimizer.init(discriminator),
    g_ema=jax.tree.map(jnp.copy, generator),
    w_avg=jnp.zeros((config.generator.latent_size,)),
    ada=augmentation.Ada.none(),
  )
