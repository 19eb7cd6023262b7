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

GIB = 2**30
# The bytes in which resource usage counts.
MEMORY_UNIT = 1 if sys.platform == 'darwin' else 1024


@dataclasses.dataclass(frozen=True)
class Measurement:
  """Seconds of one run, and the most memory that this process has had in use so
  far; on an accelerator, of the device's."""

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
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * MEMORY_UNIT


def fresh_process() -> futures.ProcessPoolExecutor:
  """A process of its own, in which peak memory means something.

  Use it as a context manager; what is submitted runs one after another.
  """
  return futures.ProcessPoolExecutor(
    1, multiprocessing.get_context('spawn'), initializer=_share_accelerator
  )


def _share_accelerator() -> None:
  os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')


def alone(function: Callable[..., Any], *args: Any) -> Any:
  """What a function returns in a process of its own."""
  note(f'{function.__name__}{args}')
  with fresh_process() as process:
    return process.submit(function, *args).result()


def cores() -> int:
  """Processors that this process may use."""
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _machine() -> dict[str, Any]:
  """Where this is measured; starts JAX."""
  return {
    'backend': jax.default_backend(),
    'device': jax.local_devices()[0].device_kind,
    'cores': cores(),
    'jax': jax.__version__,
  }


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


def integers(text: str) -> tuple[int, ...]:
  """The integers of '256,512'."""
  return tuple(int(part) for part in text.split(',') if part)


def note(text: str) -> None:
  """Says what is under way, beside the results."""
  print(text, file=sys.stderr, flush=True)


def report(
  rows: Sequence[Mapping[str, Any]],
  figures: Mapping[str, float] | None = None,
  *,
  as_json: bool,
) -> None:
  """Prints what was found, and on which machine: rows of a table, each with the
  same columns, and by name the figures that follow from them. JSON is for
  machines; a number that is none becomes null there."""
  machine, figures = alone(_machine), figures or {}
  if as_json:
    plain = {'rows': [*map(_plain, rows)], 'figures': _plain(figures)}
    result = {'machine': machine, **plain}
    print(json.dumps(result, indent=2, allow_nan=False))
    return
  print(
    f'{machine["backend"]} ({machine["device"]}), {machine["cores"]} cores, '
    f'JAX {machine["jax"]}\n\n{table(rows)}'
  )
  for name, value in figures.items():
    print(f'{name}: {value:.4g}')


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
  return {
    name: None if isinstance(x, float) and not math.isfinite(x) else x
    for name, x in row.items()
  }


def table(rows: Sequence[Mapping[str, Any]]) -> str:
  """Aligned columns under their names; numbers have four digits."""
  lines = [list(rows[0])]
  for row in rows:
    cells = row.values()
    lines.append(
      [f'{x:.4g}' if isinstance(x, float) else str(x) for x in cells]
    )
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  return '\n'.join('  '.join(map(str.rjust, line, widths)) for line in lines)
