"""The Frechet distance on the features of a trained annotator.

For domains that the Inception network of the FID (Heusel et al. 2017, "GANs
trained by a two time-scale update rule") was never shown: the features are
those by which an annotator tells the parts. Its numbers compare with each
other, not with a FID.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import metrics, parallel
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import predict

# uint8 [n, height, width, 3] -> float32 [n, features].
Extractor = Callable[[np.ndarray], np.ndarray]


def extractor(
  annotator: annotator_lib.Annotator,
  *,
  block_size: int = predict.BLOCK_SIZE,
  devices: Sequence[jax.Device] | None = None,
) -> Extractor:
  """A function from images to features, compiled once for all calls.

  Its features are the means over pixels of all channels on the way down,
  `UNet.num_features` of them (384 unless told). Those of an image depend
  neither on the others nor on the number of devices.

  Args:
    annotator: whose features.
    block_size: images that a device computes in one go.
    devices: default all of this host.
  """
  architecture = annotator.architecture

  def features(params: Any, images: chex.Array) -> chex.Array:
    return architecture.features(params, images)

  run = parallel.map_items(features, annotator.params, block_size, devices)

  def extract(images: np.ndarray) -> np.ndarray:
    annotator.check(images)
    return np.concatenate([found[:count] for count, found in run(images)])

  return extract


@dataclasses.dataclass(frozen=True)
class Moments:
  """Mean and spread of features; those of parts add up to that of all.

  Attributes:
    count: of the images.
    mean: float64 [features].
    scatter: sum of the outer products of what differs from the mean, float64
      [features, features].
  """

  count: int
  mean: np.ndarray
  scatter: np.ndarray

  @classmethod
  def of(cls, features: np.ndarray) -> 'Moments':
    """Those of features [n, features], n > 0."""
    features = np.asarray(features, np.float64)
    mean = features.mean(0)
    rest = features - mean
    return cls(len(features), mean, rest.T @ rest)

  def __add__(self, other: 'Moments') -> 'Moments':
    """Chan, Golub and LeVeque 1979, "Updating formulae and a pairwise
    algorithm for computing sample variances"."""
    count = self.count + other.count
    shift = other.mean - self.mean
    between = self.count * other.count / count * np.outer(shift, shift)
    return Moments(
      count,
      self.mean + shift * (other.count / count),
      self.scatter + other.scatter + between,
    )

  @property
  def covariance(self) -> np.ndarray:
    """Without bias; of two images or more."""
    return self.scatter / (self.count - 1)

  def distance(self, other: 'Moments') -> float:
    """The Frechet distance; see `metrics.frechet_distance`."""
    return metrics.frechet_distance(
      self.mean, self.covariance, other.mean, other.covariance
    )
