import json
import os

import pytest

from benchmarks import common
from dgan_jax.interpreter import training


def _hold(megabytes):
  data = bytearray(megabytes * 2**20)
  data[::4096] = b'1' * len(data[::4096])
  return common.measure(lambda: None)[1].peak_gib


def test_peak_memory_is_that_of_the_process_that_measures():
  with common.fresh_process() as process:
    assert process.submit(os.getpid).result() != os.getpid()
    before = process.submit(_hold, 0).result()
    assert process.submit(_hold, 512).result() - before > 0.4


def test_every_plain_training_option_can_be_given():
  parser = common.parser(None)
  common.add_training_options(parser)
  args = parser.parse_args(
    ['--steps=7', '--balance=0.25', '--bootstrap', '--mode=release']
  )
  assert common.training_options(args) == training.TrainingOptions(
    steps=7, balance=0.25, bootstrap=True, mode='release'
  )


def test_reports_are_json_where_a_number_may_be_missing(capsys):
  result = {'machine': {}, 'runs': (common.Measurement(1.0, float('nan')),)}
  common.report(result, '', as_json=True)
  printed = json.loads(capsys.readouterr().out)
  assert printed['runs'] == [{'seconds': 1.0, 'peak_gib': None}]


def test_columns_of_a_table_line_up():
  assert common.table([['', 'ab'], ['cde', 'f']]) == '     ab\ncde   f'


@pytest.mark.parametrize(
  ('text', 'expected'), [('', ()), ('8', (8,)), ('8,16', (8, 16))]
)
def test_sizes_are_separated_by_commas(text, expected):
  assert common.integers(text) == expected
