"""Every test sees eight CPU devices and no silent broadcasting of ranks."""

import os
import pathlib

# Also for the processes that tests start.
os.environ['JAX_PLATFORMS'] = 'cpu'
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')

import jax

_CACHE = pathlib.Path(__file__).parents[1] / '.pytest_cache' / 'jax'

jax.config.update('jax_num_cpu_devices', 8)
jax.config.update('jax_numpy_rank_promotion', 'raise')
jax.config.update('jax_compilation_cache_dir', str(_CACHE))
jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.5)
