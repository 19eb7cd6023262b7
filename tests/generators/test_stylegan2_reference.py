"""The reference in float64 gives what the stored vectors have."""

import json
import pathlib

import numpy as np
import pytest

from tests.generators import stylegan2_reference as reference

_GOLDENS = pathlib.Path(__file__).parents[1] / 'goldens'
_SIZES = (4, 8, 16, 32, 64)
_NAMES = ['block_4/conv_1'] + [
  f'block_{size}/{name}' for size in _SIZES[1:] for name in ('conv_0', 'conv_1')
]


def _read(name):
  with np.load(_GOLDENS / name) as archive:
    arrays = dict(archive)
  weights = {k[3:]: v for k, v in arrays.items() if k.startswith('sd/')}
  return arrays, json.loads(str(arrays['meta'])), weights


def _dense(weights, name):
  return {
    'kernel': weights[f'{name}.weight'].T,
    'bias': weights[f'{name}.bias'],
  }


def _from_ada(weights):
  """Parameters and noise maps of a StyleGAN2-ADA state dict."""
  synthesis, noise = {}, []
  for size in _SIZES:
    block = synthesis[f'block_{size}'] = {}
    for name in ('conv0', 'conv1', 'torgb'):
      prefix = f'synthesis.b{size}.{name}'
      if f'{prefix}.weight' not in weights:
        continue
      kernel = weights[f'{prefix}.weight'].transpose(2, 3, 1, 0)
      block['to_rgb' if name == 'torgb' else f'conv_{name[-1]}'] = layer = {
        'kernel': kernel[0, 0] if name == 'torgb' else kernel,
        'bias': weights[f'{prefix}.bias'],
        'style': _dense(weights, f'{prefix}.affine'),
      }
      if name != 'torgb':
        layer['noise_strength'] = weights[f'{prefix}.noise_strength']
        noise.append(weights[f'{prefix}.noise_const'][None, :, :, None])
  synthesis['block_4']['const'] = weights['synthesis.b4.const'].transpose(
    1, 2, 0
  )
  mapping = {f'dense_{i}': _dense(weights, f'mapping.fc{i}') for i in range(8)}
  return mapping, synthesis, noise


def _from_editgan(weights):
  """Parameters and noise maps of an EditGAN state dict."""
  convolutions = ['conv1', *(f'convs.{i}' for i in range(8))]
  to_rgbs = ['to_rgb1', *(f'to_rgbs.{i}' for i in range(4))]
  synthesis = {f'block_{size}': {} for size in _SIZES}
  for path, name in zip(_NAMES, convolutions, strict=True):
    block, layer = path.split('/')
    synthesis[block][layer] = {
      'kernel': weights[f'{name}.conv.weight'][0].transpose(2, 3, 1, 0),
      'bias': weights[f'{name}.activate.bias'],
      'noise_strength': weights[f'{name}.noise.weight'][0],
      'style': _dense(weights, f'{name}.conv.modulation'),
    }
  for size, name in zip(_SIZES, to_rgbs, strict=True):
    synthesis[f'block_{size}']['to_rgb'] = {
      'kernel': weights[f'{name}.conv.weight'][0, :, :, 0, 0].T,
      'bias': weights[f'{name}.bias'].reshape(3),
      'style': _dense(weights, f'{name}.conv.modulation'),
    }
  const = weights['input.input'][0].transpose(1, 2, 0)
  synthesis['block_4']['const'] = const
  noise = [weights[f'noises.noise_{i}'].transpose(0, 2, 3, 1) for i in range(9)]
  mapping = {f'dense_{i}': _dense(weights, f'style.{i + 1}') for i in range(8)}
  return mapping, synthesis, noise


def _differs(ours, theirs):
  """The largest difference; theirs is [batch, channels, height, width]."""
  return np.abs(ours - theirs.transpose(0, 2, 3, 1)).max()


def test_it_is_as_far_from_the_editgan_vectors_as_they_say_float64_is():
  arrays, meta, weights = _read('stylegan2_editgan_r64.npz')
  mapping, synthesis, noise = _from_editgan(weights)
  w = reference.map_latents(mapping, arrays['in/z'])
  np.testing.assert_allclose(w, arrays['out/w'], rtol=2e-6, atol=2e-6)
  mean = arrays['in/mean_latent']
  ws = (mean + meta['psi'] * (w - mean))[:, None].repeat(10, 1)
  np.testing.assert_allclose(ws, arrays['out/w_trunc'], atol=2e-6)
  outputs = reference.synthesize(synthesis, ws, noise)
  stated = meta['err_f32_vs_f64']
  error = _differs(outputs.rgb, arrays['out/rgb'])
  assert error == pytest.approx(stated['rgb'], rel=0.3)
  for i, name in enumerate(_NAMES):
    error = _differs(outputs.layers[name], arrays[f'out/feat_{i + 1:02d}'])
    assert error == pytest.approx(stated['feats'][i + 1], rel=0.3), name
  for i, size in enumerate(_SIZES):
    error = _differs(
      outputs.images[f'block_{size}'], arrays[f'out/skip_rgb_{i:02d}']
    )
    assert error < 2 * stated['rgb'], size


def test_it_gives_the_stylegan2_ada_vectors():
  arrays, _, weights = _read('stylegan2_ada_r64.npz')
  mapping, synthesis, noise = _from_ada(weights)
  w = reference.map_latents(mapping, arrays['in/z'])
  np.testing.assert_allclose(w, arrays['out/w'], rtol=2e-6, atol=2e-6)
  mean = weights['mapping.w_avg'].astype(np.float64)
  for name, psi, cutoff in (('psi0.7', 0.7, 10), ('psi0.5_cutoff6', 0.5, 6)):
    scale = np.where(np.arange(10) < cutoff, psi, 1)[:, None]
    ws = mean + scale * (w - mean)[:, None]
    theirs = arrays[f'out/ws_{name}']
    np.testing.assert_allclose(ws, theirs, rtol=2e-6, atol=2e-6)
    outputs = reference.synthesize(synthesis, ws, noise, conv_clamp=256)
    assert _differs(outputs.rgb, arrays[f'out/img_{name}']) < 4e-6
    if cutoff == 10:
      layers = outputs
  for size in _SIZES:
    block = f'block_{size}'
    theirs = arrays[f'out/skip_img/b{size}']
    assert _differs(layers.images[block], theirs) < 4e-6
    for ours, name in (
      ('conv_0', 'conv0'),
      ('conv_1', 'conv1'),
      ('to_rgb', 'torgb'),
    ):
      key = f'out/layer/b{size}.{name}'
      if key in arrays:
        error = _differs(layers.layers[f'{block}/{ours}'], arrays[key])
        assert error < 1e-5, key
