"""TFDS datasets; importing this package makes them known to `tfds.load`.

Where a dataset is prepared, TFDS reads it without this import. Then
`tfds.data_source` needs its `data_dir` spelled out, for it asks only for the
first of the formats that a dataset is stored in.
"""

# ruff: noqa: F401
from dgan_jax.datasets.datasetgan import (
  DatasetganBedroom,
  DatasetganBird,
  DatasetganCar,
  DatasetganCat,
  DatasetganFace,
)
from dgan_jax.datasets.rendered_car import RenderedCar
