"""What is measured on: official sizes with random weights, the bundled cars."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp

import dgan_jax
from dgan_jax import metrics, pyramid, rng
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.checkpoints import store
from dgan_jax.evaluation import annotated_samples, label_quality
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from dgan_jax.interpreter import ensemble
from dgan_jax.segmentation import annotator
from dgan_jax.tasks import part_segmentation

_ASSETS = pathlib.Path(dgan_jax.__path__[0]) / 'assets'
_MEASURED = 256  # samples of the bundled cars

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
    min(most // size, 512) for size in pyramid.resolutions_up_to(resolution)
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
    part_segmentation.unnamed(num_classes),
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


@dataclasses.dataclass(frozen=True)
class BundledCars:
  """The generator of the package, 16 samples to train on, 256 to measure by.

  Attributes:
    setup: the generator, how it is sampled, and the simulated annotator.
    annotated: the 16.
    truth: the 256, painted by the annotator.
  """

  setup: annotated_samples.Setup
  annotated: annotations_lib.Annotations
  truth: annotated_samples.Truth

  @classmethod
  def load(cls) -> 'BundledCars':
    annotated = annotations_lib.load(_ASSETS / 'rendered_cars_64' / 'annotated')
    setup = annotated_samples.Setup(
      store.load_generator(_ASSETS / 'rendered_cars_64' / 'generator'),
      generators.Sampling(**annotated.sampling),
      annotator.load(_ASSETS / 'rendered_car_annotator'),
    )
    keys = annotated_samples.measured_keys(0, _MEASURED)
    truth = annotated_samples.Truth(keys, annotated_samples.paint(setup, keys))
    return cls(setup, annotated, truth)

  def mean_iou(self, interpreter: ensemble.Interpreter) -> float:
    """Over the classes that occur, by the majority's labels."""
    measured = label_quality.measure(self.setup, interpreter, self.truth)
    return metrics.mean_iou(measured.confusions['majority'].sum(0))
