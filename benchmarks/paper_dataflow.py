"""The paper's dataflow, literally: what the benchmarks compare with.

All features are upsampled to image size and stacked (DatasetGAN, section 3.1),
and the members run one after another on the stack, as in the release. Each
piece is compiled, so what is measured is the dataflow and not the language.
"""

import functools
from typing import Any

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import pyramid as pyramid_lib
from dgan_jax import rng
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, optimization, release
from dgan_jax.tasks import part_segmentation
from dgan_jax.tasks import task as task_lib


@flax.struct.dataclass
class Stacked:
  """Feature vectors [pixels, features] of all annotated images, and the labels
  [pixels] of these; see `optimization.Pixels`."""

  features: chex.Array
  labels: chex.Array

  @property
  def num_pixels(self) -> int:
    return len(self.labels)

  def gather(self, index: chex.Array) -> tuple[chex.Array, chex.Array]:
    return self.features[index], self.labels[index]


@functools.partial(jax.jit, static_argnames='sampling')
def _sample(
  generator: generators.Generator,
  latents: chex.Array,
  keys: chex.PRNGKey | None,
  sampling: generators.Sampling,
) -> tuple[chex.Array, chex.Array]:
  """The image of one latent [1, latent_size] and its hypercolumns [pixels,
  features]."""
  image, pyramid = generators.sample_latents(generator, latents, keys, sampling)
  canvas = sampling.canvas(generator.architecture)
  stacked = pyramid_lib.hypercolumns(pyramid, canvas)
  return image, stacked.reshape(-1, stacked.shape[-1]).astype(jnp.float32)


@functools.partial(jax.jit, static_argnames='classifier')
def _member(
  classifier: ensemble.PixelClassifier, params: Any, stacked: chex.Array
) -> tuple[chex.Array, part_segmentation.Statistics]:
  """One member's logits [pixels, classes] and what follows from them."""
  trained, batch_stats = ensemble.split_batch_stats(params)
  logits = classifier.apply(
    {'params': trained, 'batch_stats': batch_stats}, stacked
  )
  return logits, part_segmentation.member_statistics(logits)


@functools.partial(jax.jit, static_argnames=('task', 'shape'))
def _combine(
  statistics: list[part_segmentation.Statistics],
  task: task_lib.Task,
  shape: tuple[int, int],
) -> Any:
  total = jax.tree.map(
    lambda *members: sum(members).reshape(*shape, *members[0].shape[1:]),
    *statistics,
  )
  return task.decode(total, len(statistics))


def label(
  generator: generators.Generator,
  interpreter: ensemble.Interpreter,
  sampling: generators.Sampling,
  keys: chex.PRNGKey,
) -> tuple[chex.Array, part_segmentation.Labels]:
  """Image uint8 [1, height, width, 3] and labels of one sample, by its key
  [1]."""
  spec = interpreter.spec
  classifier = ensemble.PixelClassifier(spec.hidden, spec.num_outputs)
  z = rng.latents(keys, generator.architecture.latent_size)
  image, stacked = _sample(generator, z, keys, sampling)
  logits, statistics = [], []
  for i in range(spec.members):
    params = jax.tree.map(lambda x, i=i: x[i], interpreter.params)
    member_logits, member_statistics = _member(classifier, params, stacked)
    logits.append(member_logits)  # kept for all members, as the release does
    statistics.append(member_statistics)
  return image, _combine(statistics, spec.task, image.shape[1:3])


def stack(
  generator: generators.Generator,
  annotations: annotations_lib.Annotations,
  sampling: generators.Sampling,
) -> Stacked:
  """Features and labels of all annotated images, of latents in z."""
  latents = annotations.latents[:, None]
  features = [_sample(generator, z, None, sampling)[1] for z in latents]
  labels = jnp.asarray(annotations.masks.reshape(-1).astype(np.int32))
  return Stacked(jnp.concatenate(features), labels)


def train(
  generator: generators.Generator,
  annotations: annotations_lib.Annotations,
  sampling: generators.Sampling,
  members: int,
  max_epochs: int = 100,
  *,
  key: chex.PRNGKey,
) -> ensemble.Interpreter:
  """The release's procedure (see `interpreter.release`) on stacked features,
  of constant noise, one member after another."""
  pixels = stack(generator, annotations, sampling)
  task = part_segmentation.PartSegmentation(annotations.schema)
  channels = generator.architecture.feature_channels
  hidden = ensemble.hidden_sizes(len(task.names))
  spec = ensemble.InterpreterSpec(channels, task, hidden, members)
  classifier = ensemble.PixelClassifier(spec.hidden, spec.num_outputs)
  step = optimization.make_step(classifier, release.adam(), task.loss)
  run = jax.jit(functools.partial(release.run, step=step))
  trained = []
  for number in range(members):
    stream = jax.random.fold_in(key, number)
    state = release.initial(classifier, spec.num_features, 1, stream)
    chunks = release.chunks(pixels.num_pixels, 1, 0, max_epochs, stream)
    for _, batches in chunks:
      state, _ = run(state, pixels, batches, key=stream)
      if state.misses > release.PATIENCE:
        break
    trained.append(state.member.merged())
  params = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *trained)
  return ensemble.Interpreter(spec, params)
