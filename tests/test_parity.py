"""The vectors kept here pass, and the command says so, whatever it is given."""

import json
import pathlib

import jax
import numpy as np
import pytest

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.checkpoints.formats import torch_format
from dgan_jax.checkpoints.origins import (
  arrays_to_generator,
  known_origins,
  release_files,
)
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import labelling
from tests import parity, parity_checks, parity_interpreter, small

_GOLDENS = pathlib.Path(__file__).parent / 'goldens'
# What is compared in each.
_FILES = {
  'car_crop_and_interpolate_r64_tiny.npz': 12,
  'interpreter_training_20_classes.npz': 40,
  'mini_ckpt/expected.npz': 12,
  'mini_ckpt/mini_stylegan1_tf_r32.expected.npz': 3,
  'mini_ckpt/mini_stylegan2_ada_r32.expected.npz': 3,
  'stylegan1_r32_small.npz': 19,
  'stylegan2_ada_r64.npz': 26,
  'stylegan2_editgan_r64.npz': 20,
  'units.npz': 9,
}


@pytest.mark.parametrize(('name', 'quantities'), _FILES.items())
def test_the_vectors_of_the_reference_are_matched(name, quantities, capsys):
  assert parity.main([str(_GOLDENS / name)]) == 0
  rows = capsys.readouterr().out.splitlines()
  assert len(rows) == 1 + quantities
  assert all(row.endswith(' ok') for row in rows[1:])


def _changed(tmp_path, name, change):
  """A copy of a vector file with changed arrays, beside what it was beside."""
  source = _GOLDENS / name
  with np.load(source) as archive:
    arrays = dict(archive)
  change(arrays)
  for neighbour in source.parent.iterdir():  # the checkpoints it is about
    (tmp_path / neighbour.name).symlink_to(neighbour)
  copy = tmp_path / source.name
  copy.unlink()
  np.savez(copy, **arrays)
  return str(copy)


@pytest.mark.parametrize(
  ('name', 'key', 'amount', 'quantity'),
  [
    ('stylegan1_r32_small.npz', 'out/rgb', 1e-4, 'rgb'),
    ('stylegan1_r32_small.npz', 'out/feat_03', 1e-4, 'features 3'),
    ('stylegan1_r32_small.npz', 'out/image_u8', 1, 'image'),
    ('mini_ckpt/expected.npz', 'out/rgb', 1e-3, 'rgb'),
    ('mini_ckpt/expected.npz', 'out/cls34/js', 1e-3, 'js'),
    ('mini_ckpt/expected.npz', 'out/cls34/logits', 1e-2, 'logits'),
    ('mini_ckpt/expected.npz', 'out/cls34/label', 1, 'label'),
    ('stylegan2_ada_r64.npz', 'out/layer/b16.conv0', 3e-4, 'block_16 conv_0'),
    ('stylegan2_ada_r64.npz', 'out/img_psi0.5_cutoff6', 1e-5, 'rgb psi0.5_'),
    ('stylegan2_ada_r64.npz', 'out/ws_psi0.7', 2e-4, 'ws psi0.7'),
    ('stylegan2_ada_r64.npz', 'out/generate_py_u8', 1, 'generate_py'),
    ('stylegan2_editgan_r64.npz', 'out/skip_rgb_02', 1e-5, 'image 16'),
    ('stylegan2_editgan_r64.npz', 'out/feat_05', 2e-5, 'features 5'),
    ('stylegan2_editgan_r64.npz', 'out/features_px', 2e-5, 'features '),
    (
      'mini_ckpt/mini_stylegan2_ada_r32.expected.npz',
      'sd_G_ema/synthesis.b8.conv0.weight',
      1e-6,
      'weights read',
    ),
    (
      'mini_ckpt/mini_stylegan1_tf_r32.expected.npz',
      'out/rgb_official_tf_eps1e-8',
      2e-4,
      'rgb_official_tf',
    ),
    ('interpreter_training_20_classes.npz', 'out/loss', 1e-5, 'loss'),
    (
      'interpreter_training_20_classes.npz',
      'final/module.layers.6.bias',
      1e-6,
      'final 6.bias',
    ),
    ('units.npz', 'blur/out', 1e-5, 'blur'),
  ],
)
def test_a_number_that_is_off_fails(
  tmp_path, capsys, name, key, amount, quantity
):
  def change(arrays):
    # One pixel that every member is sure of; all of them have one.
    arrays[key].reshape(-1)[1000 % arrays[key].size] += amount

  assert parity.main([_changed(tmp_path, name, change)]) == 1
  failed = [
    row for row in capsys.readouterr().out.splitlines() if row.endswith(' FAIL')
  ]
  assert len(failed) == 1
  assert quantity in failed[0]


