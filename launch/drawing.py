"""Images of a generator, drawn one by one, and a sheet of them."""

import pathlib
from collections.abc import Iterator

import jax
import numpy as np

from dgan_jax import rng, storage
from dgan_jax.generators import generator as generators
from dgan_jax.visualize import sheets
from launch import command


def draw(
  generator: generators.Generator,
  keys: jax.Array,
  sampling: generators.Sampling,
) -> Iterator[np.ndarray]:
  """Images uint8 [height, width, 3], one of each key.

  One at a time: what a batch computes may depend on its size in the last bit,
  and these images are to be reproduced.
  """

  @jax.jit
  def image(generator: generators.Generator, key: jax.Array) -> jax.Array:
    return generators.sample(generator, key, sampling)[1][0]

  for place in range(len(keys)):
    yield np.asarray(image(generator, keys[place : place + 1]))


def contact_sheet(
  generator: generators.Generator, path: pathlib.Path, count: int
) -> None:
  """Draws samples 0, 1, ... as `launch.sample` does, onto one picture."""
  keys = rng.sample_keys(rng.root_key(0), np.arange(count))
  sampling = generators.usual_sampling(generator)
  images = []
  with command.terminal_progress('images') as on_progress:
    for image in draw(generator, keys, sampling):
      images.append(image)
      on_progress(len(images), count, {})
  labels = generators.labels_of(generator, count, keys, sampling)
  captions = None
  if labels is not None:
    captions = [f'class {label}' for label in np.asarray(labels)]
  sheet = sheets.contact_sheet(np.stack(images), captions=captions)
  storage.write_bytes(path, sheets.png(sheet))
