import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax.interpreter import ensemble
from tests import small

_INTERPRETER = small.interpreter((3, 4), classes=5, members=3)
_X = np.random.default_rng(0).normal(size=(20, 7)).astype(np.float32)


def test_a_member_of_the_ensemble_is_that_member_alone():
  together = jax.jit(small.logits)(_INTERPRETER, _X)
  assert together.shape == (3, 20, 5)
  spec = dataclasses.replace(_INTERPRETER.spec, members=1)
  for i in range(3):
    params = jax.tree.map(
      lambda leaf, i=i: leaf[i : i + 1], _INTERPRETER.params
    )
    alone = jax.jit(small.logits)(ensemble.Interpreter(spec, params), _X)
    np.testing.assert_allclose(together[i], alone[0], atol=1e-5)


def test_folding_the_norms_into_the_heads_changes_nothing():
  params = _INTERPRETER.params
  heads = ensemble.folded_heads(params)
  x = jnp.einsum('bi,nio->nbo', _X, params['dense_0']['kernel'])
  x += params['dense_0']['bias'][:, None]
  for name in ('dense_1', 'dense_2'):
    x = jnp.einsum('nbi,nio->nbo', jax.nn.relu(x), heads[name]['kernel'])
    x += heads[name]['bias'][:, None]
  expected = jax.jit(small.logits)(_INTERPRETER, _X)
  np.testing.assert_allclose(x, expected, atol=1e-4)


def test_batch_norm_normalises_by_the_biased_and_keeps_the_unbiased_variance():
  x = _X[:8]
  norm = ensemble.BatchNorm()
  variables = norm.init(jax.random.key(0), x, train=True)
  y, updated = norm.apply(variables, x, train=True, mutable=['batch_stats'])
  expected = (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)
  np.testing.assert_allclose(y, expected, atol=1e-5)
  batch_stats = updated['batch_stats']
  np.testing.assert_allclose(batch_stats['mean'], 0.1 * x.mean(0), atol=1e-6)
  unbiased = 0.9 + 0.1 * x.var(0, ddof=1)
  np.testing.assert_allclose(batch_stats['var'], unbiased, rtol=1e-6)


def test_batch_norm_uses_its_averages_once_trained():
  batch_stats = {'mean': np.full(7, 2.0), 'var': np.full(7, 4.0)}
  params = {'scale': np.full(7, 3.0), 'bias': np.full(7, 1.0)}
  y = ensemble.BatchNorm().apply(
    {'params': params, 'batch_stats': batch_stats}, _X, train=False
  )
  np.testing.assert_allclose(y, (_X - 2) / 2 * 3 + 1, atol=1e-4)


def test_the_norm_comes_after_the_relu():
  classifier = ensemble.PixelClassifier((6, 4), 2)
  variables = classifier.init(jax.random.key(0), _X)
  _, updated = classifier.apply(
    variables, _X, train=True, mutable=['batch_stats']
  )
  assert (updated['batch_stats']['norm_0']['mean'] >= 0).all()


def test_initial_weights_are_normal_with_a_deviation_of_a_fiftieth():
  classifier = ensemble.PixelClassifier((128, 32), 20)
  params = jax.jit(classifier.init)(jax.random.key(0), jnp.zeros((1, 50)))
  layer = params['params']['dense_0']
  np.testing.assert_allclose(layer['kernel'].std(), 0.02, rtol=0.05)
  np.testing.assert_array_equal(layer['bias'], 0)


@pytest.mark.parametrize(
  ('classes', 'hidden'), [(31, (128, 32)), (32, (256, 128))]
)
def test_many_classes_get_the_wider_network(classes, hidden):
  assert ensemble.hidden_sizes(classes) == hidden


def test_averages_split_off_and_merge_back():
  params, batch_stats = ensemble.split_batch_stats(_INTERPRETER.params)
  assert set(batch_stats) == {'norm_0', 'norm_1'}
  assert set(params['norm_0']) == {'scale', 'bias'}
  merged = ensemble.merge_batch_stats(params, batch_stats)
  jax.tree.map(np.testing.assert_array_equal, merged, _INTERPRETER.params)


def test_the_checksum_changes_with_anything():
  task = dataclasses.replace(_INTERPRETER.spec.task, soft_voting=True)
  spec = dataclasses.replace(_INTERPRETER.spec, task=task)
  params = jax.tree.map(lambda leaf: leaf[::-1], _INTERPRETER.params)
  variants = [
    _INTERPRETER,
    _INTERPRETER.replace(spec=spec),
    _INTERPRETER.replace(params=params),
  ]
  assert len({ensemble.checksum(v) for v in variants}) == 3
