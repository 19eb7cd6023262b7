"""Official checkpoints, written the way StyleGAN2-ADA writes its pickles.

Python's pickler writes a class by the name of its module, so modules pretend:
for as long as a pickle takes, they are in `sys.modules`.
"""

import contextlib
import io
import pickle
import struct
import sys
import types
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar
from unittest import mock

import numpy as np

from dgan_jax.checkpoints.origins import arrays_to_generator, naming
from dgan_jax.generators import generator as generators

SOURCE = 'raise SystemExit("The source code of a checkpoint was run.")'
_BUFFERS = ('w_avg', 'noise_const', 'resample_filter')
_MAGIC = 0x1950A86A20F9469CFC6C  # of PyTorch's files before 1.6

_Named = TypeVar('_Named', bound=Callable[..., Any])


def state_dict(
  names_of: naming.Naming, generator: generators.Generator
) -> dict[str, np.ndarray]:
  """What a file of this origin would hold of a generator, w_avg and noise."""
  architecture = generator.architecture
  arrays = arrays_to_generator.write(names_of, architecture, generator.params)
  for entry, value in zip(
    names_of.noise(architecture), generator.noise or (), strict=False
  ):
    arrays[entry.key] = np.array(entry.to_stored(np.asarray(value)))
  if names_of.w_avg is not None:
    arrays[names_of.w_avg] = np.array(generator.w_avg[0])
  return arrays


def pretend(value: _Named, module: str, name: str) -> _Named:
  """Has a class or function of ours written as one of theirs."""
  value.__module__, value.__name__, value.__qualname__ = module, name, name
  return value


def _function(module: str, name: str) -> Callable[..., None]:
  return pretend(lambda *_: None, module, name)


EasyDict = pretend(type('EasyDict', (dict,), {}), 'dnnlib.util', 'EasyDict')
_FLOATS = pretend(type('FloatStorage', (), {}), 'torch', 'FloatStorage')
_REBUILD = _function('torch._utils', '_rebuild_tensor_v2')
_PARAMETER = _function('torch._utils', '_rebuild_parameter')
_STORAGE = _function('torch.storage', '_load_from_bytes')
_PERSISTENT = _function(
  'torch_utils.persistence', '_reconstruct_persistent_obj'
)
_PRETENDED = (EasyDict, _FLOATS, _REBUILD, _PARAMETER, _STORAGE, _PERSISTENT)


class _Call:
  """Pickled as a call."""

  def __init__(self, function: Callable[..., Any], *arguments: Any):
    self._reduced = function, arguments

  def __reduce__(self) -> Any:
    return self._reduced


@contextlib.contextmanager
def _modules(pretended: Sequence[Callable[..., Any]]) -> Iterator[None]:
  modules: dict[str, types.ModuleType] = {}
  for value in pretended:
    parts = value.__module__.split('.')
    for i in range(1, len(parts) + 1):
      name = '.'.join(parts[:i])
      modules.setdefault(name, types.ModuleType(name))
    setattr(modules[value.__module__], value.__name__, value)
  with mock.patch.dict(sys.modules, modules):
    yield


def dumps(
  value: Any, protocol: int, pretended: Sequence[Callable[..., Any]] = ()
) -> bytes:
  """Pickles what the functions below make, and others that pretend."""
  with _modules([*_PRETENDED, *pretended]):
    return pickle.dumps(value, protocol)


def storage(values: np.ndarray) -> Any:
  """Values float32 [size] as a nested file."""
  stream = io.BytesIO()
  for start in (_MAGIC, 1001, {'little_endian': True}):
    pickle.dump(start, stream, 2)
  identity = ('storage', _FLOATS, '0', 'cpu', values.size, None)

  class Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
      return identity if value is values else None

  with _modules([_FLOATS]):
    Pickler(stream, 2).dump(values)
  pickle.dump(['0'], stream, 2)
  stream.write(struct.pack('<q', values.size) + values.tobytes())
  return _Call(_STORAGE, stream.getvalue())


def tensor(array: np.ndarray, where: Any = None) -> Any:
  """An array float32, in a storage of its own or in one that is there."""
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


def parameter(array: np.ndarray, where: Any = None) -> Any:
  """The same, to be trained."""
  return _Call(_PARAMETER, tensor(array, where), True, OrderedDict())


def module(
  class_name: str,
  parameters: Mapping[str, Any] | None = None,
  buffers: Mapping[str, Any] | None = None,
  modules: Mapping[str, Any] | None = None,
  passing: Sequence[str] = (),
  **rest: Any,
) -> Any:
  """A module; `passing` buffers are not in its state dict."""
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
        '_init_kwargs': EasyDict(),
        **rest,
      },
    },
  )


def network(
  name: str, arrays: Mapping[str, np.ndarray], settings: Mapping[str, Any]
) -> Any:
  """A module with all that are in it.

  Args:
    name: of its class.
    arrays: its state dict.
    settings: attributes of modules under dotted names.
  """
  own = {key: value for key, value in arrays.items() if '.' not in key}
  return module(
    name,
    parameters={
      key: parameter(value) for key, value in own.items() if key not in _BUFFERS
    },
    buffers={
      key: tensor(value) for key, value in own.items() if key in _BUFFERS
    },
    modules={
      child: network(
        child, below(arrays, f'{child}.'), below(settings, f'{child}.')
      )
      for child in dict.fromkeys(
        key.split('.')[0] for key in arrays if '.' in key
      )
    },
    **{key: value for key, value in settings.items() if '.' not in key},
  )


def below(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
  """Those whose names start so, named without."""
  return {
    key.removeprefix(prefix): value
    for key, value in values.items()
    if key.startswith(prefix)
  }
