"""Jobs that several JAX processes do together, one after the other.

What each found goes to FOLDER/INDEX.json; the last job goes on until it is told
to end. Run by test_processes.py, which does some of the jobs alone to compare.
"""

import functools
import inspect

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, parallel, storage
from dgan_jax.checkpoints import pytrees
from dgan_jax.factory import records, source
from dgan_jax.factory import run as factory_run
from dgan_jax.gan import data, loop, steps, training_log
from dgan_jax.gan import state as state_lib
from dgan_jax.interpreter import ensemble
from dgan_jax.interpreter import training as interpreter_training
from dgan_jax.segmentation import training as segmentation_training
from dgan_jax.training import run_folder
from tests.gan import tiny
from tests.interpreter import synthetic
from tests.segmentation import synthetic as boxes

DEVICES = 4  # of all processes
_IMAGES = data.from_array(
  np.random.default_rng(0).integers(0, 256, (30, 8, 8, 3)).astype(np.uint8)
)


def digest(tree):
  """Of the arrays of a tree."""
  return storage.sha256(*(np.asarray(x) for x in jax.tree.leaves(tree)))


_SPREAD = parallel.spread_step
_CONFIG = tiny.config(r1_batch=8)


@functools.cache
def _spread_gan_step(function, devices):
  return _SPREAD(
    lambda state, batch, mean: function(
      _CONFIG, state, batch, mean, key=tiny.KEY
    ),
    devices,
  )


def _compile_once():
  """Lets all trainings of a GAN have the programs of the first: to compile is
  most of the work."""
  start = jax.jit(lambda: state_lib.init(_CONFIG, key=tiny.KEY))()
  start = jax.device_get(start)
  state_lib.init = lambda config, *, key: jax.tree.map(jnp.asarray, start)

  def spread_step(function, devices=None):
    inner = inspect.getclosurevars(function).nonlocals.get('function')
    if inner in (steps.adversarial_step, steps.penalty_step):
      return _spread_gan_step(inner, devices)
    return _SPREAD(function, devices)

  parallel.spread_step = spread_step


def gan_gradients(devices=None):
  """Of generator, discriminator and penalty: Adam's first moment after one
  step, as it keeps nothing of older ones."""
  rows = parallel.local_rows(tiny.OPTIONS.batch_size)
  batch = jax.tree.map(lambda x: x[rows], tiny.batch())
  after, penalized = (
    _spread_gan_step(function, devices)(tiny.state(_CONFIG), batch)[0]
    for function in (steps.adversarial_step, steps.penalty_step)
  )
  return jax.device_get(
    {
      'generator': after.generator_optimizer.mu,
      'discriminator': after.discriminator_optimizer.mu,
      'penalty': penalized.discriminator_optimizer.mu,
    }
  )


def train_gan(workdir, images=64, on_progress=None):
  """A few steps, or as many as are asked for."""
  loop.train(
    tiny.config(images=images, r1_batch=8),
    _IMAGES,
    workdir,
    seed=3,
    schedule=training_log.Schedule(
      steps_per_report=2, images_per_evaluation=10**9, grid_images=2
    ),
    on_progress=on_progress,
  )


def train_annotator(workdir):
  with run_folder.RunFolder(workdir, {}) as folder:
    return segmentation_training.train(
      boxes.ARCHITECTURE,
      boxes.SCHEMA,
      boxes.pairs(16),
      segmentation_training.Options(steps=3, batch_size=8),
      key=tiny.KEY,
      folder=folder,
    )


def train_interpreter(workdir):
  options = interpreter_training.TrainingOptions(
    members=2, hidden=(6, 4), steps=20, batch_size=32, steps_per_evaluation=10
  )
  with run_folder.RunFolder(workdir, {}) as folder:
    return interpreter_training.train(
      synthetic.GENERATOR,
      synthetic.annotations(),
      synthetic.SAMPLING,
      options,
      key=tiny.KEY,
      folder=folder,
    )


def generate(interpreter, folder):
  options = factory_run.FactoryOptions(
    num_samples=11, samples_per_shard=4, block_size=2
  )
  drawn = source.GeneratorSource(synthetic.GENERATOR, synthetic.SAMPLING)
  job = factory_run.Job(drawn, interpreter, options)
  return factory_run.generate(
    job,
    records.Card('tiny_things', 'test'),
    workdir=folder / 'run',
    data_dir=folder / 'data',
  )


@flax.struct.dataclass
class _State:
  step: jax.Array


def _refusal(function, *args):
  try:
    function(*args)
  except errors.UserError as error:
    return str(error)
  return 'none'


def _refuse():
  raise errors.UserError('The first process was refused.')


def _restore_from_folder_of_each(folder):
  """Only the first process finds what it saved."""
  with run_folder.RunFolder(folder, {}) as run:
    run.save(_State(np.int32(5)), now=True)
    run.restore(_State(np.int32(0)))


def _interrupted_and_resumed(workdir):
  def interrupt(done, total, metrics):
    if done == 32:
      raise KeyboardInterrupt

  try:
    train_gan(workdir, on_progress=interrupt)
  except KeyboardInterrupt:
    train_gan(workdir)


def main(index, root):
  """All of them, as process `index`."""
  found = {
    'refusals': [
      _refusal(parallel.check_same, 'The seed', f'seed {index}'),
      _refusal(parallel.in_first_process, _refuse),
      _refusal(_restore_from_folder_of_each, root / f'host_{index}'),
      _refusal(run_folder.RunFolder, root / 'other', {'seed': index}),
    ]
  }
  _compile_once()
  gradients = gan_gradients()
  if index == 0:
    pytrees.save(root / 'gradients', gradients)
  _interrupted_and_resumed(root / 'resumed')
  train_gan(root / 'whole')
  annotator = train_annotator(root / 'annotator')
  interpreter = train_interpreter(root / 'interpreter')
  generate(interpreter, root)
  found |= {
    'gradients': digest(gradients),
    'annotator': digest(annotator.params),
    'interpreter': ensemble.checksum(interpreter),
  }
  storage.write_json(root / f'{index}.json', found)
  train_gan(
    root / 'preempted',
    10**9,
    lambda *_: (root / f'{index}.running').touch(),
  )
