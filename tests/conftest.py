"""Every test sees eight CPU devices and no silent broadcasting of ranks.

`pytest --fuzz=N` reads N damaged files of every checkpoint format; the 400 that
are read anyway take 20 seconds.
"""

import os
import pathlib

# By the environment, so that it holds for the processes that tests start too.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ['JAX_COMPILATION_CACHE_DIR'] = str(
  pathlib.Path(__file__).parents[1] / '.pytest_cache' / 'jax'
)
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'

import jax
import pytest

from tests import hurry

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')

_TESTS = pathlib.Path(__file__).parent
# Held to bits, so compiled as for users; all else is compiled in a hurry.
# `python -m tests.parity` holds to vectors what users get.
_AS_FOR_USERS = ('factory', 'test_parallel.py')
# What takes longest, first: no worker has to wait for one of these at the end.
_SLOW = (
  *('training', 'launch', 'test_api.py', 'benchmarks', 'interpreter'),
  *('test_parity.py', 'gan'),
  *('test_parity_stylegan2.py', 'checkpoints/test_opening.py', 'evaluation'),
  *('checkpoints/test_fuzz.py', 'factory', 'generators', 'segmentation'),
)


def _place(path, places):
  """Which of some files and folders a test is in; their number if in none."""
  name = path.relative_to(_TESTS).as_posix()
  return next(
    (i for i, place in enumerate(places) if f'{name}/'.startswith(f'{place}/')),
    len(places),
  )


def pytest_collection_modifyitems(items):
  items.sort(key=lambda item: _place(item.path, _SLOW))


@pytest.hookimpl(tryfirst=True)  # before any fixture
def pytest_runtest_setup(item):
  hurry.switch(_place(item.path, _AS_FOR_USERS) == len(_AS_FOR_USERS))


def pytest_addoption(parser):
  parser.addoption(
    '--fuzz',
    type=int,
    default=400,
    metavar='N',
    help='damaged files of every checkpoint format to read (default: 400)',
  )
