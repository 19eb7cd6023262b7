import json
import os

import pytest

from benchmarks import common


def _hold(megabytes):
  data = bytearray(megabytes * 2**20)
  data[::4096] = b'1' * len(data[::4096])
  return common.measure(lambda: None)[1].peak_gib


def test_peak_memory_is_that_of_the_process_that_measures():
  with common.fresh_process() as process:
    assert process.submit(os.getpid).result() != os.getpid()
    before = process.submit(_hold, 0).result()
    assert process.submit(_hold, 512).result() - before > 0.4


def test_reports_are_json_where_a_number_may_be_missing(capsys):
  common.report(
    [{'seconds': 1.0, 'peak GiB': float('nan')}],
    {'ratio': float('inf')},
    as_json=True,
  )
  printed = json.loads(capsys.readouterr().out)
  assert printed['rows'] == [{'seconds': 1.0, 'peak GiB': None}]
  assert printed['figures'] == {'ratio': None}


def test_columns_of_a_table_line_up():
  rows = [{'': 'cde', 'ab': 0.123456}, {'': 'f', 'ab': 2}]
  assert common.table(rows) == '         ab\ncde  0.1235\n  f       2'


@pytest.mark.parametrize(
  ('text', 'expected'), [('', ()), ('8', (8,)), ('8,16', (8, 16))]
)
def test_sizes_are_separated_by_commas(text, expected):
  assert common.integers(text) == expected
