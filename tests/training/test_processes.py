"""Two real JAX processes, each of two devices, on one training or dataset."""

import pathlib
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from dgan_jax import storage
from dgan_jax.checkpoints import pytrees
from dgan_jax.interpreter import ensemble
from tests import hurry
from tests.factory import drive
from tests.gan import tiny
from tests.training import jobs

_ROOT = pathlib.Path(__file__).parents[2]
_SECONDS = 400
# Importing the jobs starts JAX: the other processes have to be known by then.
_CODE = """
import pathlib, sys
import jax
from dgan_jax import parallel
index, port, folder = sys.argv[1:]
jax.config.update('jax_num_cpu_devices', 2)
parallel.initialize_hosts(f'localhost:{port}', 2, int(index))
from tests.training import jobs
jobs.main(int(index), pathlib.Path(folder))
"""


def _start(index, port, folder):
  return subprocess.Popen(
    [sys.executable, '-c', _CODE, str(index), str(port), str(folder)],
    cwd=_ROOT,
    env=hurry.environment(),
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
  )


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """What two processes left, the second of which was told to end at last."""
  folder = tmp_path_factory.mktemp('processes')
  with socket.socket() as free:
    free.bind(('localhost', 0))
    port = free.getsockname()[1]
  started = [_start(index, port, folder) for index in range(2)]
  end = time.monotonic() + _SECONDS
  while any(one.poll() is None for one in started):
    if all((folder / f'{index}.running').exists() for index in range(2)):
      started[1].send_signal(signal.SIGTERM)
      break
    if time.monotonic() > end:
      started[0].kill()
    time.sleep(0.05)
  outputs = [one.communicate(timeout=_SECONDS)[0] for one in started]
  assert [one.returncode for one in started] == [143, 143], outputs
  return folder


def _found(folder, name):
  return [storage.read_json(folder / f'{i}.json')[name] for i in range(2)]


def test_they_all_refuse_what_one_must_in_one_line(folder):
  first, second = _found(folder, 'refusals')
  other_seed, refused, other_state, other_run = first
  assert second[:2] == [other_seed, refused]
  assert "process 0 has 'seed 0', process 1 'seed 1'" in other_seed
  assert refused == 'The first process was refused.'
  assert 'What is to be trained differs' in other_run
  for words in (other_state, second[2]):
    assert 'The checkpoint in' in words
    assert "process 0 has 'one of step 5" in words
    assert "process 1 'none'" in words
    assert '\n' not in words


def test_only_the_first_writes(folder):
  assert (folder / 'host_0' / 'state').is_dir()
  assert not (folder / 'host_1').exists()
  for name in ('resumed/gan', 'whole/gan', 'annotator', 'interpreter'):
    assert (folder / name / 'state' / pytrees.FILE).is_file()
    assert len(list((folder / name).glob('events*'))) <= 2


def test_a_gan_has_the_gradients_of_four_devices_of_one_process(folder):
  first, second = _found(folder, 'gradients')
  assert first == second
  alone = jobs.gan_gradients(tuple(jax.devices()[:4]))
  found = pytrees.load(folder / 'gradients', alone)
  for name, expected in alone.items():
    tiny.assert_near(found[name], expected, 1e-5)


def test_a_gan_that_goes_on_has_the_bits_of_one_that_never_stopped(folder):
  resumed, whole = (
    pytrees.load(folder / name / 'gan' / 'state')
    for name in ('resumed', 'whole')
  )
  assert whole['step'] == 8
  for name, value in whole.items():
    np.testing.assert_array_equal(resumed[name], value, err_msg=name)


def test_each_has_the_same_annotator(folder):
  first, second = _found(folder, 'annotator')
  assert first == second


def test_they_train_the_interpreter_and_the_dataset_of_one_alone(
  folder, tmp_path
):
  interpreter = jobs.train_interpreter(tmp_path / 'alone')
  assert _found(folder, 'interpreter') == [ensemble.checksum(interpreter)] * 2
  jobs.generate(interpreter, tmp_path)
  together, alone = (
    drive.digest(place / 'data') for place in (folder, tmp_path)
  )
  assert together == alone


def test_where_one_is_told_to_end_all_do_after_the_same_step(folder):
  state = pytrees.load(folder / 'preempted' / 'gan' / 'state')
  assert state['step'] > 2
