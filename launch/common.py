"""What the commands share: flags, plain errors, a progress line."""

import contextlib
import difflib
import os
import pathlib
import re
import runpy
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn

from absl import app, flags
from ml_collections import config_flags
from ml_collections.config_dict import ConfigDict as Config

from dgan_jax import annotations, errors, files, progress
from dgan_jax import schema as schema_lib
from dgan_jax.checkpoints import store
from dgan_jax.generators import generator as generators

_ROOT = pathlib.Path(__file__).parents[1]
_CONFIGS = _ROOT / 'configs'
_ASSET = _ROOT / 'dgan_jax' / 'assets' / 'rendered_cars_64'
_COMMANDS = 'commands.txt'

# Between two lines where the output is no terminal.
_SECONDS_PER_LINE = 10.0


def run_config(
  main: Callable[[Config, pathlib.Path], None],
  *,
  config: str = 'rendered_car',
  workdir: str | None = None,
) -> NoReturn:
  """Runs a command that takes `--config` and `--workdir`; see `run`.

  Args:
    main: called with the locked config and the working folder.
    config: name of the shipped config for when there is no `--config`.
    workdir: the folder for when there is no `--workdir`; None: it must be
      given.
  """
  path = os.path.relpath(_CONFIGS / f'{config}.py')
  config_flags.DEFINE_config_file(
    'config', None, f'A config file. Default: configs/{config}.py'
  )
  flags.DEFINE_string(
    'workdir', workdir, 'Folder for everything this command writes.'
  )

  def call(argv: Sequence[str]) -> None:
    if len(argv) > 1:
      raise errors.UserError(
        f'Unexpected argument {argv[1]!r}; see --help for what there is.'
      )
    if not flags.FLAGS.workdir:
      raise errors.UserError('Say where to write: --workdir=FOLDER.')
    main(flags.FLAGS.config, pathlib.Path(flags.FLAGS.workdir))

  # ml_collections would load a default before the fields could be checked.
  if not any(re.match('--?config(=|$)', arg) for arg in sys.argv):
    sys.argv.insert(1, f'--config={path}')
  run(call)


def run(main: Callable[[Sequence[str]], None]) -> NoReturn:
  """Runs a command whose flags are defined; `main` gets what is not a flag.

  What the user can mend (`UserError`, a full or read-only disk, a wrong flag)
  becomes one line and exit status 2; Ctrl-C exits with 130. A bug keeps its
  traceback. `--help` prints the docstring of the command and its flags.
  """
  if any(arg in ('--help', '-h', '-help') for arg in sys.argv[1:]):
    _print_help()
    sys.exit(0)
  with _plain_errors():
    _check_config(sys.argv)
    app.run(main, flags_parser=flags.FLAGS)
  raise AssertionError('app.run returned.')


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
  try:
    yield
  except KeyboardInterrupt:
    print(
      '\nInterrupted. Run the same command again to go on.', file=sys.stderr
    )
    sys.exit(130)
  except (errors.UserError, flags.Error) as error:
    _fail(str(error))
  except OSError as error:
    name = f'{error.filename}: ' if error.filename else ''
    _fail(f'{name}{error.strerror or error}')


def _fail(message: str) -> NoReturn:
  print(' '.join(message.split()), file=sys.stderr)
  sys.exit(2)


def _print_help() -> None:
  """Prints the docstring up to its example, the flags, the example."""
  command = sys.modules['__main__']
  text, example, tail = (command.__doc__ or '').partition('Example:')
  print(f'{text.strip()}\n')
  own = flags.FLAGS.get_key_flags_for_module(command)
  shared = flags.FLAGS.get_key_flags_for_module(sys.modules[__name__])
  for flag in {flag.name: flag for flag in [*shared, *own]}.values():
    default = f' Default: {flag.default}' if flag.default is not None else ''
    print(f'  --{flag.name}: {flag.help}{default}')
    if flag.name == 'config':
      print('  --config.FIELD=VALUE: Any field of configs/common.py.')
  print(f'\n{example}{tail}'.rstrip())


def _check_config(argv: Sequence[str]) -> None:
  """Refuses a config file or a field that does not exist, by its name.

  Raises:
    errors.UserError: with the nearest name that does exist.
  """
  path, names = None, []
  for arg, following in zip(argv, [*argv[1:], None], strict=True):
    if match := re.fullmatch('--?config(?:=(.*))?', arg):
      path = match[1] if match[1] is not None else following
    elif match := re.match(r'--?(?:no)?config\.([^=]+)', arg):
      names.append(match[1])
  if path is None:
    return
  fields = sorted(_fields(load_config(path)))
  for name in names:
    if name not in fields:
      near = difflib.get_close_matches(name, fields, n=1, cutoff=0.4)
      hint = f'did you mean {near[0]!r}?' if near else 'see configs/common.py.'
      raise errors.UserError(f'{path} has no field {name!r}; {hint}')