@pytest.fixture(scope='module')
def interpreter_vectors(tmp_path_factory):
  """A file of the kind that holds features and members, of 34 classes.

  Logits, uncertainty, labels and margins are the reference's own, of the
  mini checkpoints, the surest pixels first; the statistics between them are
  those of its logits.
  """
  folder = _GOLDENS / 'mini_ckpt'
  with np.load(folder / 'expected.npz') as archive:
    x = archive['out/features_px_first256']
    theirs = {
      name: archive[f'out/cls34/{name}'].reshape(-1)[: len(x)]
      for name in ('js', 'label', 'min_margin')
    }
    logits = archive['out/cls34/logits']
  order = np.argsort(-theirs['min_margin'])
  x, logits = x[order], logits[:, order]
  theirs = {name: value[order] for name, value in theirs.items()}
  exact = parity_interpreter.exact_statistics(logits.astype(np.float64))
  path = tmp_path_factory.mktemp('interpreter') / 'features.npz'
  np.savez(
    path,
    **{
      f'sd/member_{i}/{key}': value
      for i, file in enumerate(
        release_files.member_files(str(folder / 'interpreter_34'))
      )
      for key, value in torch_format.read(file).items()
    },
    **{f'out/{k}': v.astype(np.float32) for k, v in exact.items()}
    | {f'out/{k}': v for k, v in theirs.items()},
    **{
      'in/features': x,
      'out/logits': logits,
      'out/votes': logits.argmax(-1).T,
    },
  )
  return path


def test_a_file_of_features_and_members_is_checked(interpreter_vectors, capsys):
  assert parity.main([str(interpreter_vectors)]) == 0
  assert capsys.readouterr().out.count(' ok') == 8


@pytest.mark.parametrize(
  ('key', 'amount', 'quantity'),
  [
    ('out/logits', 1e-2, 'logits'),
    ('out/js', 1e-4, 'js'),
    ('out/member_entropy', 1e-4, 'member_entropy'),
    ('out/mean_softmax', 1e-4, 'mean_softmax'),
    ('out/votes', 1, 'votes'),
    ('out/label', 1, 'label'),
  ],
)
def test_a_statistic_that_is_off_fails(
  interpreter_vectors, tmp_path, capsys, key, amount, quantity
):
  with np.load(interpreter_vectors) as archive:
    arrays = dict(archive)
  arrays[key].flat[0] += amount  # of the surest pixel
  np.savez(tmp_path / 'changed.npz', **arrays)
  assert parity.main([str(tmp_path / 'changed.npz')]) == 1
  failed = [
    row for row in capsys.readouterr().out.splitlines() if row.endswith(' FAIL')
  ]
  assert [row.split()[1] for row in failed] == [quantity]


def test_nan_fails():
  assert not parity_checks.compare('x', [np.nan, 0], np.zeros(2)).passed


def test_labels_may_differ_only_where_a_member_wavers():
  ours, theirs = np.array([1, 2, 3]), np.array([1, 2, 4])
  for margin, errors in (([1, 1, 1e-4], 0), ([1, 1, 1e-2], 1)):
    found = parity_checks.compare_labels('x', ours, theirs, np.array(margin))
    assert found.error == errors


def test_eight_bit_images_may_differ_only_next_to_an_integer():
  rgb = np.array([0, 0.5 / 127.5, 0])  # 128, 128.5, 128
  ours = np.array([128, 128, 128], np.uint8)
  for theirs, errors in (([127, 128, 129], 0), ([128, 129, 128], 1)):
    theirs = np.array(theirs, np.uint8)
    found = parity_checks.compare_images('x', ours, theirs, rgb, 1e-5)
    assert found.error == errors
  far = parity_checks.compare_images('x', ours, ours + np.uint8(2), rgb, 1e-5)
  assert far.error == 3


