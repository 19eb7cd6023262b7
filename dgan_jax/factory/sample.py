"""What leaves the device: one finished sample."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LabelledSample:
  """An image with its labels and where it came from, on the host.

  Attributes:
    index: its global number; all that is random about it follows from that.
    key: uint32 [2], its key as `jax.random.key_data` gives it.
    latent: float32 [latent_size], the z it was made from.
    image: uint8 [height, width, 3], RGB.
    mask: uint8 [height, width], class indices.
    uncertainty: float16 [height, width], the members' disagreement (nats).
    score: float32, the uncertainty of the whole sample.
  """

  index: int
  key: np.ndarray
  latent: np.ndarray
  image: np.ndarray
  mask: np.ndarray
  uncertainty: np.ndarray
  score: float
