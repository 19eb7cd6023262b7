"""What is measured on: official sizes with random weights, the bundled cars."""

import dataclasses
import functools
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import dgan_jax
from dgan_jax import annotations as annotations_lib
from dgan_jax import features, metrics, rng
from dgan_jax.checkpoints import store
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from dgan_jax.interpreter import ensemble, labelling

_ASSETS = pathlib.Path(dgan_jax.__path__[0]) / 'assets' / 'rendered_cars_64'
_IMAGES_PER_BLOCK = 16


# The network of every name, and the channels it has at resolution 1: half as
# many at 2, and so on, 512 at most.
_NETWORKS: dict[str, tuple[type[generators.Architecture], int]] = {
  'StyleGAN1': (stylegan1.StyleGAN1, 16384),
  'StyleGAN2': (stylegan2.StyleGAN2, 32768),  # config f
}
NETWORKS = tuple(_NETWORKS)


def architecture(
  resolution: int, network: str = 'StyleGAN1'
) -> generators.Architecture:
  """The official network of a name and a resolution."""
  kind, most = _NETWORKS[network]
  channels = tuple(
    min(most // size, 512) for size in features.resolutions_up_to(resolution)
  )
  return kind(resolution, channels)


def random_generator(
  resolution: int, network: str = 'StyleGAN1'
) -> generators.Generator:
  """An official network with random weights and noise."""
  made = architecture(resolution, network)

  @jax.jit
  def make(key: Any) -> tuple[Any, Any]:
    params_key, noise_key = jax.random.split(key)
    noise = tuple(
      jax.random.normal(jax.random.fold_in(noise_key, i), (1, r, r, 1))
      for i, r in enumerate(made.noise_resolutions)
    )
    return made.init(params_key), noise

  params, noise = make(rng.root_key(0))
  w_avg = jnp.zeros((made.num_ws, made.latent_size))
  return generators.Generator(made, params, w_avg, noise)


def interpreter_spec(
  architecture: generators.Architecture, num_classes: int, members: int
) -> ensemble.InterpreterSpec:
  """Members of the release's widths."""
  return ensemble.InterpreterSpec(
    architecture.feature_channels,
    num_classes,
    ensemble.hidden_sizes(num_classes),
    members,
  )


def random_interpreter(
  generator: generators.Generator, num_classes: int, members: int
) -> ensemble.Interpreter:
  """Untrained members."""
  spec = interpreter_spec(generator.architecture, num_classes, members)
  classifier = ensemble.PixelClassifier(spec.hidden, num_classes)

  def member(key: Any) -> Any:
    variables = classifier.init(key, jnp.zeros((1, spec.num_features)))
    return ensemble.merge_averages(variables['params'], variables['averages'])

  keys = jax.random.split(rng.root_key(1), members)
  return ensemble.Interpreter(spec, jax.jit(jax.vmap(member))(keys))


@functools.partial(jax.jit, static_argnames='sampling')
def _label_block(
  generator: generators.Generator,
  interpreter: ensemble.Interpreter,
  latents: Any,
  sampling: generators.Sampling,
) -> tuple[Any, Any]:
  """Masks and scores of latents [n, latent_size]."""
  _, pyramid = generators.sample_latents(generator, latents, None, sampling)
  canvas = sampling.canvas(generator.architecture)
  labels = labelling.label(interpreter, pyramid, canvas)
  return labels.mask, labels.score


@dataclasses.dataclass(frozen=True)
class BundledCars:
  """The generator of the package, 16 masks to train on, 256 to measure by.

  Attributes:
    generator: 64 px.
    annotated: the 16.
    sampling: how all their images are drawn.
    latents: z [256, latent_size].
    masks: uint8 [256, 64, 64].
  """

  generator: generators.Generator
  annotated: annotations_lib.Annotations
  sampling: generators.Sampling
  latents: np.ndarray
  masks: np.ndarray

  @classmethod
  def load(cls) -> 'BundledCars':
    annotated = annotations_lib.load(_ASSETS / 'annotated')
    with np.load(_ASSETS / 'evaluation.npz') as evaluation:
      latents, masks = evaluation['latents'], evaluation['masks']
    return cls(
      store.load_generator(_ASSETS / 'generator'),
      annotated,
      generators.Sampling(**annotated.sampling),
      latents,
      masks,
    )

  def label(
    self, interpreter: ensemble.Interpreter
  ) -> tuple[np.ndarray, np.ndarray]:
    """Masks uint8 [256, 64, 64] and scores [256] by an interpreter."""
    blocks = [
      _label_block(self.generator, interpreter, latents, self.sampling)
      for latents in np.split(
        self.latents, range(0, len(self.latents), _IMAGES_PER_BLOCK)[1:]
      )
    ]
    masks, scores = zip(*jax.device_get(blocks), strict=True)
    return np.concatenate(masks), np.concatenate(scores)

  def confusion(
    self, predicted: np.ndarray, images: np.ndarray | slice = slice(None)
  ) -> np.ndarray:
    """Of predicted masks [256, 64, 64] with the annotator's, on some images;
    see `metrics.confusion_matrix`."""
    return metrics.confusion_matrix(
      self.masks[images],
      predicted[images],
      self.annotated.schema.num_classes,
      self.annotated.schema.ignore_label,
    )

  def mean_iou(self, interpreter: ensemble.Interpreter) -> float:
    """Over the classes that occur."""
    predicted, _ = self.label(interpreter)
    return metrics.mean_iou(self.confusion(predicted))
