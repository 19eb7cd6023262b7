import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax.generators import stylegan2
from tests import small

with warnings.catch_warnings():
  warnings.simplefilter('ignore')
  pytest.importorskip('flaxmodels', exc_type=ImportError)

from benchmarks import flaxmodels_stylegan2


def test_it_is_the_same_network():
  generator = small.generator(16, (8, 8, 4), kind=stylegan2.StyleGAN2)
  architecture = generator.architecture
  z = np.random.default_rng(0).normal(size=(2, 8)).astype(np.float32)

  @jax.jit
  def ours(generator):
    w = architecture.map(generator.params, z)
    ws = jnp.repeat(w[:, None], architecture.num_ws, 1)
    return architecture.synthesize(generator.params, ws, generator.noise)[0]

  with warnings.catch_warnings(), jax.numpy_rank_promotion('allow'):
    warnings.simplefilter('ignore')
    run, variables = flaxmodels_stylegan2.forward(generator)
    theirs = jax.jit(run)(variables, z)
  np.testing.assert_allclose(ours(generator), theirs, atol=3e-5)
