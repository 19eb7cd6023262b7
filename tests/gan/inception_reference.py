"""The Inception of the FID once more: slow, in float64, as the paper and
pytorch-fid describe it, with its own list of layers.

Written over operations, so that NumPy and PyTorch can both do it.
"""

import math

import numpy as np
from numpy.lib import stride_tricks

_EPS = 0.001


def random_state_dict():
  """What the file of the weights would hold, in its layout."""
  shapes = _Shapes()
  network(shapes, 3)
  rng = np.random.default_rng(0)
  arrays = {}
  for name, (size, fan_in, height, width) in shapes.kernels.items():
    kernel = rng.standard_normal((size, fan_in, height, width), np.float32)
    kernel *= math.sqrt(2 / (fan_in * height * width))
    arrays[f'{name}.conv.weight'] = kernel
    for leaf, low, high in (
      ('weight', 0.7, 1.3),
      ('bias', -0.3, 0.3),
      ('running_mean', -0.3, 0.3),
      ('running_var', 0.5, 1.5),
    ):
      values = rng.uniform(low, high, size).astype(np.float32)
      arrays[f'{name}.bn.{leaf}'] = values
    arrays[f'{name}.bn.num_batches_tracked'] = np.array(7, np.int64)
  arrays['fc.weight'] = np.ones((1008, 2048), np.float32)
  arrays['fc.bias'] = np.ones(1008, np.float32)
  return arrays


def network(ops, x):
  """From images to what the last block gives."""
  x = ops.conv('Conv2d_1a_3x3', x, 32, 3, 3, stride=2, padded=False)
  x = ops.conv('Conv2d_2a_3x3', x, 32, 3, 3, padded=False)
  x = ops.conv('Conv2d_2b_3x3', x, 64, 3, 3)
  x = ops.halved(x)
  x = ops.conv('Conv2d_3b_1x1', x, 80)
  x = ops.conv('Conv2d_4a_3x3', x, 192, 3, 3, padded=False)
  x = ops.halved(x)
  for name, pooled in (('5b', 32), ('5c', 64), ('5d', 64)):
    x = block_a(ops, f'Mixed_{name}', x, pooled)
  x = block_b(ops, 'Mixed_6a', x)
  for name, size in (('6b', 128), ('6c', 160), ('6d', 160), ('6e', 192)):
    x = block_c(ops, f'Mixed_{name}', x, size)
  x = block_d(ops, 'Mixed_7a', x)
  x = block_e(ops, 'Mixed_7b', x, ops.average)
  return block_e(ops, 'Mixed_7c', x, ops.greatest)


def _chain(ops, block, x, *layers):
  for name, *arguments in layers:
    x = ops.conv(f'{block}.{name}', x, *arguments)
  return x


def block_a(ops, name, x, pooled):
  return ops.joined(
    _chain(ops, name, x, ('branch1x1', 64)),
    _chain(ops, name, x, ('branch5x5_1', 48), ('branch5x5_2', 64, 5, 5)),
    _chain(
      *(ops, name, x),
      ('branch3x3dbl_1', 64),
      ('branch3x3dbl_2', 96, 3, 3),
      ('branch3x3dbl_3', 96, 3, 3),
    ),
    _chain(ops, name, ops.average(x), ('branch_pool', pooled)),
  )


def block_b(ops, name, x):
  return ops.joined(
    _chain(ops, name, x, ('branch3x3', 384, 3, 3, 2, False)),
    _chain(
      *(ops, name, x),
      ('branch3x3dbl_1', 64),
      ('branch3x3dbl_2', 96, 3, 3),
      ('branch3x3dbl_3', 96, 3, 3, 2, False),
    ),
    ops.halved(x),
  )


def block_c(ops, name, x, size):
  return ops.joined(
    _chain(ops, name, x, ('branch1x1', 192)),
    _chain(
      *(ops, name, x),
      ('branch7x7_1', size),
      ('branch7x7_2', size, 1, 7),
      ('branch7x7_3', 192, 7, 1),
    ),
    _chain(
      *(ops, name, x),
      ('branch7x7dbl_1', size),
      ('branch7x7dbl_2', size, 7, 1),
      ('branch7x7dbl_3', size, 1, 7),
      ('branch7x7dbl_4', size, 7, 1),
      ('branch7x7dbl_5', 192, 1, 7),
    ),
    _chain(ops, name, ops.average(x), ('branch_pool', 192)),
  )


def block_d(ops, name, x):
  return ops.joined(
    _chain(
      *(ops, name, x),
      ('branch3x3_1', 192),
      ('branch3x3_2', 320, 3, 3, 2, False),
    ),
    _chain(
      *(ops, name, x),
      ('branch7x7x3_1', 192),
      ('branch7x7x3_2', 192, 1, 7),
      ('branch7x7x3_3', 192, 7, 1),
      ('branch7x7x3_4', 192, 3, 3, 2, False),
    ),
    ops.halved(x),
  )


