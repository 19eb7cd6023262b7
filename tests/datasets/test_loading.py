import dataclasses
import os
import pathlib
import subprocess
import sys

import pytest

from tests.factory import fake

_ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  folder = tmp_path_factory.mktemp('prepared')
  for config in ('rendered_64', 'mine'):
    fake.make(folder, card=dataclasses.replace(fake.CARD, config=config))
  return folder / 'data'


@pytest.mark.parametrize('module', ['', 'dgan_jax.datasets'])
def test_a_fresh_process_loads_it_by_all_ways(data_dir, module):
  done = subprocess.run(
    [sys.executable, '-m', 'tests.datasets.check_loading', module],
    cwd=_ROOT,
    env={**os.environ, 'TFDS_DATA_DIR': str(data_dir)},
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
