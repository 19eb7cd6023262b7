"""Vectors of the StyleGAN1 generator and of single layers."""

import re
from typing import Any

import jax
import numpy as np

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.generators import generator as generators
from dgan_jax.generators import layers, stylegan1
from tests import parity_checks as checks
from tests import released

# What PyTorch calls the layers that ours have a name for.
_LAYERS = {
  'conv0_up': 'conv_up',
  'epi1.style_mod': 'epilogue_1',
  'conv': 'conv',
  'conv1': 'conv',
  'epi2.style_mod': 'epilogue_2',
}


def load(vectors: checks.Vectors) -> generators.Generator:
  """The generator that a file holds."""
  noise = vectors.group('in/noise_')
  return released.generator(
    {k: v for k, v in vectors.group('sd/').items() if k.startswith('g_')},
    vectors['in/avg_latent'],
    {f'noise{int(number)}': value for number, value in noise.items()},
    source=vectors.path.name,
  )


@jax.jit(static_argnames=('psi', 'truncation_layers'))
def synthesize(
  generator: generators.Generator,
  z: jax.Array,
  psi: float,
  truncation_layers: int,
) -> tuple[jax.Array, jax.Array, pyramid_lib.FeaturePyramid]:
  """ws, rgb and features of z [batch, latent_size], with constant noise."""
  sampling = generators.Sampling(psi, truncation_layers)
  ws = generators.styles(generator, z, sampling, 'z')
  rgb, pyramid = generator.architecture.synthesize(
    generator.params, ws, generator.noise
  )
  return ws, rgb, pyramid


def truncation(vectors: checks.Vectors) -> tuple[float, int]:
  """psi and the number of rows it acts on."""
  return vectors.meta.get('psi', 0.7), vectors.meta.get('max_layer', 8)


def check_outputs(
  vectors: checks.Vectors, ws: Any, rgb: Any
) -> list[checks.Check]:
  """Truncated w and rgb, which files of several kinds have."""
  stated = vectors.meta.get('max_abs_err_f32_vs_f64', {})
  theirs = vectors['out/w_trunc'][:, : ws.shape[1]]
  return [
    checks.compare('w_trunc', ws, theirs, stated.get('w_trunc')),
    checks.compare('rgb', rgb, vectors.image('out/rgb'), stated.get('rgb')),
  ]


def rgb_error(vectors: checks.Vectors, rgb: Any) -> float:
  """The reference's error of rgb, of which a file need not have its own."""
  stated = vectors.meta.get('max_abs_err_f32_vs_f64', {})
  return stated.get('rgb') or checks.relative_error(rgb)


def check(vectors: checks.Vectors) -> list[checks.Check]:
  """z to image and features, and single layers on the way."""
  generator = load(vectors)
  z = vectors['in/z']
  stated = vectors.meta.get('max_abs_err_f32_vs_f64', {})
  ws, rgb, pyramid = synthesize(generator, z, *truncation(vectors))
  w = jax.jit(generator.architecture.map)(generator.params, z)
  results = [checks.compare('w', w, vectors['out/w'], stated.get('w_trunc'))]
  results += check_outputs(vectors, ws, rgb)
  results.append(
    checks.compare_images(
      'image',
      pyramid_lib.to_uint8(rgb),
      vectors['out/image_u8'],
      rgb,
      rgb_error(vectors, rgb),
    )
  )
  level_errors = stated.get('feats', [None] * len(pyramid.levels))
  for i, (level, error) in enumerate(
    zip(pyramid.levels, level_errors, strict=True)
  ):
    theirs = vectors.image(f'out/feat_{i:02d}')
    results.append(checks.compare(f'features {i}', level, theirs, error))
  return results + _check_layers(vectors, generator, ws)


def _check_layers(
  vectors: checks.Vectors, generator: generators.Generator, ws: jax.Array
) -> list[checks.Check]:
  """The outputs of layers that the file has (`dbg/`) and ours gives."""
  names = {}
  for key in vectors.group('dbg/'):
    match = re.fullmatch(r'g_synthesis\.blocks\.(\d+)x\1\.(.+)', key)
    if match and match[2] in _LAYERS:
      names[key] = (f'block_{match[1]}', _LAYERS[match[2]])
  if not names:
    return []
  architecture = generator.architecture
  assert isinstance(architecture, stylegan1.StyleGAN1)

  @jax.jit
  def run(generator: generators.Generator, ws: jax.Array) -> Any:
    _, state = stylegan1.Synthesis(architecture).apply(
      {'params': generator.params['synthesis']},
      ws,
      generator.noise,
      capture_intermediates=True,
    )
    return state['intermediates']

  outputs = run(generator, ws)
  stated = vectors.meta.get('max_abs_err_f32_vs_f64', {}).get('feats')
  results = []
  for key, (block, name) in names.items():
    ours = outputs[block][name]['__call__'][0]
    level = 2 * architecture.resolutions.index(ours.shape[1])
    error = stated and max(stated[level : level + 2])
    quantity = f'{block} {name}'
    theirs = vectors.image(f'dbg/{key}')
    results.append(checks.compare(quantity, ours, theirs, error))
  return results


def check_units(vectors: checks.Vectors) -> list[checks.Check]:
  """Single layers: conversion, upsampling, up-convolution, blur, norm."""
  eight_bit = pyramid_lib.to_uint8(vectors['process_image/in'])
  wrong = np.asarray(eight_bit) != vectors['process_image/out_u8']
  results = [checks.Check('to_uint8', int(wrong.sum()), 0)]

  def add(name: str, ours: Any, key: str) -> None:
    theirs = vectors.image(key)
    error = checks.ROUNDINGS * max(1.0, np.abs(theirs).max())
    results.append(checks.compare(name, ours, theirs, error))

  for key in vectors.group('upsample/out_'):
    source, size = re.match(r'(\d+)_to_(\d+)', key).groups()  # type: ignore[union-attr]
    x = vectors.image(f'upsample/in_{source}')
    ours = jax.jit(pyramid_lib.resize, static_argnums=1)(x, (int(size),) * 2)
    add(f'resize {source} to {size}', ours, f'upsample/out_{key}')
  blur = jax.jit(layers.blur)
  scale = np.float32(vectors.meta['upconv_w_mul'])
  kernel = vectors['upconv/weight'].transpose(2, 3, 1, 0) * scale
  for key in vectors.group('upconv/out_'):
    size, form = key.split('_')
    x = vectors.image(f'upconv/in_{int(size) // 2}')
    oriented = kernel[::-1, ::-1] if form == 'fused' else kernel
    y = blur(jax.jit(layers.upsample_conv)(x, oriented))
    ours = layers.add_channels(y, vectors['upconv/bias'])
    add(f'upsample_conv {form}', ours, f'upconv/out_{key}')
  add('blur', blur(vectors.image('blur/in')), 'blur/out')
  for key in vectors.group('instance_norm/in'):
    x = vectors.image(f'instance_norm/in{key}')
    ours = jax.jit(layers.instance_norm)(x, 1e-5)
    add(f'instance_norm{key}', ours, f'instance_norm/out{key}')
  return results
