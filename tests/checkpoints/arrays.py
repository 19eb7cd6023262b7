"""State dicts of small random generators under any naming."""

import numpy as np

from dgan_jax.checkpoints import naming
from dgan_jax.generators import generator as generators


def of(
  names_of: naming.Naming, generator: generators.Generator
) -> dict[str, np.ndarray]:
  """What a file of this origin would hold of a generator, w_avg and noise."""
  architecture = generator.architecture
  arrays = naming.write(names_of, architecture, generator.params)
  for entry, value in zip(
    names_of.noise(architecture), generator.noise or (), strict=False
  ):
    arrays[entry.key] = np.array(entry.to_stored(np.asarray(value)))
  if names_of.w_avg is not None:
    arrays[names_of.w_avg] = np.array(generator.w_avg[0])
  return arrays
