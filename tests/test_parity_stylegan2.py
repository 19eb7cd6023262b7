"""StyleGAN2 vectors that the command has never seen are checked too.

They are of networks of other sizes, computed in float64 by the reference and
then made wrong by as much as float32 would be.
"""

import json
import pathlib

import jax
import numpy as np
import pytest

from dgan_jax.checkpoints.formats import torch_writer
from dgan_jax.checkpoints.origins import known_origins
from dgan_jax.generators import stylegan2
from tests import parity, small
from tests.checkpoints import ada_pickle as checkpoints
from tests.generators import stylegan2_reference as reference

_MINI = pathlib.Path(__file__).parent / 'goldens' / 'mini_ckpt'
_BATCH = 2
_PSI, _CUTOFF = 0.6, 3
_ERROR = 3e-6


def _generator(resolution=16, channels=(6, 5, 7), latent_size=8, **options):
  made = small.generator(
    resolution, channels, latent_size, kind=stylegan2.StyleGAN2, **options
  )
  mapping = {
    name: value if name == 'embed' else jax.tree.map(lambda x: 100 * x, value)
    for name, value in made.params['mapping'].items()
  }
  # Files have one mean, for all rows.
  w_avg = np.broadcast_to(made.w_avg[:1], made.w_avg.shape)
  params = {**made.params, 'mapping': mapping}
  return made.replace(params=params, w_avg=w_avg)


def _blur(value):
  rng = np.random.default_rng(value.size)
  noise = rng.uniform(-1, 1, value.shape) * np.abs(value).max() * _ERROR
  return np.asarray(value + noise, np.float32)


def _nchw(value):
  return _blur(value).transpose(0, 3, 1, 2)


def _run(generator, psi, cutoff, labels=None):
  """z, w, ws and outputs, by the reference."""
  architecture = generator.architecture
  z = np.random.default_rng(5).normal(size=(_BATCH, architecture.latent_size))
  z = z.astype(np.float32)
  w = reference.map_latents(generator.params['mapping'], z, labels)
  mean = np.asarray(generator.w_avg, np.float64)
  scale = np.where(np.arange(len(mean)) < cutoff, psi, 1)[:, None]
  ws = mean + scale * (w[:, None] - mean)
  outputs = reference.synthesize(
    generator.params['synthesis'],
    ws,
    generator.noise and [np.asarray(x) for x in generator.noise],
    architecture.block,
    architecture.conv_clamp,
  )
  return z, w, ws, outputs


def _ada_file(path, generator, labels=None, noise_mode='const'):
  """A file laid out as the one of StyleGAN2-ADA."""
  architecture = generator.architecture
  state_dict = checkpoints.state_dict(known_origins.ADA, generator)
  if noise_mode == 'none':
    generator = generator.replace(noise=None)
  content = {f'sd/{key}': value for key, value in state_dict.items()}
  rows = architecture.num_ws
  for name, cutoff in ((f'psi{_PSI}_cutoff{_CUTOFF}', _CUTOFF), ('psi1', rows)):
    psi = 1 if cutoff == rows else _PSI
    z, w, ws, outputs = _run(generator, psi, cutoff, labels)
    content[f'out/ws_{name}'] = _blur(ws)
    content[f'out/img_{name}'] = _nchw(outputs.rgb)
  content |= {'in/z': z, 'out/w': _blur(w)}
  if labels is not None:
    content['in/c'] = np.eye(architecture.num_labels, dtype=np.float32)[labels]
  for key, value in outputs.layers.items():
    if '/' in key:
      name = key.replace('block_', 'b').replace('/', '.').replace('_', '')
      content[f'out/layer/{name}'] = _nchw(value)
  for key, value in outputs.images.items():
    content[f'out/skip_img/{key.replace("block_", "b")}'] = _nchw(value)
  meta = {
    'init_kwargs': {
      'c_dim': architecture.num_labels,
      'synthesis_kwargs': {
        'architecture': architecture.block,
        'conv_clamp': architecture.conv_clamp,
      },
    },
    'noise_mode': noise_mode,
  }
  np.savez(path, meta=json.dumps(meta), **content)


def _editgan_file(path, generator, has_weights=True):
  """A file laid out as the one of EditGAN."""
  rows = generator.architecture.num_ws
  z, w, ws, outputs = _run(generator, _PSI, rows)
  content = {
    'in/z': z,
    'in/mean_latent': generator.w_avg[:1],
    'out/w': _blur(w),
    'out/w_trunc': _blur(ws),
    'out/rgb': _nchw(outputs.rgb),
  }
  if has_weights:
    state_dict = checkpoints.state_dict(known_origins.EDITGAN, generator)
    content |= {f'sd/{key}': value for key, value in state_dict.items()}
  convolutions = [k for k in outputs.layers if '/conv' in k]
  for i, key in enumerate(convolutions, 1):
    content[f'out/feat_{i:02d}'] = _nchw(outputs.layers[key])
  for i, value in enumerate(outputs.images.values()):
    content[f'out/skip_rgb_{i:02d}'] = _nchw(value)
  np.savez(path, meta=json.dumps({'psi': _PSI}), **content)


def _change(path, key, amount):
  with np.load(path) as archive:
    content = dict(archive)
  content[key].flat[-1] += amount
  np.savez(path, **content)


