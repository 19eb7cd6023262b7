"""Which samples to trust."""

import math

import numpy as np

from dgan_jax import errors


def split_by_uncertainty(
  scores: np.ndarray, fraction: float = 0.1
) -> tuple[np.ndarray, np.ndarray]:
  """Sets the most uncertain samples apart (DatasetGAN, section 3.2).

  Exactly floor(n * fraction) samples go: those with the highest of scores
  [n]. Of equal scores the one with the lower position stays. A score that is
  no number counts as the most uncertain of all.

  Returns:
    (kept, uncertain): positions into `scores`, each ascending; together all.

  Raises:
    errors.UserError: the fraction is out of range.
  """
  if not 0 <= fraction < 1:
    raise errors.UserError(
      f'The uncertain fraction is {fraction}; expected 0 or more, below 1.'
    )
  scores = np.where(np.isnan(scores), np.inf, scores)
  # The small term keeps 0.1 * 30 = 3.0000000000000004 and its mirror images
  # from moving the floor.
  dropped = math.floor(len(scores) * fraction + 1e-9)
  order = np.argsort(scores, kind='stable')
  kept = len(scores) - dropped
  return np.sort(order[:kept]), np.sort(order[kept:])
