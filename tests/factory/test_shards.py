import dataclasses
import errno
import itertools
import os
import subprocess

import numpy as np
import pytest

from dgan_jax import errors, storage
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
  np.testing.assert_array_equal(written, checked)
  assert checked['score'].dtype == np.float32
  assert checked['size'].tolist() == [9] * 4


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

  with pytest.raises(OSError, match='samples-from-0000000100') as caught:
    run.write(0, full_disk())
  assert caught.value.errno == errno.ENOSPC
  assert not list(run.folder.iterdir())


def test_what_a_killed_writer_left_of_a_shard_goes(run, monkeypatch):
  dead = subprocess.Popen(['true'])
  dead.wait()
  monkeypatch.setattr(os, 'getpid', lambda: dead.pid)
  left = storage.temporary_name(run.path(0))
  monkeypatch.undo()
  other = storage.temporary_name(run.path(1))
  run.folder.mkdir()
  left.touch()
  other.touch()
  run.write(0, _records(4))
  assert sorted(run.folder.iterdir()) == sorted([run.path(0), other])


def test_the_shards_of_a_longer_run_have_the_same_names(tmp_path):
  longer = dataclasses.replace(_PLAN, num_samples=20)
  assert [longer.name(i) for i in (0, 1)] == [_PLAN.name(i) for i in (0, 1)]
  # The samples from 10 on, in shards of their own.
  rest = dataclasses.replace(longer, num_stored=10)
  assert rest.indices(0).tolist() == [110, 111, 112, 113]
  assert rest.positions(2).tolist() == [18, 19]
  assert rest.num_shards == 3
