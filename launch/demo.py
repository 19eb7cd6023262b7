"""The whole way: from 16 painted masks to a dataset that TFDS loads.

Trains an interpreter on the rendered cars that come with the package,
generates labelled images with it, sets the most uncertain ones apart, writes
the dataset, its pictures and its data card, and loads it in a new process.
Stopped and started again, it goes on where it was.

Example:
  python -m launch.demo
  python -m launch.demo --config.factory.num_samples=2000 --workdir=out/large
"""

import pathlib
import subprocess
import sys

from launch import command, generate, train_interpreter

_CHECK = """
import numpy as np
import tensorflow_datasets as tfds
{line}
for split, samples in data.items():
  sample = next(iter(samples))
  shapes = ', '.join(
    f'{{name}} {{tuple(np.shape(x))}}' for name, x in sample.items()
  )
  print(f'{{len(samples):6}} samples in {{split!r}}: {{shapes}}')
"""


def main(config: command.Config, workdir: pathlib.Path) -> None:
  train_interpreter.main(config, workdir)
  dataset = generate.main(config, workdir)
  line = dataset.loading_line
  print(f'In a new process:\n\n  {line}\n', flush=True)
  check = [sys.executable, '-c', _CHECK.format(line=line)]
  done = subprocess.run(check, capture_output=True, text=True)
  if done.returncode:
    raise RuntimeError(f'The dataset does not load:\n{done.stderr}')
  print(done.stdout, end='')


if __name__ == '__main__':
  command.run_config(main, workdir='out/demo')