def _unseen(tmp_path, generator, interpreter, rows):
  """A generator file and an end-to-end file of other sizes, made by us."""
  architecture, spec = generator.architecture, interpreter.spec
  latent_size = architecture.latent_size
  z = np.random.default_rng(0).normal(size=(2, latent_size)).astype(np.float32)
  sampling = generators.Sampling(0.5, 3, rows=rows)
  canvas = sampling.canvas(architecture)

  @jax.jit
  def run(generator, interpreter):
    image, pyramid = generators.sample_latents(generator, z, None, sampling)
    labels = labelling.label(interpreter, pyramid, canvas)
    x = pyramid_lib.hypercolumns(pyramid, canvas).reshape(-1, spec.num_features)
    return image, labels, x, small.logits(interpreter, x)

  image, labels, x, logits = run(generator, interpreter)
  top = np.sort(logits, axis=-1)
  inputs = {'in/z': z, 'in/avg_latent': generator.w_avg}
  for i, noise in enumerate(generator.noise):
    inputs[f'in/noise_{i:02d}'] = noise.transpose(0, 3, 1, 2)
  weights = arrays_to_generator.write(
    known_origins.RELEASE, generator.architecture, generator.params
  )
  meta = {'psi': 0.5, 'max_layer': 3}
  np.savez(
    tmp_path / 'weights.npz',
    meta=json.dumps(meta),
    **inputs,
    **{f'sd/{k}': v for k, v in weights.items()},
  )
  members = release_files.interpreter_to_release(interpreter)
  meta = {'generator': 'weights.npz (see there)', 'crop_rows': rows}
  np.savez(
    tmp_path / 'unseen.npz',
    meta=json.dumps(meta),
    **{
      f'sd/member_{i}/{k}': v
      for i, member in enumerate(members)
      for k, v in member.items()
    },
    **{
      'in/z': z,
      'in/pixel_index': np.arange(0, canvas.width, 3),
      'out/image_u8': image,
      'out/label': labels.mask,
      'out/js': labels.uncertainty,
      'out/score': labels.score,
      'out/min_margin': (top[..., -1] - top[..., -2]).min(0),
      'out/features_px0': x[: canvas.width : 3],
    },
  )


@pytest.mark.parametrize(
  ('generator', 'classes', 'rows'),
  [
    (small.generator(8, (5, 3), 7), 3, None),
    (small.generator(16, (4, 6, 2), 32), 40, (3, 12)),
  ],
)
def test_files_of_other_sizes_are_checked_too(
  tmp_path, capsys, generator, classes, rows
):
  channels = generator.architecture.feature_channels
  interpreter = small.interpreter(channels, classes, members=2)
  _unseen(tmp_path, generator, interpreter, rows)
  assert parity.main([str(tmp_path / 'unseen.npz')]) == 0
  assert capsys.readouterr().out.count(' ok') == 5

  weights = (tmp_path / 'weights.npz').rename(tmp_path / 'elsewhere.npz')
  assert parity.main([str(tmp_path / 'unseen.npz')]) == 2
  assert 'weights.npz cannot be read' in capsys.readouterr().out
  arguments = [str(tmp_path / 'unseen.npz'), '--generator', str(weights)]
  assert parity.main(arguments) == 0


def test_a_file_of_no_known_kind_fails(tmp_path, capsys):
  np.savez(tmp_path / 'odd.npz', a=np.ones(3))
  assert parity.main([str(tmp_path / 'odd.npz')]) == 1
  assert 'odd.npz: no kind of vector file' in capsys.readouterr().out


def test_a_missing_array_is_named(tmp_path, capsys):
  path = _changed(tmp_path, 'units.npz', lambda arrays: arrays.pop('blur/out'))
  assert parity.main([path]) == 1
  assert "the array 'blur/out' is missing" in capsys.readouterr().out


def test_an_array_of_another_shape_is_named(tmp_path, capsys):
  def change(arrays):
    arrays['out/rgb'] = arrays['out/rgb'][:, :, :16]

  assert parity.main([_changed(tmp_path, 'stylegan1_r32_small.npz', change)])
  assert 'rgb is (2, 32, 32, 3); expected (2, 16,' in capsys.readouterr().out


@pytest.mark.parametrize('content', [None, b'', b'not an archive'])
def test_a_file_that_cannot_be_read_exits_with_2(tmp_path, capsys, content):
  path = tmp_path / 'damaged.npz'
  if content is not None:
    path.write_bytes(content)
  units = str(_GOLDENS / 'units.npz')
  assert parity.main([str(path), units]) == 2
  output = capsys.readouterr().out
  assert 'damaged.npz cannot be read' in output
  assert 'blur' in output


def test_the_float64_statistics_follow_their_definitions():
  logits = np.log([[[0.5, 0.5]], [[0.25, 0.75]]])
  values = parity_interpreter.exact_statistics(logits.repeat(10, 1))
  entropy = lambda *p: -sum(x * np.log(x) for x in p)  # noqa: E731
  expected = entropy(0.375, 0.625) - (entropy(0.25, 0.75) + np.log(2)) / 2
  np.testing.assert_allclose(values['js'], expected)
  np.testing.assert_allclose(values['score'], expected)
