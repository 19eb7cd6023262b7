"""State dicts of small random generators under any naming, and pickles."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dgan_jax.checkpoints import naming
from dgan_jax.generators import generator as generators
from tests.checkpoints import writers

_BUFFERS = ('w_avg', 'noise_const', 'resample_filter')


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


def ada_pickle(
  arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> bytes:
  """A file of StyleGAN2-ADA.

  Args:
    arrays: state dict of its G_ema.
    settings: attributes of modules under dotted names.
  """
  tree = {
    'training_set_kwargs': {'resolution': 16},
    'G': writers.module('Generator'),
    'D': writers.module('Discriminator'),
    'G_ema': _module('Generator', arrays, settings),
    'augment_pipe': None,
  }
  return writers.dumps(tree, 3)


def tensorflow_pickle(
  arrays: Mapping[str, np.ndarray], **settings: Any
) -> bytes:
  """A file of the official TensorFlow code.

  Args:
    arrays: variables of its Gs.
    **settings: what it was built with.
  """
  components = {
    component: writers.tensorflow_network(
      f'G_{component}',
      f'G_{component}',
      _below(arrays, f'G_{component}/'),
      **settings,
    )
    for component in ('synthesis', 'mapping')
  }
  own = {key: value for key, value in arrays.items() if '/' not in key}
  networks = tuple(
    writers.tensorflow_network(name, 'G_main', own, components, **settings)
    for name in ('G', 'D', 'Gs')
  )
  return writers.dumps(networks, 2)


def _module(
  name: str, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> Any:
  own = {key: value for key, value in arrays.items() if '.' not in key}
  return writers.module(
    name,
    parameters={
      key: writers.parameter(value)
      for key, value in own.items()
      if key not in _BUFFERS
    },
    buffers={
      key: writers.tensor(value)
      for key, value in own.items()
      if key in _BUFFERS
    },
    modules={
      child: _module(
        child, _below(arrays, f'{child}.'), _below(settings, f'{child}.')
      )
      for child in dict.fromkeys(
        key.split('.')[0] for key in arrays if '.' in key
      )
    },
    **{key: value for key, value in settings.items() if '.' not in key},
  )


def _below(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
  return {
    key.removeprefix(prefix): value
    for key, value in values.items()
    if key.startswith(prefix)
  }
