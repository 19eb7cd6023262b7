"""How commands run: their flags, their help, their working folder."""

import os
import pathlib
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from absl import app, flags
from ml_collections import config_flags
from ml_collections.config_dict import ConfigDict as Config

import launch
from dgan_jax import errors, parallel, storage, validation
from dgan_jax import workdir as workdir_lib
from launch import config_file, terminal


def run_config(
  main: Callable[[Config, pathlib.Path], object],
  *,
  config: str = 'rendered_car',
  workdir: str | None = None,
  machine_independent: bool = True,
  shared: bool = False,
) -> NoReturn:
  """Runs a command that takes `--config` and `--workdir`; see `run`.

  Args:
    main: called with the locked config and the working folder.
    config: name of the shipped config for when there is no `--config`.
    workdir: the folder for when there is no `--workdir`; None: it must be
      given.
    machine_independent: whether results are to be the same bytes on machines
      with other numbers of cores, which costs speed; see `launch/__init__.py`.
    shared: whether several processes may run it in one folder.
  """
  if not machine_independent and launch.FIXED_THREADS:
    # JAX reads it when the first array is made.
    del os.environ['PJRT_NPROC']
  config_flags.DEFINE_config_file(
    'config',
    None,
    f'A config file, or the name of one that comes with it. Default: {config}',
  )
  flags.DEFINE_string(
    'workdir', workdir, 'Folder for everything this command writes.'
  )
  flags.DEFINE_bool(
    'pod', False, 'One of the hosts of a TPU pod: run this on all of them.'
  )

  def call() -> None:
    if not flags.FLAGS.workdir:
      raise errors.UserError('Say where to write: --workdir=FOLDER.')
    given = flags.FLAGS.config
    validation.expect('config.seed', given.seed, validation.Index)
    if flags.FLAGS.pod:
      parallel.initialize_hosts()
    parallel.check_backend()
    folder = storage.path(flags.FLAGS.workdir)
    with workdir_lib.use(folder, shared=shared or flags.FLAGS.pod):
      main(given, folder)

  run(call, config)


def run(main: Callable[[], None], config: str | None = None) -> NoReturn:
  """Runs a command whose flags are defined.

  What the user can mend (`UserError`, a full or read-only disk, a wrong flag,
  a loss that is not finite, no device for JAX) becomes one line and exit status
  2; Ctrl-C exits with 130. A bug keeps its traceback. `--help` prints the
  docstring of the command and its flags.

  `config` is that of `run_config`.
  """

  def call(argv: Sequence[str]) -> None:
    if len(argv) > 1:
      raise errors.UserError(
        f'Unexpected argument {argv[1]!r}; see --help for what there is.'
      )
    main()

  if any(arg in ('--help', '-h', '-help') for arg in sys.argv[1:]):
    _print_help()
    sys.exit(0)
  terminal.plain_logging()
  with terminal.plain_errors():
    argv = list(config_file.with_files(sys.argv))
    if config:
      config_file.check_flags(argv, config_file.find(config))
    app.run(call, argv, flags_parser=flags.FLAGS)
  raise AssertionError('app.run returned.')


def _print_help() -> None:
  """Prints the docstring up to its example, the flags, the example."""
  command = sys.modules['__main__']
  text, example, tail = (command.__doc__ or '').partition('Example:')
  print(f'{terminal.spoken(text).strip()}\n')
  own = flags.FLAGS.get_key_flags_for_module(command)
  shared = flags.FLAGS.get_key_flags_for_module(sys.modules[__name__])
  for flag in {flag.name: flag for flag in [*shared, *own]}.values():
    default = f' Default: {flag.default}' if flag.default is not None else ''
    print(f'  --{flag.name}: {flag.help}{default}')
    if flag.name == 'config':
      print('  --config.FIELD=VALUE: Any field of the config.')
  print(f'\n{example}{terminal.spoken(tail)}'.rstrip())