def _failed(capsys):
  """The quantities that failed."""
  rows = capsys.readouterr().out.splitlines()
  return [row[41:65].strip() for row in rows if row.endswith(' FAIL')]


@pytest.mark.parametrize(
  ('options', 'labels', 'noise_mode'),
  [
    ({}, None, 'const'),
    ({'conv_clamp': 2.0}, None, 'const'),
    ({'block': 'resnet', 'conv_clamp': 2.0}, None, 'none'),
    ({'block': 'orig'}, None, 'const'),
    ({'num_labels': 4}, [3, 1], 'const'),
    (
      {'resolution': 32, 'channels': (8, 8, 3, 5), 'latent_size': 64},
      None,
      'const',
    ),
  ],
)
def test_stylegan2_ada_files_of_other_networks_are_checked(
  tmp_path, capsys, options, labels, noise_mode
):
  path = tmp_path / 'unseen.npz'
  generator = _generator(**options)
  _ada_file(path, generator, labels, noise_mode)
  assert parity.main([str(path)]) == 0
  # Both truncations, w, and every layer and image.
  stages = len(generator.architecture.channels)
  images = stages if generator.architecture.block == 'skip' else 1
  compared = 2 * 2 + 1 + 2 * stages - 1 + 2 * images
  assert capsys.readouterr().out.count(' ok') == compared


@pytest.mark.parametrize(
  ('key', 'quantity'),
  [
    ('out/layer/b8.conv0', 'block_8 conv_0'),
    (f'out/img_psi{_PSI}_cutoff{_CUTOFF}', f'rgb psi{_PSI}_cutoff{_CUTOFF}'),
  ],
)
def test_a_wrong_number_in_them_fails(tmp_path, capsys, key, quantity):
  path = tmp_path / 'unseen.npz'
  _ada_file(path, _generator())
  _change(path, key, 1e-2)
  assert parity.main([str(path)]) == 1
  assert _failed(capsys) == [quantity]


def test_another_class_fails(tmp_path, capsys):
  path = tmp_path / 'unseen.npz'
  _ada_file(path, _generator(num_labels=4), [3, 1])
  with np.load(path) as archive:
    content = dict(archive)
  content['in/c'] = content['in/c'][::-1]
  np.savez(path, **content)
  assert parity.main([str(path)]) == 1
  assert 'w' in _failed(capsys)


@pytest.mark.parametrize(
  'options',
  [{}, {'resolution': 8, 'channels': (3, 4), 'latent_size': 16}],
)
def test_editgan_files_of_other_networks_are_checked(tmp_path, capsys, options):
  path = tmp_path / 'unseen.npz'
  generator = _generator(**options)
  _editgan_file(path, generator)
  assert parity.main([str(path)]) == 0
  stages = len(generator.architecture.channels)
  assert capsys.readouterr().out.count(' ok') == 3 + 2 * stages - 1 + stages

  _change(path, 'out/feat_03', 1e-2)
  assert parity.main([str(path)]) == 1
  assert _failed(capsys) == ['features 3']


def test_the_checkpoint_beside_a_file_is_what_is_checked(tmp_path, capsys):
  path = tmp_path / 'cars.expected.npz'
  generator = _generator()
  state_dict = checkpoints.state_dict(known_origins.EDITGAN, generator)
  torch_writer.write(tmp_path / 'cars.pt', state_dict, wrapper='g_ema')
  for has_weights in (False, True):
    _editgan_file(path, generator, has_weights)
    assert parity.main([str(path)]) == 0
    compared = capsys.readouterr().out
    assert ('weights read' in compared) == has_weights

  _change(path, 'sd/convs.1.conv.weight', 1e-6)
  assert parity.main([str(path)]) == 1
  assert _failed(capsys) == ['weights read']


def test_without_weights_or_a_checkpoint_there_is_nothing_to_check(
  tmp_path, capsys
):
  _editgan_file(tmp_path / 'cars.expected.npz', _generator(), False)
  assert parity.main([str(tmp_path / 'cars.expected.npz')]) == 1
  assert "the array 'sd/' is missing" in capsys.readouterr().out


@pytest.mark.parametrize(
  ('vectors', 'checkpoint'),
  [
    # Written by TensorFlow, the same network.
    ('mini_stylegan2_ada_r32.expected.npz', 'mini_stylegan2_tf_r32.pkl'),
    ('../stylegan2_editgan_r64.npz', 'mini_stylegan2_editgan_r64.pt'),
  ],
)
def test_a_checkpoint_gives_the_vectors_of_its_network(
  capsys, vectors, checkpoint
):
  arguments = [str(_MINI / vectors), '--generator', str(_MINI / checkpoint)]
  assert parity.main(arguments) == 0
  assert 'weights read' in capsys.readouterr().out


def test_a_checkpoint_of_another_network_fails(capsys):
  arguments = [
    str(_MINI / 'mini_stylegan2_ada_r32.expected.npz'),
    '--generator',
    str(_MINI / 'mini_stylegan1_tf_r32.pkl'),
  ]
  assert parity.main(arguments) == 1
  assert 'The checkpoint is a StyleGAN1' in capsys.readouterr().out
