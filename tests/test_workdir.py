import json
import os
import subprocess
import sys
import time
from concurrent import futures

import pytest

from dgan_jax import errors, storage, workdir

_IDENTITY = {'seed': 0, 'sampling': {'rows': (2, 6), 'psi': 0.7}}


def test_a_run_may_go_on_only_as_what_it_was(tmp_path):
  workdir.open_run(tmp_path, _IDENTITY)
  workdir.open_run(tmp_path, _IDENTITY)
  other = {'seed': 1, 'sampling': {'rows': (2, 8), 'psi': 0.7}, 'more': None}
  with pytest.raises(errors.UserError) as caught:
    workdir.open_run(tmp_path, other)
  message = str(caught.value)
  assert str(tmp_path) in message
  assert 'seed is 0 there and 1 now' in message
  assert 'sampling.rows is [2, 6] there and [2, 8] now' in message
  assert 'psi' not in message
  assert '\n' not in message
  assert json.loads((tmp_path / 'run.json').read_text())['seed'] == 0


def test_a_setting_that_is_new_or_gone_makes_another_run():
  there, now = {'seed': 0, 'psi': 0.7}, {'seed': 0, 'grey': True}
  assert workdir.compare(there, now) == (
    'grey is null there and true now; psi is 0.7 there and null now'
  )


def test_of_runs_opened_at_once_one_is_there_and_others_are_refused(
  tmp_path, monkeypatch
):
  def slowly(path, value):
    time.sleep(0.02)
    write_json(path, value)

  def open_run(seed):
    try:
      workdir.open_run(tmp_path / 'run', {'seed': seed})
    except errors.UserError:
      return None
    return seed

  write_json = storage.write_json
  monkeypatch.setattr(storage, 'write_json', slowly)
  with futures.ThreadPoolExecutor(8) as pool:
    opened = list(pool.map(open_run, [0, 1] * 4))
  there = storage.read_json(tmp_path / 'run' / 'run.json')['seed']
  assert opened.count(there) == 4
  assert opened.count(None) == 4


def test_locks_exclude_in_one_process_and_stay_when_others_close(tmp_path):
  with workdir.Locks(tmp_path) as mine:
    assert mine.take(3, wait=False)
    with workdir.Locks(tmp_path) as other:
      assert not other.take(3, wait=False)
      assert other.take(4, wait=False)
    with workdir.Locks(tmp_path) as other:
      assert not other.take(3, wait=False)
      assert other.take(4, wait=False)
      mine.release(3)
      assert other.take(3, wait=True)


def test_without_locks_everybody_gets_them(tmp_path, monkeypatch, caplog):
  def refuse(*_):
    raise OSError(workdir.errno.ENOLCK, 'No locks available')

  monkeypatch.setattr(workdir.fcntl, 'fcntl', refuse)
  monkeypatch.setattr(workdir.fcntl, 'lockf', refuse)
  with workdir.Locks(tmp_path) as locks:
    assert locks.take(0, wait=False)
    locks.release(0)
  assert 'no file locks here' in caplog.text


def test_a_second_process_in_a_folder_gets_one_line(tmp_path):
  folder = tmp_path / 'new'
  code = (
    'import sys; from dgan_jax import workdir\n'
    'with workdir.use(sys.argv[1]): print("in", flush=True); input()'
  )
  with subprocess.Popen(
    [sys.executable, '-c', code, folder],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
  ) as other:
    assert other.stdout.readline() == b'in\n'
    with (
      pytest.raises(errors.UserError, match='Another process is at work in'),
      workdir.use(folder),
    ):
      pass
    with pytest.raises(errors.UserError), workdir.use(folder, shared=True):
      pass
    other.kill()
  with workdir.use(folder, shared=True), workdir.use(folder, shared=True):
    with pytest.raises(errors.UserError), workdir.use(folder):
      pass
    storage.write_text(folder / 'x', '')
  assert sorted(os.listdir(folder)) == ['.lock', 'x']


def test_a_folder_in_which_nothing_came_is_not_left_behind(tmp_path):
  with workdir.use(tmp_path / 'new'):
    assert (tmp_path / 'new').exists()
  assert not (tmp_path / 'new').exists()
