"""StyleGAN2 as its papers write it: slowly, in float64, without JAX.

Every sample has kernels of its own, scaled by its style and divided by their
norm (Karras et al. 2020, "Analyzing and Improving the Image Quality of
StyleGAN", eq. 1 to 3), which is what the fast form must equal. Blocks are
those of its figure 7; clamps and labels those of "Training Generative
Adversarial Networks with Limited Data" (appendix C and its network).
Parameters are laid out as `stylegan2.StyleGAN2` lays them out.
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

_EPS = 1e-8
_SLOPE = 0.2
_TAPS = np.array([1, 3, 3, 1], np.float64) / 8


@dataclasses.dataclass(frozen=True)
class Outputs:
  """What a network gives, [batch, height, width, channels].

  Attributes:
    rgb: the image.
    layers: what the layers give, 'block_8/conv_0' after its activation,
      'block_8/to_rgb' before it is added, 'block_8' after all of it.
    images: the image so far, of every block that has one.
  """

  rgb: np.ndarray
  layers: Mapping[str, np.ndarray]
  images: Mapping[str, np.ndarray]


def map_latents(params: Any, z: np.ndarray, labels: Any = None) -> np.ndarray:
  """z [batch, latent_size], and classes [batch] of a conditional network, to
  w."""
  params = _exact(params)
  x = _normalize(z.astype(np.float64))
  if 'embed' in params:
    embed = params['embed']
    one_hot = np.eye(len(embed['kernel']))[np.asarray(labels)]
    label = one_hot @ (embed['kernel'] / math.sqrt(len(embed['kernel'])))
    x = np.concatenate([x, _normalize(label + embed['bias'])], axis=1)
  for i in range(sum(name.startswith('dense_') for name in params)):
    dense = params[f'dense_{i}']
    kernel = 0.01 * dense['kernel'] / math.sqrt(len(dense['kernel']))
    x = _activate(x @ kernel + 0.01 * dense['bias'])
  return x


def synthesize(
  params: Any,
  ws: np.ndarray,
  noise: Sequence[np.ndarray] | None = None,
  block: str = 'skip',
  conv_clamp: float | None = None,
) -> Outputs:
  """Styles to an image.

  Args:
    params: of the synthesis network.
    ws: [batch, rows, latent_size].
    noise: maps [batch or 1, r, r, 1], of every convolution, or None.
    block: 'skip', 'resnet' or 'orig'.
    conv_clamp: the largest absolute value of an activation.
  """
  params, ws = _exact(params), ws.astype(np.float64)
  layers: dict[str, np.ndarray] = {}
  images: dict[str, np.ndarray] = {}
  sizes = sorted(int(name.removeprefix('block_')) for name in params)
  maps = iter(noise if noise is not None else [0.0] * (2 * len(sizes)))
  row, image = 0, None
  x = np.repeat(params['block_4']['const'][None], len(ws), axis=0)
  for size in sizes:
    name = f'block_{size}'
    p = params[name]
    gain, skip = 1.0, np.zeros(())
    if size > 4:
      if block == 'resnet':
        gain = math.sqrt(0.5)
        kernel = p['skip']['kernel'] / math.sqrt(len(p['skip']['kernel']))
        skip = _upsample(x @ kernel) * gain
      x = _convolution(p['conv_0'], x, ws[:, row], next(maps), conv_clamp, up=2)
      layers[f'{name}/conv_0'] = x
      row += 1
    x = _convolution(p['conv_1'], x, ws[:, row], next(maps), conv_clamp, gain)
    layers[f'{name}/conv_1'] = x
    row += 1
    x = layers[name] = x + skip
    if image is not None:
      image = _upsample(image)
    if block == 'skip' or size == sizes[-1]:
      rgb = _to_rgb(p['to_rgb'], x, ws[:, row], conv_clamp)
      layers[f'{name}/to_rgb'] = rgb
      image = rgb if image is None else image + rgb
      images[name] = image
  assert image is not None
  return Outputs(image, layers, images)


def _exact(params: Any) -> Any:
  if isinstance(params, Mapping):
    return {name: _exact(value) for name, value in params.items()}
  return np.asarray(params, np.float64)


def _normalize(x: np.ndarray) -> np.ndarray:
  return x / np.sqrt((x**2).mean(-1, keepdims=True) + _EPS)


def _activate(x: np.ndarray) -> np.ndarray:
  return np.where(x < 0, _SLOPE * x, x) * math.sqrt(2)


def _clamp(x: np.ndarray, limit: float | None) -> np.ndarray:
  return x if limit is None else np.clip(x, -limit, limit)


def _style(p: Any, w: np.ndarray) -> np.ndarray:
  return w @ (p['kernel'] / math.sqrt(len(p['kernel']))) + p['bias']


def _convolution(
  p: Any,
  x: np.ndarray,
  w: np.ndarray,
  noise: Any,
  conv_clamp: float | None,
  gain: float = 1,
  up: int = 1,
) -> np.ndarray:
  """Modulated and demodulated 3x3 convolution, noise, bias, activation."""
  kernel = p['kernel'] / math.sqrt(p['kernel'][..., 0].size)
  kernels = kernel * _style(p['style'], w)[:, None, None, :, None]  # [NHWIO]
  norms = np.sqrt((kernels**2).sum((1, 2, 3), keepdims=True) + _EPS)
  convolve = _convolve if up == 1 else _convolve_up
  x = np.stack(
    [convolve(*pair) for pair in zip(x, kernels / norms, strict=True)]
  )
  x = _activate(x + p['noise_strength'] * noise + p['bias']) * gain
  return _clamp(x, conv_clamp and conv_clamp * gain)


def _to_rgb(
  p: Any, x: np.ndarray, w: np.ndarray, conv_clamp: float | None
) -> np.ndarray:
  """Modulated 1x1 convolution and bias."""
  kernel = p['kernel'] / math.sqrt(len(p['kernel']))
  kernels = kernel * _style(p['style'], w)[:, :, None]
  return _clamp(np.einsum('nhwi,nio->nhwo', x, kernels) + p['bias'], conv_clamp)


def _convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
  """One image [h, w, in] with [kh, kw, in, out], zeros around it."""
  height, width = x.shape[:2]
  rows, columns = kernel.shape[:2]
  padded = np.pad(x, [(rows // 2,) * 2, (columns // 2,) * 2, (0, 0)])
  return sum(
    padded[i : i + height, j : j + width] @ kernel[i, j]
    for i in range(rows)
    for j in range(columns)
  )


def _convolve_up(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
  """Transposed convolution of stride 2, then the low-pass filter."""
  height, width = x.shape[:2]
  y = np.zeros((2 * height + 1, 2 * width + 1, kernel.shape[-1]))
  for i in range(3):
    for j in range(3):
      rows, columns = slice(i, i + 2 * height, 2), slice(j, j + 2 * width, 2)
      y[rows, columns] += x @ kernel[i, j]
  return _filter(y[None], (1, 1))[0]


def _upsample(x: np.ndarray) -> np.ndarray:
  """[batch, h, w, channels] to twice the size: zeros between, then filter."""
  batch, height, width, channels = x.shape
  y = np.zeros((batch, 2 * height, 2 * width, channels))
  y[:, ::2, ::2] = x
  return _filter(y, (2, 1))


def _filter(x: np.ndarray, padding: tuple[int, int]) -> np.ndarray:
  """[1, 3, 3, 1] along both axes, of gain 4: a quarter of the pixels count."""
  x = np.pad(x, [(0, 0), padding, padding, (0, 0)])
  height, width = x.shape[1] - 3, x.shape[2] - 3
  taps = 4 * np.outer(_TAPS, _TAPS)
  return sum(
    taps[i, j] * x[:, i : i + height, j : j + width]
    for i in range(4)
    for j in range(4)
  )