def load_config(path: str) -> Config:
  """The config that a file's `get_config()` returns, locked.

  Raises:
    errors.UserError: no such file, or one that does not give a config.
  """
  if not pathlib.Path(path).is_file():
    shipped = sorted(p.stem for p in _CONFIGS.glob('[!_]*.py'))
    raise errors.UserError(
      f'There is no config file {path}; '
      f'configs/ has {", ".join(shipped)} (as configs/NAME.py).'
    )
  try:
    config = runpy.run_path(path)['get_config']()
  except Exception as error:
    reason = ' '.join(str(error).split())
    raise errors.UserError(
      f'{path} does not load: {type(error).__name__}: {reason}'
    ) from error
  if not isinstance(config, Config):
    raise errors.UserError(
      f'get_config() of {path} returned a {type(config).__name__}; '
      'expected a ml_collections.ConfigDict.'
    )
  return config.lock()


def _fields(config: Config) -> Iterator[str]:
  """Dotted names of the fields that hold values."""
  for name, value in config.items():
    if isinstance(value, Config):
      yield from (f'{name}.{field}' for field in _fields(value))
    else:
      yield name


@contextlib.contextmanager
def terminal_progress(
  unit: str, writer: progress.MetricWriter | None = None
) -> Iterator[progress.OnProgress]:
  """Gives an `on_progress` that shows where a library call is.

  On a terminal one line is drawn over and over; elsewhere (a log file) there
  is a line every ten seconds and one at the end.

  Args:
    unit: what is counted, a plural.
    writer: also gets the metrics, with the count as the step.
  """
  live = sys.stdout.isatty()
  line, shown, shown_at = '', '', -float('inf')
  state: progress.Progress | None = None

  def on_progress(done: int, total: int, metrics: Mapping[str, float]) -> None:
    nonlocal line, shown, shown_at, state
    if state is None:
      state = progress.Progress(total, unit)
    line = state.update(done, **metrics)
    if writer is not None and metrics:
      writer.write(done, metrics)
    now = time.monotonic()
    if live:
      print(f'\r\x1b[K{line}', end='', flush=True)
    elif now - shown_at >= _SECONDS_PER_LINE:
      print(line, flush=True)
      shown, shown_at = line, now

  try:
    yield on_progress
  finally:
    if live and line:
      print()
    elif line != shown:
      print(line, flush=True)


def load_generator(config: Config) -> generators.Generator:
  """The generator that the config names: 'bundled', or a saved one's path."""
  bundled = config.generator == 'bundled'
  return store.load_generator(
    _ASSET / 'generator' if bundled else config.generator
  )


def load_schema(config: Config) -> schema_lib.Schema:
  """The part schema that the config names."""
  return schema_lib.get_schema(config.schema)


def load_annotations(
  config: Config, generator: generators.Generator
) -> annotations.Annotations:
  """The annotations that the config names: 'bundled', or a folder.

  Raises:
    errors.UserError: they don't fit the schema, or images of the generator.
  """
  bundled = config.annotations == 'bundled'
  canvas = sampling(config).canvas(generator.architecture)
  return annotations.load(
    _ASSET / 'annotated' if bundled else config.annotations,
    schema=load_schema(config),
    size=(canvas.height, canvas.width),
    latent_size=generator.architecture.latent_size,
  )


def sampling(config: Config) -> generators.Sampling:
  """How the generator is to draw its images."""
  fields = dict(config.sampling)
  if tuple(config.sampling.rows) == (0, 0):
    fields['rows'] = None
  return generators.Sampling(**fields)


def data_dir(config: Config, workdir: pathlib.Path) -> pathlib.Path:
  """The folder of datasets."""
  return pathlib.Path(config.data_dir or workdir / 'data').expanduser()


def note_command(workdir: pathlib.Path) -> None:
  """Adds the command that is running to those that made `workdir`."""
  spec = sys.modules['__main__'].__spec__
  name = spec.name if spec else sys.argv[0]
  command = shlex.join(['python', '-m', name, *sys.argv[1:]])
  commands = read_commands(workdir)
  if command not in commands:
    workdir.mkdir(parents=True, exist_ok=True)
    lines = '\n'.join([*commands, command])
    files.write_text(workdir / _COMMANDS, f'{lines}\n')


def read_commands(workdir: pathlib.Path) -> list[str]:
  """The commands that made `workdir`, oldest first."""
  path = workdir / _COMMANDS
  return path.read_text(encoding='utf-8').splitlines() if path.exists() else []
