"""Writes images to paint, with the manifest that says how each was made.

They are the ones that best stand for all among 500: sixteen of them teach an
interpreter more than the first sixteen that come (--candidates=0).

Every image belongs to an entry of the manifest: its key gives latent and noise,
so the same command draws the same image again, bit for bit.

Example:
  python -m launch.sample --config=configs/rendered_car.py --workdir=paint \\
    --num_samples=16
"""

import dataclasses
import pathlib
import shlex

import jax
import numpy as np
from absl import flags
from ml_collections import config_flags

from dgan_jax import api, errors, rng, schema, storage
from dgan_jax.annotations import entries, manifest, painting
from dgan_jax.generators import generator as generators
from dgan_jax.generators import selection
from dgan_jax.visualize import sheets
from launch import command, common, config_file, terminal

_NUM_SAMPLES = flags.DEFINE_integer(
  'num_samples', 16, 'Images to write.', lower_bound=1, upper_bound=10_000
)
_FIRST_INDEX = flags.DEFINE_integer(
  'first_index', 0, 'Index of the first.', lower_bound=0, upper_bound=2**31
)
_CANDIDATES = flags.DEFINE_integer(
  'candidates',
  500,
  'Samples to choose from; 0: the first.',
  lower_bound=0,
  upper_bound=selection.MOST,
)


def main(config: command.Config, workdir: pathlib.Path) -> None:
  classes = _classes(config, workdir)
  generator = common.load_generator(config)
  sampling = common.sampling(config, generator)
  wanted = (_NUM_SAMPLES.value, _CANDIDATES.value, _FIRST_INDEX.value)
  indices = selection.choose(generator, sampling, config.seed, *wanted)
  keys = rng.sample_keys(rng.root_key(config.seed), indices)
  names = tuple(f'{index:03}' for index in indices)
  listed = manifest.Manifest(
    names=names,
    keys=np.asarray(jax.random.key_data(keys)),
    indices=tuple(int(index) for index in indices),
    seed=config.seed,
    latent_size=generator.architecture.latent_size,
    generator=generators.checksum(generator),
    sampling=dataclasses.asdict(sampling),
  )
  # Masks may have been painted already; their manifest must survive.
  path = workdir / manifest.FILENAME
  if path.exists() and storage.read_json(path) != manifest.to_json(listed):
    raise errors.UserError(
      f'{workdir} holds other images (another seed, range, generator or '
      'sampling); give another --workdir.'
    )

  (workdir / 'images').mkdir(parents=True, exist_ok=True)
  (workdir / 'masks').mkdir(exist_ok=True)
  with terminal.progress_line('images') as on_progress:
    images = api.sample(
      generator, keys=keys, sampling=sampling, on_progress=on_progress
    ).image
  for name, image in zip(names, images, strict=True):
    storage.write_bytes(workdir / 'images' / f'{name}.png', sheets.png(image))
  sheet = sheets.contact_sheet(images, captions=names)
  storage.write_bytes(workdir / 'contact_sheet.png', sheets.png(sheet))
  train = _command('launch.train_interpreter', workdir)
  generate = _command('launch.generate', workdir)
  readme = painting.readme(classes, images, train, generate)
  storage.write_text(workdir / 'README.txt', readme)
  if not (workdir / entries.SCHEMA).exists():
    storage.write_json(workdir / entries.SCHEMA, classes.to_json())
  manifest.write(workdir, listed)
  print(f'Paint {workdir / "images"}; {workdir / "README.txt"} says how.')


def _classes(config: command.Config, workdir: pathlib.Path) -> schema.Schema:
  """What is to be painted. A schema that is in the folder already may have
  been edited, and stays."""
  given = common.given_schema(config)
  if (workdir / entries.SCHEMA).exists():
    return entries.read_schema(workdir, given)
  if given is None and config.generator != 'bundled':
    raise errors.UserError(
      'Say what is to be painted: --config.schema=car_20, another built-in '
      'schema, or the path of a .json file with "name" and "classes".'
    )
  return given or schema.get_schema('car_20')


def _command(name: str, workdir: pathlib.Path) -> str:
  """What to run next: with the config that this command was given, and the
  schema of the folder, edited or not."""
  argv = ['python', '-m', name]
  argv.append(f'--workdir=out/{workdir.name or "my"}_dataset')
  given = {}
  if 'config' in flags.FLAGS:  # It is not where another command calls this one.
    flag = flags.FLAGS['config']
    path = config_flags.get_config_filename(flag)
    argv.append(f'--config={config_file.name_of(path)}')
    given = dict(config_flags.get_override_values(flag))
  given['annotations'] = workdir
  given['schema'] = workdir / entries.SCHEMA
  argv += [f'--config.{field}={value}' for field, value in given.items()]
  return terminal.spoken(shlex.join(argv))


if __name__ == '__main__':
  command.run_config(main)
