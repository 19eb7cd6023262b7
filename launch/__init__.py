"""The commands: flags, a config, one call into the library, a terminal.

JAX and XLA read these variables once, early, so they are set here: before any
command's own imports.
"""

import os

# Where compiled programs are kept from one run to the next.
_caches = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
_compiled = os.path.join(_caches, 'dgan_jax', 'compiled')
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', _compiled)
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')  # errors only
# On CPUs rounding depends on the size of XLA's thread pool, which is the larger
# of the numbers of cores and of CPU devices. A fixed one makes runs with up to
# eight devices agree to the byte. On 2 cores, threads beyond them cost up to a
# quarter of the speed: `command.run_config` can do without.
FIXED_THREADS = 'PJRT_NPROC' not in os.environ
if FIXED_THREADS:
  os.environ['PJRT_NPROC'] = str(max(os.cpu_count() or 1, 8))

# How whoever reads our texts runs a command: this and its name.
PROGRAM = 'python -m launch.'
