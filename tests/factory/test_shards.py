import errno
import itertools
import json

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.factory import shards

_PLAN = shards.Plan(first_index=100, num_samples=10, samples_per_shard=4)
_IDENTITY = {'seed': 0, 'sampling': {'rows': (2, 6), 'psi': 0.7}}


def _records(count):
  return [shards.Record(b'%d' % i * 9, i / 3, (i, 0)) for i in range(count)]


@pytest.fixture
def run(tmp_path):
  return shards.Shards(tmp_path, _PLAN, _IDENTITY)


def test_every_index_is_in_one_shard():
  indices = [_PLAN.indices(i).tolist() for i in range(_PLAN.num_shards)]
  assert list(itertools.chain(*indices)) == list(range(100, 110))
  assert [len(part) for part in indices] == [4, 4, 2]


@pytest.mark.parametrize(
  ('numbers', 'message'),
  [
    ((0, 0, 4), 'num_samples is 0; expected'),
    ((0, 4, 0), 'samples_per_shard is 0; expected'),
    ((-1, 4, 4), 'first_index is -1; expected'),
    ((2**32 - 3, 4, 4), 'first_index is 4294967293; expected'),
  ],
)
def test_a_plan_that_cannot_be_is_refused(numbers, message):
  with pytest.raises(errors.UserError, match=message):
    shards.Plan(*numbers)


def test_a_written_shard_checks_out_with_the_same_summary(run):
  written = run.write(0, _records(4))
  checked = run.check(0)
  for field in ('scores', 'counts', 'sizes'):
    np.testing.assert_array_equal(
      getattr(written, field), getattr(checked, field)
    )
  assert checked.scores.dtype == np.float32
  assert checked.sizes.tolist() == [9] * 4


def test_payloads_come_by_position_from_all_shards(run):
  for i, count in enumerate((4, 4, 2)):
    run.write(i, _records(count))
  wanted = np.array([1, 3, 4, 9])
  assert [int(p[:1]) for p in run.payloads(wanted)] == [1, 3, 0, 1]


def test_a_shard_that_is_missing_damaged_or_foreign_is_to_be_made(
  run, tmp_path
):
  assert run.check(0) is None
  run.write(0, _records(4))
  data = run.path(0).read_bytes()
  for damage in (b'', data[:-1], data[:50], data[:30] + b'?' + data[31:]):
    run.path(0).write_bytes(damage)
    assert run.check(0) is None
  run.path(1).write_bytes(data)  # whole, but another shard
  assert run.check(1) is None
  run.path(0).write_bytes(data)
  assert run.check(0) is not None
  assert shards.Shards(tmp_path, _PLAN, {'seed': 1}).check(0) is None


def test_a_failed_write_leaves_nothing_and_names_the_file(run):
  def full_disk():
    yield from _records(2)
    raise OSError(errno.ENOSPC, 'No space left on device')

  with pytest.raises(OSError, match='samples-00000-of-00003') as caught:
    run.write(0, full_disk())
  assert caught.value.errno == errno.ENOSPC
  assert not list(run.folder.iterdir())


def test_leftovers_of_one_shard_are_cleaned(run):
  run.write(0, _records(4))
  mine = run.folder / f'{run._prefix(1)}123.tmp'
  elsewhere = run.folder / f'.{_PLAN.name(1)}.another-machine.123.tmp'
  mine.touch()
  elsewhere.touch()
  run.clean(1)
  assert sorted(run.folder.iterdir()) == sorted([run.path(0), elsewhere])


def test_a_run_may_go_on_only_as_what_it_was(tmp_path):
  shards.open_run(tmp_path, _IDENTITY)
  shards.open_run(tmp_path, _IDENTITY)
  other = {'seed': 1, 'sampling': {'rows': (2, 8), 'psi': 0.7}, 'more': None}
  with pytest.raises(errors.UserError) as caught:
    shards.open_run(tmp_path, other)
  message = str(caught.value)
  assert str(tmp_path) in message
  assert 'seed is 0 there and 1 now' in message
  assert 'sampling.rows is [2, 6] there and [2, 8] now' in message
  assert 'psi' not in message
  assert '\n' not in message
  assert json.loads((tmp_path / 'run.json').read_text())['seed'] == 0
