import pathlib
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest

from dgan_jax import parallel
from dgan_jax.checkpoints import store
from dgan_jax.segmentation import training
from tests import two_processes
from tests.factory import drive, fake
from tests.segmentation import synthetic

_ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  """What the two have left, each an archive of its own too."""
  folder = tmp_path_factory.mktemp('two')
  with socket.socket() as free:
    free.bind(('127.0.0.1', 0))
    port = free.getsockname()[1]
  processes = [
    subprocess.Popen(
      [
        *(sys.executable, '-m', 'tests.two_processes'),
        *(str(process), str(port), str(folder)),
      ],
      cwd=_ROOT,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
    for process in (0, 1)
  ]
  try:
    for process in processes:
      output, _ = process.communicate(timeout=300)
      assert process.returncode == 0, output
  finally:
    for process in processes:
      process.kill()
      process.stdout.close()
  return folder


@pytest.fixture(scope='module')
def found(folder):
  return [dict(np.load(folder / f'found-{process}.npz')) for process in (0, 1)]


def test_a_step_of_two_processes_is_that_of_one_device(found):
  run = parallel.spread_step(two_processes.step, jax.devices()[:1])
  batch = np.random.default_rng(1).normal(size=(16, 3)).astype(np.float32)
  state = jax.numpy.ones(3)
  for _ in range(3):
    state, _ = run(state, batch)
  for each in found:
    np.testing.assert_allclose(each['descended'], state, rtol=1e-5, atol=1e-6)


def test_two_processes_train_one_generator_and_go_on_with_it(folder, found):
  state = store.load_pytree(folder / 'gan' / 'gan' / 'state')
  assert state['step'] == 6
  assert all(np.isfinite(leaf).all() for leaf in state.values())


def test_both_train_the_same_annotator_as_one_process(found):
  alone = training.train(
    synthetic.ARCHITECTURE,
    synthetic.SCHEMA,
    two_processes.PAIRS,
    two_processes.OPTIONS,
    key=jax.random.key(0),
    devices=jax.devices()[:4],
  )
  np.testing.assert_array_equal(found[0]['annotator'], found[1]['annotator'])
  first = jax.tree.leaves(alone.params)[0]
  np.testing.assert_allclose(found[0]['annotator'], first, atol=2e-3)


def test_processes_that_find_different_states_say_so(found):
  for process, each in enumerate(found):
    assert f'Process {process} of 2 does not find in a folder each' in str(
      each['refused']
    )


def test_two_processes_make_one_dataset(folder, tmp_path):
  fake.make(tmp_path)
  assert drive.digest(folder / 'data') == drive.digest(tmp_path / 'data')
