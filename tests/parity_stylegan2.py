"""Vectors of StyleGAN2 generators, of EditGAN's port and of StyleGAN2-ADA.

A file has the weights (`sd/` or `sd_G_ema/`, by the names of one of the two),
or a checkpoint lies beside it, or both, which then hold the same. What the
reference's own error is, where the file doesn't say, is measured against the
float64 network of `generators/stylegan2_reference.py`.
"""

import dataclasses
import math
import pathlib
import re
from typing import Any

import jax
import numpy as np

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan2
from tests import parity_checkpoints, parity_end_to_end
from tests import parity_checks as checks
from tests.generators import stylegan2_reference as reference

_Quantities = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class _Run:
  """One truncation that a file has outputs of.

  Attributes:
    psi, cutoff: truncation, of the rows before `cutoff`.
    ws, rgb: keys of the outputs.
  """

  psi: float
  cutoff: int
  ws: str
  rgb: str


def check(
  vectors: checks.Vectors, path: pathlib.Path | None = None
) -> list[checks.Check]:
  """z, and classes, to images and features, and every layer on the way.

  Args:
    vectors: the file.
    path: the checkpoint, if it is not beside the file.
  """
  generator, results = parity_checkpoints.generator(vectors, path)
  runs = _runs(vectors, generator.architecture.num_ws)
  labels = _labels(vectors)
  # What has no truncation in its name is of all rows, or of the only run.
  main = max(runs, key=lambda run: run.cutoff)
  for run in runs:
    ours = _ours(generator, vectors['in/z'], labels, run)
    exact = _exact(generator, vectors['in/z'], labels, run)
    keys = {run.ws: 'ws', run.rgb: 'rgb'}
    if run is main:
      keys |= _keys(vectors)
    for key, name in keys.items():
      if key in vectors:
        results.append(_compare(vectors, key, name, ours, exact))
    if run is main:
      results += _check_images(vectors, ours['rgb'])
      results += _check_pixels(vectors, generator, ours)
  return results


def _runs(vectors: checks.Vectors, rows: int) -> list[_Run]:
  """The truncations, told from names ('psi0.5_cutoff6') or from `meta`."""
  runs = []
  for key in vectors.group('out/img_'):
    match = re.fullmatch(r'psi(\d+(?:\.\d+)?)(?:_cutoff(\d+))?', key)
    if match:
      cutoff = int(match[2]) if match[2] else rows
      names = f'out/ws_{key}', f'out/img_{key}'
      runs.append(_Run(float(match[1]), cutoff, *names))
  if 'out/rgb' in vectors:
    settings = {**vectors.meta, **vectors.group('in/')}
    psi, cutoff = settings.get('psi', 0.7), settings.get('cutoff', rows)
    runs.append(_Run(float(psi), int(cutoff), 'out/w_trunc', 'out/rgb'))
  return runs


def _labels(vectors: checks.Vectors) -> np.ndarray | None:
  """Classes [batch] of `in/c`, which has them as such or one-hot."""
  c = vectors.get('in/c')
  if c is None or c.shape[-1] == 0:
    return None
  return (c.argmax(-1) if c.ndim == 2 else c).astype(np.int32)


def _keys(vectors: checks.Vectors) -> dict[str, str]:
  """Key of a file -> our name of what it has, of the one run it is about."""
  keys = {'out/w': 'w'}
  for key in vectors:
    if match := re.fullmatch(r'out/feat_(\d+)', key):
      keys[key] = f'features {int(match[1])}'
    elif match := re.fullmatch(r'out/layer/b(\d+)\.(conv\d|torgb)', key):
      name = match[2].replace('conv', 'conv_').replace('torgb', 'to_rgb')
      keys[key] = f'block_{match[1]} {name}'
    elif match := re.fullmatch(r'out/skip_img/b(\d+)', key):
      keys[key] = f'image {match[1]}'
    elif match := re.fullmatch(r'out/skip_rgb_(\d+)', key):
      keys[key] = f'image {4 * 2 ** int(match[1])}'
  return keys


def _ours(
  generator: generators.Generator,
  z: np.ndarray,
  labels: np.ndarray | None,
  run: _Run,
) -> _Quantities:
  """Every quantity that a file may have, by name, as the library has it."""
  architecture = generator.architecture
  assert isinstance(architecture, stylegan2.StyleGAN2)
  sampling = generators.Sampling(run.psi, run.cutoff)

  @jax.jit
  def outputs(generator: generators.Generator) -> Any:
    w = architecture.map(generator.params, z, labels)
    ws = generators.styles(generator, z, sampling, 'z', labels)
    (rgb, pyramid), state = stylegan2.Synthesis(architecture).apply(
      {'params': generator.params['synthesis']},
      ws,
      generator.noise,
      capture_intermediates=True,
    )
    return w, ws, rgb, pyramid, state['intermediates']

  w, ws, rgb, pyramid, layers = outputs(generator)
  found = {'w': w, 'ws': ws, 'rgb': rgb, 'pyramid': pyramid}
  for i, level in enumerate(pyramid.levels):
    found[f'features {i}'] = level
  for resolution in architecture.resolutions:
    block = layers[f'block_{resolution}']
    found[f'image {resolution}'] = block['__call__'][0][-1]
    for name in ('conv_0', 'conv_1', 'to_rgb'):
      if name in block:
        found[f'block_{resolution} {name}'] = block[name]['__call__'][0]
    if 'skip' in block:  # theirs has the weight of the sum in it
      found[f'block_{resolution} conv_1'] *= math.sqrt(0.5)
  return found


