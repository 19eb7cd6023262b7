"""Official pickles, written the way their programs write them.

Python's pickler writes a class by its module's name, so the modules pretend:
for as long as a pickle takes, they are in `sys.modules`.
"""

import contextlib
import pickle
import sys
import types
from collections import OrderedDict
from unittest import mock

import numpy as np

from tests.checkpoints import pickles

SOURCE = 'raise SystemExit("The source code of a checkpoint was run.")'


def _pretend(value, module, name):
  value.__module__, value.__name__, value.__qualname__ = module, name, name
  return value


class _Network:
  def __init__(self, state):
    self._state = state

  def __getstate__(self):
    return self._state


class _EasyDict(dict):
  pass


def _function(module, name):
  return _pretend(lambda *_: None, module, name)


_NETWORK = _pretend(_Network, 'dnnlib.tflib.network', 'Network')
_EASY_DICT = _pretend(_EasyDict, 'dnnlib.util', 'EasyDict')
_REBUILD = _function('torch._utils', '_rebuild_tensor_v2')
_PARAMETER = _function('torch._utils', '_rebuild_parameter')
_STORAGE = _function('torch.storage', '_load_from_bytes')
_PERSISTENT = _function(
  'torch_utils.persistence', '_reconstruct_persistent_obj'
)


_PRETENDED = (_NETWORK, _EASY_DICT, _REBUILD, _PARAMETER, _STORAGE, _PERSISTENT)


class _Call:
  """Pickled as a call."""

  def __init__(self, function, *arguments):
    self._reduced = function, arguments

  def __reduce__(self):
    return self._reduced


@contextlib.contextmanager
def _modules():
  modules = {}
  for value in _PRETENDED:
    parts = value.__module__.split('.')
    for i in range(1, len(parts) + 1):
      name = '.'.join(parts[:i])
      modules.setdefault(name, types.ModuleType(name))
    setattr(modules[value.__module__], value.__name__, value)
  with mock.patch.dict(sys.modules, modules):
    yield


def dumps(value, protocol):
  """Pickles what the functions below make."""
  with _modules():
    return pickle.dumps(value, protocol)


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
  kind = _EASY_DICT if easy else dict
  return _NETWORK(
    {
      'version': 4,
      'name': name,
      'static_kwargs': kind(kwargs),
      'components': kind(components or {}),
      'build_module_src': SOURCE,
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


def storage(values):
  """Values [size] as a nested file."""
  where = pickles.storage(values.size).removesuffix(b'tQ') + b'NtQ'
  return _Call(
    _STORAGE,
    pickles.legacy_file(where, {'0': (values.size, values.tobytes())}),
  )


def tensor(array, where=None):
  strides = tuple(n // array.itemsize for n in array.strides)
  return _Call(
    _REBUILD,
    where or storage(array.ravel()),
    0,
    array.shape,
    strides,
    False,
    OrderedDict(),
  )


def parameter(array, where=None):
  return _Call(_PARAMETER, tensor(array, where), True, OrderedDict())


def module(
  class_name, parameters=None, buffers=None, modules=None, passing=(), **rest
):
  """A module of StyleGAN2-ADA; `passing` buffers are not in its state dict."""
  return _Call(
    _PERSISTENT,
    {
      'type': 'class',
      'version': 6,
      'module_src': SOURCE,
      'class_name': class_name,
      'state': {
        'training': False,
        '_parameters': OrderedDict(parameters or {}),
        '_buffers': OrderedDict(buffers or {}),
        '_non_persistent_buffers_set': set(passing),
        '_backward_hooks': OrderedDict(),
        '_modules': OrderedDict(modules or {}),
        '_init_args': (),
        '_init_kwargs': _EASY_DICT(),
        **rest,
      },
    },
  )


def persistence_generator():
  """A generator of four tensors."""
  weight = np.arange(6, dtype=np.float32).reshape(2, 3)
  layer = module(
    'SynthesisLayer',
    parameters={'weight': parameter(weight), 'bias': None},
    buffers={
      'noise_const': tensor(np.full((2, 2), 3, np.float32)),
      'passing': tensor(np.zeros(1, np.float32)),
    },
    passing=['passing'],
    conv_clamp=256,
    act_gain=np.sqrt(np.float64(2)),
    activation='lrelu',
    sizes=[4, 8],
  )
  return module(
    'Generator',
    buffers={'w_avg': tensor(np.arange(2, dtype=np.float32))},
    modules={'synthesis': module('S', modules={'conv': layer}), 'none': None},
    c_dim=0,
    _init_kwargs=_EASY_DICT(c_dim=0, mapping_kwargs=_EASY_DICT(num_layers=2)),
  )


def persistence_file():
  return {
    'training_set_kwargs': {'path': 'x.zip', 'xflip': False},
    'G_ema': persistence_generator(),
    'D': module('Discriminator'),
    'augment_pipe': None,
  }
