import numpy as np
import pytest

from dgan_jax.renderers.engine import random_draws


def test_a_stream_is_the_same_however_it_is_read():
  one = random_draws.Draws('cars', 3, 'shape')
  other = random_draws.Draws('cars', 3, 'shape')
  assert [one.unit() for _ in range(200)] == [other.unit() for _ in range(200)]


@pytest.mark.parametrize(
  'other', [('cars', 4, 'shape'), ('cars', 3, 'trim'), ('heads', 3, 'shape')]
)
def test_other_names_and_numbers_are_other_streams(other):
  first = random_draws.Draws('cars', 3, 'shape').units(8)
  assert not np.isin(random_draws.Draws(*other).units(8), first).any()


def test_numbers_are_where_they_should_be():
  dice = random_draws.Draws('test', 0, 'numbers')
  values = np.array([dice.uniform(2, 5) for _ in range(2000)])
  assert values.min() >= 2
  assert values.max() < 5
  assert values.mean() == pytest.approx(3.5, abs=0.1)
  assert {dice.integer(1, 3) for _ in range(100)} == {1, 2, 3}
  assert np.mean([dice.chance(0.25) for _ in range(2000)]) == pytest.approx(
    0.25, abs=0.04
  )
  picks = [dice.pick('ab', (1, 3)) for _ in range(2000)]
  assert picks.count('b') / 2000 == pytest.approx(0.75, abs=0.04)


def test_the_first_numbers_never_change():
  np.testing.assert_array_equal(
    np.floor(1e6 * random_draws.Draws('cars', 0, 'shape').units(3)),
    [704084, 535038, 840966],
  )
