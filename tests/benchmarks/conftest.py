from concurrent import futures

import pytest

from benchmarks import common, models
from dgan_jax.evaluation import annotated_samples
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1, stylegan2
from tests import small
from tests.segmentation import synthetic


@pytest.fixture
def cars():
  """Not cars, but small: two annotated samples and four to measure by."""
  setup = annotated_samples.Setup(
    small.generator(),
    generators.Sampling(truncation_psi=1.0),
    synthetic.annotator(),
  )
  keys = annotated_samples.measured_keys(0, 4)
  return models.BundledCars(
    setup,
    annotated_samples.annotate(setup, 0, 2, 0),
    annotated_samples.Truth(keys, annotated_samples.paint(setup, keys)),
  )


@pytest.fixture
def narrow(monkeypatch):
  """Networks of few channels."""
  kinds = {'StyleGAN1': stylegan1.StyleGAN1, 'StyleGAN2': stylegan2.StyleGAN2}

  def architecture(resolution, network='StyleGAN1'):
    channels = (8,) * (resolution.bit_length() - 2)
    return kinds[network](resolution, channels, 16, mapping_layers=2)

  monkeypatch.setattr(models, 'architecture', architecture)


@pytest.fixture
def quick(monkeypatch, cars):
  """Little data, and no new process (each would import and compile)."""
  monkeypatch.setattr(models.BundledCars, 'load', lambda: cars)
  monkeypatch.setattr(
    common, 'fresh_process', lambda: futures.ThreadPoolExecutor(1)
  )
