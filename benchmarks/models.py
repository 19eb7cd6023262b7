"""What is measured on: official sizes with random weights, the bundled cars."""

import dataclasses
import pathlib
from typing import Any

import dgan_jax
from dgan_jax import metrics, pyramid
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.checkpoints import store
from dgan_jax.evaluation import annotated_samples, label_quality
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from dgan_jax.interpreter import ensemble
from dgan_jax.segmentation import annotator
from tests import small

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
  return small.random_generator(architecture(resolution, network))


def random_interpreter(
  architecture: generators.Architecture, num_classes: int, members: int
) -> ensemble.Interpreter:
  """Random members of the release's widths."""
  widths = ensemble.hidden_sizes(num_classes)
  return small.interpreter(
    architecture.feature_channels, num_classes, members, widths
  )


@dataclasses.dataclass(frozen=True)
class BundledCars:
  """The generator of the package, 16 annotated samples to train on, and the
  truth of 256 to measure by, painted by the simulated annotator."""

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

  @property
  def to_learn_from(self) -> tuple[Any, ...]:
    """What trainings are given first."""
    return self.setup.generator, self.annotated, self.setup.sampling

  def mean_iou(self, interpreter: ensemble.Interpreter) -> float:
    """Over the classes that occur, by the majority's labels."""
    measured = label_quality.measure(self.setup, interpreter, self.truth)
    return metrics.mean_iou(measured.confusions['majority'].sum(0))
