import dataclasses
from concurrent import futures

import pytest

from benchmarks import common, models
from dgan_jax.generators import stylegan1, stylegan2


@pytest.fixture
def cars(monkeypatch):
  """Two of the annotated cars and sixteen to measure by."""
  monkeypatch.setattr(models, '_MEASURED', 16)
  cars = models.BundledCars.load()
  return dataclasses.replace(cars, annotated=cars.annotated.subset([0, 1]))


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
