"""What two JAX processes of two devices do together; see test_processes.py.

    python -m tests.two_processes PROCESS PORT FOLDER

Writes what it found to FOLDER/found-PROCESS.npz.
"""

import dataclasses
import pathlib
import sys

import jax
import numpy as np

from dgan_jax import errors, parallel
from dgan_jax.gan import data, loop, training_log
from dgan_jax.segmentation import training
from tests.factory import fake
from tests.segmentation import synthetic

PAIRS = synthetic.pairs(16)
OPTIONS = training.Options(steps=25, batch_size=8, steps_per_evaluation=25)
SCHEDULE = training_log.Schedule(
  steps_per_report=2, images_per_evaluation=10**6, seconds_per_save=0
)


def step(state, batch, mean):
  """Gradient descent on the mean of |x w - 1|^2."""

  def loss(state):
    return jax.numpy.square(batch @ state - 1).mean()

  value, gradient = mean(jax.value_and_grad(loss)(state))
  return state - 0.1 * gradient, value


def descend():
  """Where three steps of it lead, on all devices of the run."""
  run = parallel.spread_step(step)
  batch = np.random.default_rng(1).normal(size=(16, 3)).astype(np.float32)
  state = jax.numpy.ones(3)
  for _ in range(3):
    state, _ = run(state, batch[parallel.local_rows(16)])
  return jax.device_get(state)


def train_gan(workdir, images):
  """A generator, for so many images."""
  from tests.gan import tiny  # Its import starts JAX.

  reals = np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3), np.uint8)
  loop.train(
    tiny.GENERATOR,
    dataclasses.replace(tiny.DISCRIMINATOR, group_size=1),
    dataclasses.replace(tiny.OPTIONS, images=images, decay=0.0),
    data.from_array(reals),
    workdir,
    seed=3,
    schedule=SCHEDULE,
  )


def train_annotator():
  """The first layer's weights after a training."""
  annotator = training.train(
    synthetic.ARCHITECTURE,
    synthetic.SCHEMA,
    PAIRS,
    OPTIONS,
    key=jax.random.key(0),
  )
  return jax.tree.leaves(annotator.params)[0]


def main(process, port, folder):
  jax.config.update('jax_num_cpu_devices', 2)
  jax.config.update('jax_disable_most_optimizations', True)
  parallel.initialize_hosts(f'127.0.0.1:{port}', 2, process)
  train_gan(folder / 'gan', 32)
  parallel.check_agreed(np.zeros(1), 'a barrier')
  train_gan(folder / 'gan', 48)  # goes on
  try:
    parallel.check_agreed(np.full(2, process), 'a folder each')
    refused = ''
  except errors.UserError as error:
    refused = str(error)
  fake.make(folder, process_index=process, process_count=2)
  np.savez(
    folder / f'found-{process}.npz',
    descended=descend(),
    annotator=train_annotator(),
    refused=refused,
  )


if __name__ == '__main__':
  main(int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3]))
