"""What a terminal shows of a command: plain errors, a progress line."""

import contextlib
import logging as standard_logging
import re
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from typing import NoReturn

from absl import flags, logging

import launch
from dgan_jax import errors, parallel, progress

# Between two lines where the output is no terminal.
_SECONDS_PER_LINE = 10.0


@contextlib.contextmanager
def plain_errors() -> Iterator[None]:
  """Turns what the user can mend into one line and an exit status."""
  try:
    try:
      yield
    except (AssertionError, RuntimeError):
      parallel.check_backend()  # that may be all
      raise
  except KeyboardInterrupt:
    print(
      '\nInterrupted. Run the same command again to go on.', file=sys.stderr
    )
    sys.exit(130)
  except (errors.UserError, FloatingPointError, flags.Error) as error:
    _fail(str(error))
  except OSError as error:
    name = f'{error.filename}: ' if error.filename else ''
    _fail(f'{name}{error.strerror or error}')


def plain_logging() -> None:
  """Shows warnings, in a line that doesn't say where they come from."""
  flags.FLAGS.verbosity = logging.WARNING  # type: ignore[assignment]
  handler = logging.get_absl_handler()
  handler.setFormatter(standard_logging.Formatter('%(levelname)s: %(message)s'))
  # Of odd files, which are counted when they cannot be used.
  warnings.filterwarnings('ignore', module=r'PIL\.')
  # TFDS recommends a decoder that isn't needed.
  handler.addFilter(lambda record: 'OpenCV' not in record.getMessage())


def _fail(message: str) -> NoReturn:
  # Names of files may hold what a terminal obeys.
  line = ''.join(
    character if character.isprintable() else repr(character)[1:-1]
    for character in ' '.join(message.split())
  )
  print(spoken(line), file=sys.stderr)
  sys.exit(2)


def spoken(text: str) -> str:
  """A text that names commands, as whoever started this one calls them."""
  if launch.PROGRAM != 'dgan ':
    return text
  return re.sub(r'(python -m )?\blaunch\.(?=[a-z])', launch.PROGRAM, text)


@contextlib.contextmanager
def progress_line(
  unit: str, writer: progress.MetricWriter | None = None
) -> Iterator[progress.OnProgress]:
  """Gives an `on_progress` that shows where a library call is.

  On a terminal one line is drawn over and over; elsewhere (a log file) there
  is a line every ten seconds and one at the end. A `writer` gets the metrics
  too, with the count of the unit (a plural) as the step.
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
