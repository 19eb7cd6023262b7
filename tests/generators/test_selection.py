import itertools

import jax
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.generators import generator as generators
from dgan_jax.generators import selection, stylegan2
from tests import small

SAMPLING = generators.Sampling(noise='random')


def _cost(points, places):
  distances = np.linalg.norm(points[:, None] - points[list(places)], axis=-1)
  return distances.min(1).sum()


def test_every_cluster_has_its_medoid():
  random = np.random.default_rng(0)
  centers = np.array([[0, 0], [50, 0], [0, 50], [50, 50]])
  cluster = np.array([0] * 30 + [1] * 3 + [2] * 7 + [3] * 5)
  points = centers[cluster] + random.normal(size=(45, 2))
  assert sorted(cluster[selection.medoids(points, 4)]) == [0, 1, 2, 3]


@pytest.mark.parametrize('count', [1, 2, 3])
def test_no_single_exchange_makes_medoids_better(count):
  points = np.random.default_rng(count).normal(size=(14, 5))
  found = selection.medoids(points, count).tolist()
  best = _cost(points, found)
  for place, other in itertools.product(range(count), range(14)):
    changed = [*found[:place], other, *found[place + 1 :]]
    assert _cost(points, changed) >= best * (1 - 1e-6)


def test_equal_points_make_as_many_medoids_as_asked_for():
  assert selection.medoids(np.ones((5, 2)), 3).tolist() == [0, 1, 2]
  points = np.random.default_rng(0).normal(size=(5, 2))
  assert selection.medoids(points, 5).tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
  'generator', [small.generator(), small.generator(kind=stylegan2.StyleGAN2)]
)
def test_a_sample_is_described_by_itself(generator):
  keys = rng.sample_keys(rng.root_key(0), np.arange(21))
  described = selection.describe(generator, SAMPLING, keys)
  maps = [
    level.reshape(21, -1)
    for level in jax.jit(
      lambda keys: generators.sample(generator, keys, SAMPLING)[2].levels
    )(keys)
    if level.shape[1] == 8
  ]
  assert described.shape == (21, sum(x.shape[1] for x in maps))
  expected = [x / np.sqrt(x.var(0).sum()) for x in maps]
  np.testing.assert_allclose(
    described, np.concatenate(expected, axis=1), rtol=1e-3, atol=1e-5
  )


def test_what_is_chosen_stands_for_the_candidates_better_than_the_first():
  generator = small.generator()
  indices = selection.choose(generator, SAMPLING, 3, 4, 30, first=100)
  assert len(set(indices)) == 4
  assert sorted(indices) == indices.tolist()
  candidates = np.arange(100, 130)
  assert set(indices) <= set(candidates)
  points = selection.describe(
    generator, SAMPLING, rng.sample_keys(rng.root_key(3), candidates)
  )
  assert _cost(points, indices - 100) < _cost(points, range(4))


@pytest.mark.parametrize('candidates', [0, 4])
def test_without_choice_the_first_are_taken(candidates):
  found = selection.choose(None, SAMPLING, 0, 4, candidates, first=7)
  assert found.tolist() == [7, 8, 9, 10]
