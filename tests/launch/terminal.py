"""Commands in processes of their own, as from a terminal.

Most do less than importing JAX takes. So their processes are forked off one
that has imported the library, but no command, and has started no backend.
"""

import multiprocessing
import os
import pathlib
import runpy
import subprocess
import sys
import tempfile

import jax

from tests import hurry

_ROOT = pathlib.Path(__file__).parents[2]
_CONTEXT = multiprocessing.get_context('forkserver')
_CONTEXT.set_forkserver_preload(
  [
    *('launch.command', 'launch.common'),
    *('dgan_jax.checkpoints.opening', 'dgan_jax.datasets', 'dgan_jax.gan.loop'),
  ]
)


def run(command, *args):
  """A command's exit status and what it printed.

  Args:
    command: a module, such as 'launch.convert', or a path.
    *args: for it.
  """
  argv = [str(command), *map(str, args)]
  with tempfile.TemporaryDirectory() as folder:
    environment = hurry.environment()
    process = _CONTEXT.Process(target=_run, args=(argv, folder, environment))
    process.start()
    process.join()
    printed = (pathlib.Path(folder, name).read_text() for name in _STREAMS)
    return subprocess.CompletedProcess(argv, process.exitcode, *printed)


_STREAMS = ('stdout', 'stderr')


def _run(argv, folder, environment):
  for number, name in enumerate(_STREAMS, start=1):
    os.dup2(os.open(f'{folder}/{name}', os.O_WRONLY | os.O_CREAT), number)
  os.chdir(_ROOT)
  os.environ.update(environment)
  sys.argv = argv
  jax.config.update('jax_disable_most_optimizations', True)
  if argv[0].startswith('launch.'):
    runpy.run_module(argv[0], run_name='__main__', alter_sys=True)
  else:
    runpy.run_path(argv[0], run_name='__main__')
