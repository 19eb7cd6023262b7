import dataclasses
from concurrent import futures

import pytest

from benchmarks import common, models


@pytest.fixture
def cars():
  """Two of the annotated cars and sixteen to measure by."""
  cars = models.BundledCars.load()
  return dataclasses.replace(
    cars,
    annotated=cars.annotated.subset([0, 1]),
    latents=cars.latents[:16],
    masks=cars.masks[:16],
  )


@pytest.fixture
def quick(monkeypatch, cars):
  """Little data, and no new process (each would import and compile)."""
  monkeypatch.setattr(models.BundledCars, 'load', lambda: cars)
  monkeypatch.setattr(
    common, 'fresh_process', lambda: futures.ThreadPoolExecutor(1)
  )
