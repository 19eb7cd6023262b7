"""What leaves the device: one finished sample."""

import dataclasses
from collections.abc import Mapping

import numpy as np


@dataclasses.dataclass(frozen=True)
class LabelledSample:
  """An image with its labels and where it came from, on the host.

  Attributes:
    index: its global number; all that is random about it follows from that.
    origin: what it was made from, by name. Of a generator: key uint32 [2], its
      key as `jax.random.key_data` gives it, and latent float32 [latent_size],
      the z.
    image: uint8 [height, width, 3], RGB.
    labels: the arrays of the task's labels, by name.
    uncertainty: uint8 [height, width]; see `tasks.task.to_uint8`.
    score: float32, the uncertainty of the whole sample.
  """

  index: int
  origin: Mapping[str, np.ndarray]
  image: np.ndarray
  labels: Mapping[str, np.ndarray]
  uncertainty: np.ndarray
  score: float
