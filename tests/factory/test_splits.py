import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.factory import splits


def test_the_highest_scores_go_and_order_is_kept():
  scores = np.array([0.5, 0.1, 0.9, 0.2, 0.7, 0.3, 0.4, 0.6, 0.8, 0.0])
  kept, uncertain = splits.split_by_uncertainty(scores, 0.2)
  assert uncertain.tolist() == [2, 8]
  assert kept.tolist() == [0, 1, 3, 4, 5, 6, 7, 9]


@pytest.mark.parametrize(
  ('n', 'fraction', 'dropped'),
  [
    (9, 0.1, 0),
    (10, 0.1, 1),
    (30, 0.1, 3),
    (70, 0.1, 7),
    (100, 0.29, 29),
    (7, 0.0, 0),
  ],
)
def test_exactly_the_floor_of_the_share_goes(n, fraction, dropped):
  kept, uncertain = splits.split_by_uncertainty(np.arange(n), fraction)
  assert len(uncertain) == dropped
  assert sorted([*kept, *uncertain]) == list(range(n))


def test_of_equal_scores_the_first_stay():
  kept, uncertain = splits.split_by_uncertainty(np.ones(10), 0.3)
  assert kept.tolist() == list(range(7))
  assert uncertain.tolist() == [7, 8, 9]


def test_a_score_that_is_no_number_counts_as_most_uncertain():
  scores = np.array([1.0, np.nan, 2.0, 3.0])
  _, uncertain = splits.split_by_uncertainty(scores, 0.25)
  assert uncertain.tolist() == [1]


@pytest.mark.parametrize('fraction', [-0.1, 1.0, float('nan')])
def test_a_share_that_is_none_is_refused(fraction):
  with pytest.raises(errors.UserError, match='expected 0 or more, below 1'):
    splits.split_by_uncertainty(np.ones(4), fraction)
