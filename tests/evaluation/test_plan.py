import json

import pytest

from dgan_jax import errors
from dgan_jax.evaluation import plan as plan_lib
from dgan_jax.interpreter import training

_OPTIONS = training.TrainingOptions(members=2, soft_voting=True)
_PLAN = plan_lib.Plan(
  _OPTIONS,
  annotated=(1, 4),
  ceiling=9,
  reference=4,
  dropouts=(0.0, 0.5),
  seeds=(0, 1),
)


def test_one_thing_is_varied_at_a_time():
  found = [
    (
      *(run.seed, run.annotated, run.candidates),
      *(run.options.mode, run.options.dropout),
    )
    for run in _PLAN.runs()
  ]
  assert found == [
    (seed, *rest)
    for seed in (0, 1)
    for rest in (
      (4, 500, 'default', 0),
      (1, 500, 'default', 0),
      (9, 500, 'default', 0),
      (1, 500, 'release', 0),
      (4, 500, 'release', 0),
      (4, 500, 'default', 0.5),
      (4, 0, 'default', 0),
    )
  ]


def test_the_vote_is_of_no_account_in_training():
  assert not any(run.options.soft_voting for run in _PLAN.runs())
  assert _PLAN.voting == 'soft'


def test_the_reference_is_measured_even_if_nobody_asks_for_its_number():
  plan = plan_lib.Plan(
    _OPTIONS, annotated=(2,), reference=8, modes=('release',)
  )
  assert plan.counts() == (2, 8, 200)
  assert plan.counts('release') == (2, 8)
  assert plan.all_modes == ('default', 'release')


def test_a_run_says_what_it_is():
  *_, dropped, last = map(str, _PLAN.runs())
  assert dropped == (
    '4 annotated samples (chosen of 500), default mode, dropout 0.5, seed 1'
  )
  assert last == '4 annotated samples (the first), default mode, seed 1'


def test_what_was_found_is_found_again(tmp_path):
  first, second, *_ = _PLAN.runs()
  rows = plan_lib.Rows(tmp_path / 'rows.jsonl')
  assert first not in rows
  rows.add(first, {'mean_iou': 0.5})
  rows.add(second, {'mean_iou': 0.25})
  again = plan_lib.Rows(tmp_path / 'rows.jsonl')
  assert first in again
  assert again[second] == rows[second] == {'mean_iou': 0.25}
  lines = (tmp_path / 'rows.jsonl').read_text().splitlines()
  assert [json.loads(line)['run']['annotated'] for line in lines] == [4, 1]


def test_a_run_with_other_options_is_another_run(tmp_path):
  rows = plan_lib.Rows(tmp_path / 'rows.jsonl')
  rows.add(_PLAN.run(0), {})
  assert _PLAN.run(0) in rows
  assert _PLAN.run(1) not in rows
  assert _PLAN.run(0, steps=7) not in rows


@pytest.mark.parametrize('line', ['{"run": {', '[1]', '{"found": {}}', ''])
def test_a_line_that_is_no_row_is_refused_by_its_number(tmp_path, line):
  path = tmp_path / 'rows.jsonl'
  plan_lib.Rows(path).add(_PLAN.run(0), {})
  path.write_text(f'{path.read_text()}{line}\n')
  with pytest.raises(errors.UserError, match=r'rows\.jsonl, line 2, is no row'):
    plan_lib.Rows(path)
