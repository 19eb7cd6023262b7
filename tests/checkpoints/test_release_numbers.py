"""Converted checkpoints compute what the release computed with them."""

import pathlib

import jax
import numpy as np
import pytest

from dgan_jax import pyramid as pyramid_lib
from dgan_jax.checkpoints.formats import npy, torch_format
from dgan_jax.checkpoints.origins import release_files
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import labelling
from tests import released, small

_GOLDENS = pathlib.Path(__file__).parents[1] / 'goldens'
_MINI = _GOLDENS / 'mini_ckpt'


@pytest.fixture(scope='module')
def expected():
  with np.load(_MINI / 'expected.npz') as archive:
    return {key: archive[key] for key in archive if key != 'meta'}


@pytest.fixture(scope='module')
def generator(expected):
  return released.generator(
    torch_format.read(_MINI / 'mini_stylegan1_r32.for_g_all.pt'),
    npy.read_npy(_MINI / 'avg_latent_1x18.npy'),
    {f'noise{i}': expected[f'in/noise_{i:02d}'] for i in range(8)},
  )


def _synthesize(generator, z, truncation_layers):
  """(ws, rgb, pyramid) at psi 0.7."""
  sampling = generators.Sampling(truncation_layers=truncation_layers)

  @jax.jit
  def run(generator, z):
    ws = generators.styles(generator, z, sampling, 'z')
    architecture = generator.architecture
    rgb, pyramid = architecture.synthesize(
      generator.params, ws, generator.noise
    )
    return ws, rgb, pyramid

  return run(generator, z)


@pytest.fixture(scope='module')
def outputs(generator, expected):
  return _synthesize(generator, expected['in/z'], truncation_layers=7)


def test_the_mini_generator_gives_the_images_and_features_of_the_release(
  outputs, expected
):
  ws, rgb, pyramid = outputs
  np.testing.assert_allclose(ws, expected['out/w_trunc'][:, :8], atol=1e-5)
  theirs = expected['out/rgb'].transpose(0, 2, 3, 1)
  np.testing.assert_allclose(rgb, theirs, atol=3e-5)
  columns = pyramid_lib.hypercolumns(pyramid, pyramid_lib.Canvas.of(32))
  np.testing.assert_allclose(
    columns[0].reshape(-1, columns.shape[-1])[:256],
    expected['out/features_px_first256'],
    atol=2e-4,
  )


@pytest.mark.parametrize('classes', [20, 34])
def test_the_mini_interpreters_label_as_the_release(
  generator, outputs, expected, classes
):
  paths = release_files.member_files(str(_MINI / f'interpreter_{classes}'))
  interpreter = release_files.interpreter_from_release(
    [torch_format.read(path) for path in paths],
    feature_channels=generator.architecture.feature_channels,
  )
  theirs = {
    key: expected[f'out/cls{classes}/{key}']
    for key in ('logits', 'js', 'score', 'label', 'min_margin')
  }
  pixels = expected['out/features_px_first256']
  logits = jax.jit(small.logits)(interpreter, pixels)
  np.testing.assert_allclose(logits, theirs['logits'], atol=1e-4)

  canvas = pyramid_lib.Canvas.of(32)
  labels = jax.jit(lambda i, p: labelling.label(i, p, canvas))(
    interpreter, outputs[2]
  )
  np.testing.assert_allclose(labels.uncertainty[0], theirs['js'], atol=1e-4)
  np.testing.assert_allclose(labels.score[0], theirs['score'], atol=1e-4)
  clear = theirs['min_margin'].reshape(32, 32) > 1e-3
  np.testing.assert_array_equal(labels.mask[0][clear], theirs['label'][clear])
