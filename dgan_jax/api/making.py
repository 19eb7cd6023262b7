"""Samples and datasets: what is made here."""

import shutil
from collections.abc import Iterable, Iterator
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import parallel, progress, rng, storage, validation
from dgan_jax import samples as samples_lib
from dgan_jax.api import reading
from dgan_jax.datasets import base
from dgan_jax.factory import dataset as dataset_lib
from dgan_jax.factory import labeller, run
from dgan_jax.factory import source as source_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import task as task_lib

Generator = generators.Generator
Interpreter = ensemble.Interpreter
Samples = samples_lib.Samples
Sampling = generators.Sampling


def sample(
  generator: Generator,
  indices: int | Iterable[int] | None = None,
  *,
  seed: int = 0,
  keys: chex.Array | None = None,
  z: chex.Array | None = None,
  ws: chex.Array | None = None,
  sampling: Sampling | None = None,
  on_progress: progress.OnProgress | None = None,
) -> Samples:
  """Draws images; which ones is said as for `label`.

  They are drawn one by one, so that each is the same to the bit whatever else
  is asked for.

  Example:
    >>> dg.sample(generator, 3, seed=7)
    <3 samples of 64 x 64 pixels, unlabelled>
  """
  given = samples_lib.origin(generator, indices, seed, keys, z, ws)
  sampling = sampling or generators.usual_sampling(generator)
  drawn = []
  for one in samples_lib.draw(generator, given, sampling):
    drawn.append(one)
    if on_progress:
      on_progress(len(drawn), len(given.key), {})
  latent, image = (np.stack(x) for x in zip(*drawn, strict=True))
  return Samples(image, latent, given.key, given.index)


def label(
  generator: Generator,
  interpreter: Interpreter,
  indices: int | Iterable[int] | None = None,
  *,
  seed: int = 0,
  keys: chex.Array | None = None,
  z: chex.Array | None = None,
  ws: chex.Array | None = None,
  sampling: Sampling | None = None,
) -> Samples:
  """Draws images and labels them, on all devices.

  Args:
    generator: draws them.
    interpreter: labels them.
    indices: of the samples of a seed, whole numbers below 2^32, or how many of
      the first. They are those that `generate` makes of the seed.
    seed: of the root key, below 2^32.
    keys: instead of indices, random keys [n], or their data uint32 [n, 2].
    z: instead, latents [n, latent_size], standard normal. Random noise is from
      `keys`, if given too, else from those of the samples 0 to n - 1.
    ws: likewise, w [n, latent_size], or of every layer [n, num_ws,
      latent_size]; used as they are, without truncation.
    sampling: how they are drawn; None: as is usual, and the rows that the
      interpreter labels.

  Returns:
    Arrays with a leading axis [n], which show themselves. The uncertainty is
    that of the dataset: 255 steps from 0 to the largest there can be.

  Raises:
    UserError: it is not said which, an array has another shape, or the
      interpreter belongs to another generator.

  Example:
    >>> cars = dg.label(generator, interpreter, indices=range(2))
    >>> cars
    <2 samples of 64 x 64 pixels, classes of 'car_20'>
    >>> cars.mask.shape, cars.uncertainty.shape, cars.score.shape
    ((2, 64, 64), (2, 64, 64), (2,))
    >>> cars.sheet().save('cars.png')
    >>> again = dg.label(generator, interpreter, z=cars.latent)
    >>> bool((again.mask == cars.mask).mean() > 0.99)
    True
  """
  given = samples_lib.origin(generator, indices, seed, keys, z, ws)
  job = _job(
    generator, interpreter, sampling, given.space, num_samples=1, seed=seed
  )
  job.source.check_fit(interpreter.spec)
  arrays = jax.tree.map(lambda *x: np.stack(x), *_labelled(job, given))
  arrays |= arrays.pop('origin')
  spec = interpreter.spec
  arrays['uncertainty'] = task_lib.from_uint8(
    arrays['uncertainty'], spec.task.uncertainty_maximum(spec.members)
  )
  return Samples(**{**arrays, 'index': given.index, 'task': spec.task})


def _labelled(job: run.Job, given: samples_lib.Origin) -> Iterator[Any]:
  """The arrays of every sample, by name."""
  size, source = job.block_size, job.source
  if given.index is not None:
    devices = parallel.devices_for(len(set((given.index // size).tolist())))
    label = labeller.labeller(source, job.interpreter, size, devices)
    root = rng.root_key(job.options.seed)
    for one in label(root, given.index.tolist()):
      yield {**vars(one), 'score': np.float32(one.score)}
    return
  rows = {'key': given.key}
  if given.latents is not None:
    rows['latents'] = given.latents
  devices = parallel.devices_for(-(-len(given.key) // size))
  yield from labeller.label_rows(source, job.interpreter, size, rows, devices)


def _job(
  generator: Generator,
  interpreter: Interpreter,
  how: Sampling | None,
  space: str = 'z',
  **options: Any,
) -> run.Job:
  """What makes samples; drawn as is usual, if it is not said how."""
  how = how or reading.sampling(generator, rows=interpreter.spec.rows)
  made = validation.build('options', run.FactoryOptions, options)
  drawn = source_lib.GeneratorSource(generator, how, space)
  return run.Job(drawn, interpreter, made)


def generate(
  generator: Generator,
  interpreter: Interpreter,
  num_samples: int,
  *,
  name: str,
  data_dir: storage.PathLike,
  seed: int = 0,
  sampling: Sampling | None = None,
  on_progress: progress.OnProgress | None = None,
  **options: Any,
) -> dataset_lib.Dataset:
  """Makes a labelled dataset for TFDS, or goes on with making it.

  Args:
    generator: draws the images.
    interpreter: labels them.
    num_samples: in both splits together.
    name: of the dataset and its config, such as 'cars/mine'.
    data_dir: TFDS's folder of datasets.
    seed: of the root key; the samples are 0, 1, ... of this seed.
    sampling: how they are drawn; see `label`.
    on_progress: called with samples done, samples in all, and metrics.
    **options: of `factory.run.FactoryOptions`: first_index,
      uncertain_fraction, ...

  Returns:
    Where it is and what is in it; `samples([0, 1])` of it show themselves.
    `tfds.data_source(name, data_dir=...)` reads
    it; `tfds.load` too, where TensorFlow is installed.

  Raises:
    UserError: there is one of that name, made from something else, or the
      interpreter belongs to another generator.
    OSError: the disk is full or read-only; the same call goes on from there.

  Example:
    >>> dataset = dg.generate(
    ...   generator, interpreter, 10, name='cars/mine', data_dir='data'
    ... )
    >>> {split: len(rows) for split, rows in dataset.splits.items()}
    {'train': 9, 'uncertain': 1}
    >>> import tensorflow_datasets as tfds
    >>> data = tfds.data_source('cars/mine', data_dir='data', split='train')
    >>> data[0]['image'].shape
    (64, 64, 3)
  """
  options |= {'num_samples': num_samples, 'seed': seed}
  job = _job(generator, interpreter, sampling, **options)
  dataset_name, _, config = name.partition('/')
  if not config:
    validation.refuse('name', name, "NAME/CONFIG, such as 'cars/mine'")
  card = base.card(dataset_name, config)
  workdir = card.workdir(data_dir)
  dataset = run.generate(
    job, card, workdir=workdir, data_dir=data_dir, on_progress=on_progress
  )
  shutil.rmtree(workdir, ignore_errors=True)
  return dataset
