"""Official pickles, written the way their programs write them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tests.checkpoints import ada_pickle as checkpoints


class _Network:
  def __init__(self, state):
    self._state = state

  def __getstate__(self):
    return self._state


_NETWORK = checkpoints.pretend(_Network, 'dnnlib.tflib.network', 'Network')


def dumps(value, protocol):
  """Pickles networks of either program."""
  return checkpoints.dumps(value, protocol, [_NETWORK])


def by_old_numpy(data):
  """The same pickle with the names of numpy 1."""
  data = data.replace(b'cnumpy._core.', b'cnumpy.core.')
  for name in (b'multiarray', b'numeric'):
    new, old = b'numpy._core.' + name, b'numpy.core.' + name
    data = data.replace(
      b'\x8c' + bytes([len(new)]) + new, b'\x8c' + bytes([len(old)]) + old
    )
  return data


def tensorflow_network(
  name, function, variables, components=None, easy=False, **kwargs
):
  """A network of TensorFlow.

  Args:
    name: its scope.
    function: what built it.
    variables: {local name: array}.
    components: {name: network}.
    easy: keep dicts as the `EasyDict`s of some versions.
    **kwargs: what it was built with.
  """
  kind = checkpoints.EasyDict if easy else dict
  return _NETWORK(
    {
      'version': 4,
      'name': name,
      'static_kwargs': kind(kwargs),
      'components': kind(components or {}),
      'build_module_src': checkpoints.SOURCE,
      'build_func_name': function,
      'variables': list(variables.items()),
    }
  )


def tensorflow_generator(name='Gs', easy=False):
  """A generator of six variables in every order and byte order."""
  synthesis = tensorflow_network(
    'G_synthesis',
    'G_synthesis_stylegan2',
    {
      'noise0': np.full((1, 1, 2, 2), 3, np.float32),
      '4x4/Conv/weight': np.arange(6, dtype=np.float32).reshape(2, 3),
      '4x4/Conv/turned': np.asfortranarray(
        np.arange(6, dtype=np.float32).reshape(2, 3)
      ),
    },
    easy=easy,
  )
  mapping = tensorflow_network(
    'G_mapping', 'G_mapping', {'Dense0/bias': np.float32([0.5])}, easy=easy
  )
  return tensorflow_network(
    name,
    'G_main',
    {'lod': np.float32(1.5), 'dlatent_avg': np.arange(2, dtype='>f8')},
    {'synthesis': synthesis, 'mapping': mapping},
    resolution=4,
    mapping_func='G_mapping',
    truncation_psi=None,
    nonlinear=True,
    skipped=[1, 2],
    easy=easy,
  )


def persistence_generator():
  """A generator of four tensors."""
  weight = np.arange(6, dtype=np.float32).reshape(2, 3)
  layer = checkpoints.module(
    'SynthesisLayer',
    parameters={'weight': checkpoints.parameter(weight), 'bias': None},
    buffers={
      'noise_const': checkpoints.tensor(np.full((2, 2), 3, np.float32)),
      'passing': checkpoints.tensor(np.zeros(1, np.float32)),
    },
    passing=['passing'],
    conv_clamp=256,
    act_gain=np.sqrt(np.float64(2)),
    activation='lrelu',
    sizes=[4, 8],
  )
  return checkpoints.module(
    'Generator',
    buffers={'w_avg': checkpoints.tensor(np.arange(2, dtype=np.float32))},
    modules={
      'synthesis': checkpoints.module('S', modules={'conv': layer}),
      'none': None,
    },
    c_dim=0,
    _init_kwargs=checkpoints.EasyDict(
      c_dim=0, mapping_kwargs=checkpoints.EasyDict(num_layers=2)
    ),
  )


def persistence_file():
  return {
    'training_set_kwargs': {'path': 'x.zip', 'xflip': False},
    'G_ema': persistence_generator(),
    'D': checkpoints.module('Discriminator'),
    'augment_pipe': None,
  }


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
    'G': checkpoints.module('Generator'),
    'D': checkpoints.module('Discriminator'),
    'G_ema': checkpoints.network('Generator', arrays, settings),
    'augment_pipe': None,
  }
  return checkpoints.dumps(tree, 3)


def tensorflow_pickle(
  arrays: Mapping[str, np.ndarray], **settings: Any
) -> bytes:
  """A file of the official TensorFlow code.

  Args:
    arrays: variables of its Gs.
    **settings: what it was built with.
  """
  components = {
    component: tensorflow_network(
      f'G_{component}',
      f'G_{component}',
      checkpoints.below(arrays, f'G_{component}/'),
      **settings,
    )
    for component in ('synthesis', 'mapping')
  }
  own = {key: value for key, value in arrays.items() if '/' not in key}
  networks = tuple(
    tensorflow_network(name, 'G_main', own, components, **settings)
    for name in ('G', 'D', 'Gs')
  )
  return dumps(networks, 2)
