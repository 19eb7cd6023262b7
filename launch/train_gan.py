"""Trains a generator: on pictures that a program draws, or on your photos.

Stopped and started again, training goes on where it was. The generator is
written to WORKDIR/generator and the one nearest to real images to WORKDIR/best,
as every other command reads them; sheets of samples, metrics and the checkpoint
to WORKDIR/gan.

Example:
  python -m launch.train_gan --workdir=out/cars
  python -m launch.train_gan --config=configs/gan_photos.py \\
    --config.images=photos --workdir=out/photos
"""

import contextlib
import pathlib
from typing import Annotated, Any

from dgan_jax import errors, renderers, rng, storage, validation
from dgan_jax.gan import data, inception, loop, quality, training_log
from dgan_jax.gan import discriminator as discriminators
from dgan_jax.gan import state as state_lib
from dgan_jax.generators import generator as generators
from dgan_jax.segmentation import predict
from launch import command, common, terminal


def main(config: command.Config, workdir: pathlib.Path) -> None:
  """Trains what the config says, as far as it is not."""
  training = _train_config(config)
  fields = {'config': training}
  validation.build('config.training', loop.check_sharing, fields)
  schedule = validation.build(
    'config.schedule', training_log.Schedule, config.schedule
  )
  extract = _extractor(config)
  common.note_command(workdir)
  images = _images(config, workdir / 'images')
  with (
    contextlib.closing(images),
    terminal.progress_line('images') as on_progress,
  ):
    loop.train(
      training,
      images,
      workdir,
      seed=config.seed,
      distance=_distance(config, extract, images),
      schedule=schedule,
      on_progress=on_progress,
    )
  print(f'The generator is in {workdir / "generator"}.')
  print(f'Look at the sheets in {workdir / "gan" / "samples"}.')


def _train_config(config: command.Config) -> state_lib.TrainConfig:
  """Generator, discriminator and how they are trained."""
  build, section = validation.build, 'config.network'
  fields = dict(config.network)
  judge = {'group_size': fields.pop('group_size')}
  generator: generators.Architecture = build(
    section, lambda **kind: generators.architecture_from_json(kind), fields
  )
  judge |= {'resolution': generator.resolution, 'channels': generator.channels}
  discriminator = build(section, discriminators.ResidualDiscriminator, judge)
  options = build('config.training', state_lib.Options, config.training)
  return state_lib.TrainConfig.of(generator, discriminator, options)


def _images(config: command.Config, cache: pathlib.Path) -> data.Images:
  """The real images that the config names; kept in `cache`."""
  name, resolution = config.images, config.network.resolution
  if name.endswith('.npy'):
    return data.from_array(name)
  with terminal.progress_line('images read') as on_progress:
    kept: dict[str, Any] = {'cache': cache, 'on_progress': on_progress}
    if name == 'domain':
      fields = {'resolution': resolution, **config.domain}
      count, at_first = fields.pop('count'), fields.pop('at_first')
      validation.expect('config.domain.count', count, validation.Count)
      validation.expect('config.domain.at_first', at_first, validation.Whole)
      domain = validation.build('config.domain', renderers.get, fields)
      return data.from_domain(domain, count, at_first=at_first, **kept)
    if name.startswith('tfds:'):
      dataset, _, split = name.removeprefix('tfds:').rpartition('/')
      if not dataset:
        validation.refuse('config.images', name, 'tfds:NAME/SPLIT')
      kept['data_dir'] = config.data_dir or None
      return data.from_tfds(dataset, split, resolution, **kept)
    return data.from_folder(name, resolution, **kept)


def _extractor(config: command.Config) -> quality.Extractor | None:
  """From images to the features that the config names."""
  count, name = config.evaluation_images, config.features
  none_or_some = Annotated[int, validation.choice((0,))] | quality.Images
  validation.expect('config.evaluation_images', count, none_or_some)
  if not count:
    return None
  if name == 'pixels':
    return quality.coarse_pixels
  if name.endswith('.pth'):
    return inception.extractor(inception.load(name))
  if name != 'bundled' and not storage.path(name).is_dir():
    expected = "'pixels', 'bundled', an annotator's folder or a .pth file"
    validation.refuse('config.features', name, expected)
  annotator = common.load_annotator(name)
  size = (config.network.resolution,) * 2
  if annotator.size != size:
    raise errors.UserError(
      f'config.features is {name!r}, an annotator that knows images of '
      f'{annotator.size[0]} x {annotator.size[1]}; these are {size[0]} x '
      f"{size[1]}. 'pixels' compares images of any size."
    )
  return predict.extractor(annotator)


def _distance(
  config: command.Config, extract: quality.Extractor | None, images: data.Images
) -> training_log.Distance | None:
  """Of a generator from the images that are there from the start."""
  if extract is None:
    return None
  return quality.FrechetDistance(
    extract,
    images.first(images.at_first)[: images.at_first or len(images)],
    name=f'{config.features} features',
    key=rng.stream(rng.root_key(config.seed), 'evaluation'),
    count=config.evaluation_images,
  )


if __name__ == '__main__':
  command.run_config(main, config='gan_rendered_car', machine_independent=False)
