"""What the benchmarks share: processes to measure in, options, tables."""

import argparse
import dataclasses
import json
import math
import multiprocessing
import os
import pathlib
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

import jax

from dgan_jax.interpreter import training

GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Measurement:
  """One run.

  Attributes:
    seconds: of this run.
    peak_gib: most memory that this process has had in use so far; on an
      accelerator, of the device's.
  """

  seconds: float
  peak_gib: float


def measure(function: Callable[[], Any]) -> tuple[Any, Measurement]:
  """Calls a function, waits for its arrays, and says what that took."""
  start = time.perf_counter()
  result = jax.block_until_ready(function())
  seconds = time.perf_counter() - start
  return result, Measurement(seconds, _peak_bytes() / GIB)


def _peak_bytes() -> int:
  statistics = jax.local_devices()[0].memory_stats() or {}
  if 'peak_bytes_in_use' in statistics:
    return statistics['peak_bytes_in_use']
  status = pathlib.Path('/proc/self/status')
  if status.exists():
    for line in status.read_text().splitlines():
      if line.startswith('VmHWM:'):
        return int(line.split()[1]) * 1024
  # Linux would count the parent's memory here; others have no /proc.
  unit = 1 if sys.platform == 'darwin' else 1024
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def fresh_process() -> futures.ProcessPoolExecutor:
  """A process of its own, in which peak memory means something.

  Use it as a context manager; what is submitted runs one after another.
  """
  return futures.ProcessPoolExecutor(
    1, multiprocessing.get_context('spawn'), initializer=_share_accelerator
  )


def _share_accelerator() -> None:
  os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')


def machine() -> dict[str, Any]:
  """Where this is measured; starts JAX, so call it in a process of its own."""
  device = jax.local_devices()[0]
  return {
    'backend': jax.default_backend(),
    'device': device.device_kind,
    'cores': len(os.sched_getaffinity(0))
    if hasattr(os, 'sched_getaffinity')
    else os.cpu_count(),
    'jax': jax.__version__,
  }


def describe_machine() -> dict[str, Any]:
  """`machine`, asked in a process of its own."""
  with fresh_process() as process:
    return process.submit(machine).result()


def parser(description: str | None) -> argparse.ArgumentParser:
  """Options of a benchmark; `--json` is one of them."""
  options = argparse.ArgumentParser(
    description=description,
    formatter_class=argparse.RawDescriptionHelpFormatter,
  )
  options.add_argument(
    '--json', action='store_true', help='print JSON instead of tables'
  )
  return options


def add_training_options(options: argparse.ArgumentParser) -> None:
  """Makes the plain fields of `training.TrainingOptions` options."""
  group = options.add_argument_group('training')
  group.add_argument('--seed', type=int, default=0)
  for field in dataclasses.fields(training.TrainingOptions):
    if isinstance(field.default, bool):
      group.add_argument(
        f'--{field.name}',
        action=argparse.BooleanOptionalAction,
        default=field.default,
      )
    elif isinstance(field.default, int | float | str):
      group.add_argument(
        f'--{field.name}', type=type(field.default), default=field.default
      )


def training_options(args: argparse.Namespace) -> training.TrainingOptions:
  """What `add_training_options` was given."""
  names = (field.name for field in dataclasses.fields(training.TrainingOptions))
  return training.TrainingOptions(
    **{name: getattr(args, name) for name in names if hasattr(args, name)}
  )


def integers(text: str) -> tuple[int, ...]:
  """The integers of '256,512'."""
  return tuple(int(part) for part in text.split(',') if part)


def note(text: str) -> None:
  """Says what is under way, beside the results."""
  print(text, file=sys.stderr, flush=True)


def report(result: Mapping[str, Any], text: str, *, as_json: bool) -> None:
  """Prints the result, with the machine it holds, for people or machines."""
  if as_json:
    print(json.dumps(_plain(result), indent=2, allow_nan=False))
    return
  where = result['machine']
  print(
    f'{where["backend"]} ({where["device"]}), {where["cores"]} cores, '
    f'JAX {where["jax"]}\n\n{text}'
  )


def _plain(value: Any) -> Any:
  """Only what JSON knows; no number becomes null."""
  if dataclasses.is_dataclass(value) and not isinstance(value, type):
    return _plain(dataclasses.asdict(value))
  if isinstance(value, Mapping):
    return {key: _plain(item) for key, item in value.items()}
  if isinstance(value, list | tuple):
    return [_plain(item) for item in value]
  if isinstance(value, float) and not math.isfinite(value):
    return None
  return value


def table(rows: Sequence[Sequence[str]]) -> str:
  """Aligned columns; the first row is the heading."""
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = (
    '  '.join(
      cell.rjust(width) if i else cell.ljust(width)
      for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    for row in rows
  )
  return '\n'.join(line.rstrip() for line in lines)
