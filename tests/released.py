"""DatasetGAN's release, its parts given one by one."""

from collections.abc import Mapping

import numpy as np

from dgan_jax.checkpoints import opening
from dgan_jax.generators import generator as generators


def generator(
  state_dict: Mapping[str, np.ndarray],
  w_avg: np.ndarray,
  noise: Mapping[str, np.ndarray] | None = None,
  source: str = 'The state dict',
) -> generators.Generator:
  """The generator of a state dict, a mean latent and noise maps."""
  opened = opening.open_arrays(state_dict, source=source)
  return opening.generator(opened, avg_latent=w_avg, noise=noise)
