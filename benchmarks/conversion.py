"""Seconds and memory of converting a full-size checkpoint.

Writes a StyleGAN2-ADA pickle of random weights, of config f with its 30
million parameters unless told otherwise, into a temporary folder, and runs
`launch.convert` on it: to a folder, to one .safetensors file, and to a folder
with the contact sheet that is drawn unless told not to. Seconds are of the
whole command, starting Python and JAX included; `convert` also says what its
own work took, which is the conversion alone.

  python -m benchmarks.conversion
  python -m benchmarks.conversion --networks=G_ema --repeats=1 --json
"""

import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from benchmarks import common, models
from dgan_jax.checkpoints.origins import known_origins
from tests.checkpoints import ada_pickle

_ROOT = pathlib.Path(__file__).parents[1]
_CLAMP = 256
# Runs a command and prints its exit status and its peak memory. In a small
# process, because a child's peak counts what its parent has in use.
_WATCH = """
import json, os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), usage.ru_maxrss]))
"""
# What each kind of output adds to the command.
OUTPUTS = {
  'folder': ('generator', '--num_images=0'),
  '.safetensors': ('generator.safetensors', '--num_images=0'),
  'folder and contact sheet': ('generator', '--num_images=8'),
}


def write_pickle(
  path: pathlib.Path, resolution: int, networks: Sequence[str]
) -> int:
  """Writes a pickle as StyleGAN2-ADA does; returns a network's parameters.

  Of the networks (G, D, G_ema) all are given a generator's arrays, which is
  about what a discriminator has, too.
  """
  generator = models.random_generator(resolution, 'StyleGAN2')
  arrays = ada_pickle.state_dict(known_origins.ADA, generator)
  content = {
    name: ada_pickle.network('Generator', arrays, _settings(arrays))
    for name in networks
  }
  path.write_bytes(ada_pickle.dumps(content, 3))
  return sum(leaf.size for leaf in jax.tree.leaves(generator.params))


def _settings(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
  """What its modules say of themselves, under dotted names."""
  settings: dict[str, Any] = {}
  for key in arrays:
    module, _, _ = key.rpartition('.')
    for match in re.finditer(r'\bb\d+\b', module):
      settings[f'{module[: match.end()]}.architecture'] = 'skip'
    for match in re.finditer(r'\b(conv\d|torgb)\b', module):
      settings[f'{module[: match.end()]}.conv_clamp'] = _CLAMP
  return settings


def run(command: Sequence[str]) -> tuple[common.Measurement, str]:
  """Runs a command; what it took, and what it printed.

  Raises:
    RuntimeError: it failed.
  """
  start = time.perf_counter()
  done = subprocess.run(
    [sys.executable, '-c', _WATCH, *command],
    cwd=_ROOT,
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  seconds = time.perf_counter() - start
  *printed, last = done.stdout.splitlines(keepends=True)
  status, peak = json.loads(last)
  if status:
    raise RuntimeError(f'{" ".join(command)} failed.')
  peak_gib = peak * common.MEMORY_UNIT / common.GIB
  return common.Measurement(seconds, peak_gib), ''.join(printed)


def convert(
  checkpoint: pathlib.Path, output: str, *options: str
) -> tuple[float, float, float]:
  """Seconds, seconds of converting alone, and GiB of one conversion."""
  with tempfile.TemporaryDirectory() as folder:
    command = (sys.executable, '-m', 'launch.convert', f'--input={checkpoint}')
    place = f'--output={pathlib.Path(folder) / output}'
    measured, printed = run([*command, place, *options])
  match = re.search(r'Written to .* in ([\d.]+) s', printed)
  assert match is not None, printed
  return measured.seconds, float(match[1]), measured.peak_gib


def main(argv: Sequence[str] | None = None) -> None:
  options = common.parser(__doc__)
  options.add_argument('--resolution', type=int, default=1024)
  options.add_argument(
    '--networks',
    type=lambda text: text.split(','),
    default=['G', 'D', 'G_ema'],
    help='G,D,G_ema as in official files, or fewer',
  )
  options.add_argument('--repeats', type=int, default=3)
  args = options.parse_args(argv)
  runs: dict[str, list[tuple[float, float, float]]] = {}
  with tempfile.TemporaryDirectory() as folder:
    checkpoint = pathlib.Path(folder) / 'network.pkl'
    common.note('writing a checkpoint')
    figures = {
      'parameters': write_pickle(checkpoint, args.resolution, args.networks),
      'file MiB': checkpoint.stat().st_size / 2**20,
    }
    for repeat in range(args.repeats):
      for name, output in OUTPUTS.items():
        common.note(f'{name} {repeat + 1}')
        runs.setdefault(name, []).append(convert(checkpoint, *output))
  rows = []
  heads = ('output', 'seconds', 'of which converting', 'peak GiB')
  for name, found in runs.items():
    seconds, converting, peaks = zip(*found, strict=True)
    medians = (statistics.median(seconds), statistics.median(converting))
    cells = (name, *medians, max(peaks))
    rows.append(dict(zip(heads, cells, strict=True)))
  common.report(rows, figures, as_json=args.json)


if __name__ == '__main__':
  main()