def block_e(ops, name, x, around):
  small = _chain(ops, name, x, ('branch3x3_1', 384))
  large = _chain(
    *(ops, name, x), ('branch3x3dbl_1', 448), ('branch3x3dbl_2', 384, 3, 3)
  )
  return ops.joined(
    _chain(ops, name, x, ('branch1x1', 320)),
    _chain(ops, name, small, ('branch3x3_2a', 384, 1, 3)),
    _chain(ops, name, small, ('branch3x3_2b', 384, 3, 1)),
    _chain(ops, name, large, ('branch3x3dbl_3a', 384, 1, 3)),
    _chain(ops, name, large, ('branch3x3dbl_3b', 384, 3, 1)),
    _chain(ops, name, around(x), ('branch_pool', 192)),
  )


class _Shapes:
  """Only counts channels, and notes what kernels there are."""

  def __init__(self):
    self.kernels = {}

  def conv(self, name, x, size, height=1, width=1, stride=1, padded=True):
    del stride, padded
    assert name not in self.kernels
    self.kernels[name] = (size, x, height, width)
    return size

  def joined(self, *parts):
    return sum(parts)

  def _same(self, x):
    return x

  halved = average = greatest = _same


class InNumpy:
  """Arrays float64 [batch, height, width, channels]."""

  def __init__(self, state_dict):
    self._arrays = state_dict

  def conv(self, name, x, size, height=1, width=1, stride=1, padded=True):
    kernel, scale, shift, mean, var = (
      self._arrays[f'{name}.{leaf}'].astype(np.float64)
      for leaf in (
        *('conv.weight', 'bn.weight', 'bn.bias'),
        *('bn.running_mean', 'bn.running_var'),
      )
    )
    assert kernel.shape == (size, x.shape[3], height, width)
    if padded:
      rows, columns = height // 2, width // 2
      x = np.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)))
    seen = _windows(x, height, width, stride)
    y = np.tensordot(seen, kernel, ((3, 4, 5), (1, 2, 3)))
    return np.maximum((y - mean) / np.sqrt(var + _EPS) * scale + shift, 0)

  def joined(self, *parts):
    return np.concatenate(parts, 3)

  def halved(self, x):
    return _windows(x, 3, 3, 2).max((4, 5))

  def average(self, x):
    """The mean over the pixels that there are."""
    return np.nanmean(_windows(_bordered(x), 3, 3, 1), (4, 5))

  def greatest(self, x):
    return np.nanmax(_windows(_bordered(x), 3, 3, 1), (4, 5))


def _bordered(x):
  border = ((0, 0), (1, 1), (1, 1), (0, 0))
  return np.pad(x, border, constant_values=np.nan)


def _windows(x, height, width, stride):
  """[batch, rows, columns, channels, height, width]."""
  seen = stride_tricks.sliding_window_view(x, (height, width), (1, 2))
  return seen[:, ::stride, ::stride]


def enlarged_or_reduced(images, size):
  """Bilinear between pixel centres, [batch, size, size, 3]."""
  rows, columns = (_shares(length, size) for length in images.shape[1:3])
  return np.einsum('ih,jw,bhwc->bijc', rows, columns, images, optimize=True)


def _shares(length, size):
  """What every pixel of an axis of `size` takes of every one of `length`."""
  shares = np.zeros((size, length))
  for i in range(size):
    place = min(max((i + 0.5) * length / size - 0.5, 0), length - 1)
    before = int(place)
    shares[i, before] += 1 - (place - before)
    shares[i, min(before + 1, length - 1)] += place - before
  return shares


class InTorch:
  """Tensors [batch, channels, height, width]."""

  def __init__(self, torch, state_dict):
    self._functions = torch.nn.functional
    self._cat = torch.cat
    self._arrays = {k: torch.from_numpy(v) for k, v in state_dict.items()}

  def conv(self, name, x, size, height=1, width=1, stride=1, padded=True):
    kernel, *norm = (
      self._arrays[f'{name}.{leaf}']
      for leaf in (
        *('conv.weight', 'bn.running_mean', 'bn.running_var'),
        *('bn.weight', 'bn.bias'),
      )
    )
    assert len(kernel) == size
    padding = (height // 2, width // 2) if padded else 0
    y = self._functions.conv2d(x, kernel, stride=stride, padding=padding)
    return self._functions.batch_norm(y, *norm, eps=_EPS).relu()

  def joined(self, *parts):
    return self._cat(parts, 1)

  def halved(self, x):
    return self._functions.max_pool2d(x, 3, 2)

  def average(self, x):
    return self._functions.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

  def greatest(self, x):
    return self._functions.max_pool2d(x, 3, 1, 1)

  def resized(self, x, size):
    return self._functions.interpolate(
      x, (size, size), mode='bilinear', align_corners=False
    )
