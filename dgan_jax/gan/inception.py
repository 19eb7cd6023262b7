"""The Inception features of the FID, for those who have the weights.

The FID (Heusel et al. 2017, "GANs trained by a two time-scale update rule") is
defined by the weights of one network. pytorch-fid has ported them to PyTorch:
`FILE` of the release `fid_weights` of github.com/mseitzer/pytorch-fid. They
don't come with this project.

Checked against pytorch-fid 0.3.0 with random weights, in both kinds of file
that PyTorch writes; the published weights were not at hand.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from dgan_jax import errors, parallel, storage
from dgan_jax.checkpoints.formats import torch_format
from dgan_jax.checkpoints.origins import state_dict as state_dict_lib
from dgan_jax.gan import inception_network, quality
from dgan_jax.segmentation import annotator

FILE = 'pt_inception-2015-12-05-6726825d.pth'
NUM_FEATURES = 2048
# Height and width of the images that the network was trained on.
SIZE = 299

_NUM_CLASSES = 1008
# Of the batch normalisation.
_EPS = 0.001
_NORM = {
  'scale': 'weight',
  'shift': 'bias',
  'mean': 'running_mean',
  'var': 'running_var',
}


def extractor(
  params: Any,
  *,
  block_size: int | None = None,
  devices: Sequence[jax.Device] | None = None,
) -> quality.Extractor:
  """A function from images to features, compiled once for every image size.

  The features of an image depend neither on the others nor on the number of
  devices. A distance wants thousands of images: the fewer there are, the larger
  it comes out, and FIDs compare only where as many were taken (usually 50,000).

  Args:
    params: see `load`.
    block_size: of a device; default 4 on CPUs, else 64.
    devices: default all of this host.
  """
  if block_size is None:
    block_size = 4 if parallel.has_small_cache() else 64
  run = parallel.map_items(features, params, block_size, devices)

  def extract(images: np.ndarray) -> np.ndarray:
    annotator.check_images(images)
    found: np.ndarray = parallel.collect(run(images))
    return found

  return extract


def features(params: Any, images: chex.Array) -> chex.Array:
  """What the graph calls pool_3: of images uint8 [batch, height, width, 3] of
  any size float32 [batch, NUM_FEATURES], 0 or more."""
  return pooled(params, resized(images))


def resized(images: chex.Array) -> chex.Array:
  """Images uint8 [batch, height, width, 3] as the network takes them: float32
  [batch, SIZE, SIZE, 3] in [-1, 1].

  As in pytorch-fid: bilinear between pixel centres, also where images are
  reduced, so that every pixel is made of four at most.
  """
  chex.assert_shape(images, (None, None, None, 3))
  x = images.astype(jnp.float32)
  shape = (len(images), SIZE, SIZE, 3)
  return jax.image.resize(x, shape, 'linear', antialias=False) / 127.5 - 1


def pooled(params: Any, x: chex.Array) -> chex.Array:
  """[batch, height, width, 3] in [-1, 1], 75 pixels or more each way, to the
  means over pixels of the last block, [batch, NUM_FEATURES]."""
  y: Any = inception_network.Network().apply({'params': params}, x)
  return y.mean((1, 2))


def load(path: storage.PathLike) -> Any:
  """Reads parameters of `inception_network.Network`, float32, from `FILE` or
  another state dict of this network.

  Raises:
    errors.UserError: no such file, one that is damaged, or of another network.
  """
  return from_state_dict(torch_format.read(path), str(path))


def from_state_dict(
  state_dict: state_dict_lib.StateDict, source: str = 'The state dict'
) -> Any:
  """Parameters of `inception_network.Network` from arrays as PyTorch names
  them; the batch normalisation becomes part of kernels and biases.

  Args:
    state_dict: {'Mixed_5b.branch1x1.conv.weight': [out, in, height, width],
      'Mixed_5b.branch1x1.bn.weight': [out], ...}.
    source: what to call it in errors, a file name.

  Raises:
    errors.UserError: an array is missing, surplus or not what it has to be.
  """
  if any(key.startswith('AuxLogits.') for key in state_dict):
    raise errors.UserError(
      f'{source} has an auxiliary classifier, as the Inception of torchvision '
      f'does; expected that of the FID, {FILE}.'
    )
  counters = '.num_batches_tracked'
  used = {k: v for k, v in state_dict.items() if not k.endswith(counters)}
  stored = state_dict_lib.to_params(used, _entries(), source)
  del stored['fc']
  params = {}
  for key, arrays in stored.items():
    if (arrays['var'] < 0).any():
      raise errors.UserError(
        f'{source}: {key}.bn.running_var has negative values.'
      )
    # Convolution and (x - mean) / sqrt(var + eps) * scale + shift as one.
    x = {name: np.asarray(array, np.float64) for name, array in arrays.items()}
    factor = x['scale'] / np.sqrt(x['var'] + _EPS)
    kernel, bias = x['kernel'] * factor, x['shift'] - x['mean'] * factor
    path = key.split('.')
    params[*path, 'kernel'] = kernel.astype(np.float32)
    params[*path, 'bias'] = bias.astype(np.float32)
  return traverse_util.unflatten_dict(params)


def _entries() -> Iterator[state_dict_lib.Entry]:
  """The arrays of the state dict."""
  entry = state_dict_lib.Entry
  for path, shape in _shapes().items():
    if path[-1] == 'kernel':
      key = '.'.join(path[:-1])
      yield entry(f'{key}.conv.weight', (key, 'kernel'), shape, 'oihw')
      for ours, theirs in _NORM.items():
        yield entry(f'{key}.bn.{theirs}', (key, ours), shape[-1:])
  # Features don't need it; a file without it is of another network.
  kernel = (NUM_FEATURES, _NUM_CLASSES)
  yield entry('fc.weight', ('fc', 'kernel'), kernel, 'oi')
  yield entry('fc.bias', ('fc', 'bias'), kernel[1:])


@functools.cache
def _shapes() -> dict[state_dict_lib.Path, tuple[int, ...]]:
  """Of all parameters."""
  image = jax.ShapeDtypeStruct((1, SIZE, SIZE, 3), jnp.float32)
  made = jax.eval_shape(
    inception_network.Network().init, jax.random.key(0), image
  )
  leaves = traverse_util.flatten_dict(made['params'])
  return {path: leaf.shape for path, leaf in leaves.items()}