def _exact(
  generator: generators.Generator,
  z: np.ndarray,
  labels: np.ndarray | None,
  run: _Run,
) -> _Quantities:
  """The same in float64; only the constant among the features is left out."""
  architecture = generator.architecture
  assert isinstance(architecture, stylegan2.StyleGAN2)
  w = reference.map_latents(generator.params['mapping'], z, labels)
  mean = np.asarray(generator.w_avg, np.float64)
  scale = np.where(np.arange(len(mean)) < run.cutoff, run.psi, 1.0)[:, None]
  ws = mean + scale * (w[:, None] - mean)
  outputs = reference.synthesize(
    generator.params['synthesis'],
    ws,
    generator.noise and [np.asarray(noise) for noise in generator.noise],
    architecture.block,
    architecture.conv_clamp,
  )
  found = {'w': w, 'ws': ws, 'rgb': outputs.rgb}
  for path, value in outputs.layers.items():
    found[path.replace('/', ' ')] = value
  for block, value in outputs.images.items():
    found[block.replace('block_', 'image ')] = value
  found['features 1'] = outputs.layers['block_4']
  for i, resolution in enumerate(architecture.resolutions[1:], 1):
    block = f'block_{resolution}'
    found[f'features {2 * i}'] = outputs.layers[f'{block}/conv_0']
    found[f'features {2 * i + 1}'] = outputs.layers[block]
  return found


def _compare(
  vectors: checks.Vectors,
  key: str,
  name: str,
  ours: _Quantities,
  exact: _Quantities,
) -> checks.Check:
  theirs = vectors.image(key) if vectors[key].ndim == 4 else vectors[key]
  if name not in ours or ours[name] is None:
    raise checks.MismatchError(f'{key} is of a layer that there is not.')
  error = _stated(vectors, name)
  if error is None and name in exact and exact[name].shape == theirs.shape:
    cap = checks.relative_error(theirs)
    error = checks.measured_error(theirs, exact[name], cap)
  quantity = name
  if name in ('ws', 'rgb'):  # of several truncations
    quantity = re.sub(r'out/(ws|img)_', rf'{name} ', key)
    quantity = quantity.removeprefix('out/')
  return checks.compare(quantity, ours[name], theirs, error)


def _stated(vectors: checks.Vectors, name: str) -> float | None:
  """The reference's own error of a quantity, if the file says it."""
  errors = vectors.meta.get('err_f32_vs_f64', {})
  kind, _, index = name.partition(' ')
  if kind == 'features':
    return dict(enumerate(errors.get('feats', ()))).get(int(index))
  if kind == 'image':  # a sum of fewer terms of the same size
    kind = 'rgb'
  # How far two float32 implementations of the reference are apart.
  apart = ('ada_vs_editgan_max_err', 'fused_vs_unfused_max_err')
  if kind == 'rgb' and not errors:
    return max(vectors.meta.get(key, 0) for key in apart) or None
  return errors.get(kind)


def _check_images(
  vectors: checks.Vectors, rgb: jax.Array
) -> list[checks.Check]:
  results = []
  for key in ('image_u8', 'generate_py_u8'):
    if f'out/{key}' in vectors:
      theirs = vectors[f'out/{key}']
      shown = rgb[: len(theirs)]
      error = _stated(vectors, 'rgb') or checks.relative_error(np.asarray(rgb))
      results.append(
        checks.compare_images(
          key.removesuffix('_u8'),
          pyramid_lib.to_uint8(shown),
          theirs,
          shown,
          error,
        )
      )
  return results


def _check_pixels(
  vectors: checks.Vectors,
  generator: generators.Generator,
  ours: _Quantities,
) -> list[checks.Check]:
  """Feature vectors of pixels of the first image, counted row by row."""
  if 'out/features_px' not in vectors:
    return []
  canvas = pyramid_lib.Canvas.of(generator.architecture.resolution)
  x = parity_end_to_end.pixels(
    ours['pyramid'], canvas, vectors['out/pixel_index']
  )
  stated = vectors.meta.get('err_f32_vs_f64', {}).get('feats')
  return [
    checks.compare(
      'features', x, vectors['out/features_px'], stated and max(stated)
    )
  ]
