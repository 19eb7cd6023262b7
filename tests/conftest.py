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
os.environ['JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS'] = '0.3'
os.environ['TF_CPP_MIN_LOG_LEVEL'] = '2'

import jax

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')


def pytest_addoption(parser):
  parser.addoption(
    '--fuzz',
    type=int,
    default=400,
    metavar='N',
    help='damaged files of every checkpoint format to read (default: 400)',
  )
