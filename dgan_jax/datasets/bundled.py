"""The generator and the annotations that come with the package."""

import pathlib

from dgan_jax import rng, storage
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.checkpoints import store
from dgan_jax.datasets import base
from dgan_jax.interpreter import training

ASSETS = pathlib.Path(__file__).parents[1] / 'assets' / 'rendered_cars_64'
GENERATOR = ASSETS / 'generator'
ANNOTATED = ASSETS / 'annotated'
ANNOTATOR = ASSETS.with_name('rendered_car_annotator')


def path(name: storage.PathLike, shipped: pathlib.Path) -> storage.PathLike:
  """What 'bundled' stands for; anything else is a path already."""
  return shipped if name == 'bundled' else name


def job(workdir: pathlib.Path, options: base.FactoryOptions) -> base.Job:
  """Samples of the bundled cars.

  The interpreter is trained on the first call, which takes most of a minute
  on two cores, and kept in `workdir`.

  Raises:
    errors.UserError: what comes with the package is damaged or missing.
    OSError: `workdir` cannot be written.
  """
  generator = store.load_generator(GENERATOR)
  annotated = folder_lib.load(ANNOTATED)
  sampling = base.Sampling(**annotated.sampling)
  folder = workdir / 'interpreter'
  if (folder / 'checkpoint.json').is_file():
    interpreter = store.load_interpreter(folder)
  else:
    with base.progress_bar('Training the interpreter', 'steps') as on_progress:
      interpreter = training.train(
        generator,
        annotated,
        sampling,
        training.TrainingOptions(),
        key=rng.stream(rng.root_key(options.seed), 'interpreter'),
        on_progress=on_progress,
      )
    store.save_interpreter(folder, interpreter)
  source = base.GeneratorSource(generator, sampling)
  return base.Job(source, interpreter, options)
