"""The paper's dataflow, literally: what the benchmarks compare with.

All features are upsampled to image size and stacked (DatasetGAN, section 3.1),
and the members run one after another on the stack, as in the release. Each
piece is compiled, so what is measured is the dataflow and not the language.
"""

import functools
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from dgan_jax import pyramid as pyramid_lib
from dgan_jax import rng
from dgan_jax.annotations import folder as annotations_lib
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, optimization, release
from dgan_jax.tasks import part_segmentation
from dgan_jax.tasks import task as task_lib


@functools.partial(jax.jit, static_argnames='sampling')
def _sample(
  generator: generators.Generator,
  keys: chex.PRNGKey,
  sampling: generators.Sampling,
) -> tuple[chex.Array, chex.Array]:
  """The image of one key and its hypercolumns [pixels, features]."""
  _, image, pyramid = generators.sample(generator, keys, sampling)
  return image, _stack(generator, pyramid, sampling)


@functools.partial(jax.jit, static_argnames='sampling')
def _features(
  generator: generators.Generator,
  latents: chex.Array,
  sampling: generators.Sampling,
) -> chex.Array:
  """Hypercolumns [pixels, features] of one latent [1, latent_size]."""
  _, pyramid = generators.sample_latents(generator, latents, None, sampling)
  return _stack(generator, pyramid, sampling)


def _stack(
  generator: generators.Generator,
  pyramid: pyramid_lib.FeaturePyramid,
  sampling: generators.Sampling,
) -> chex.Array:
  canvas = sampling.canvas(generator.architecture)
  stacked = pyramid_lib.hypercolumns(pyramid, canvas)
  return stacked.reshape(-1, stacked.shape[-1]).astype(jnp.float32)


@functools.partial(jax.jit, static_argnames='classifier')
def _member(
  classifier: ensemble.PixelClassifier, params: Any, stacked: chex.Array
) -> tuple[chex.Array, part_segmentation.Statistics]:
  """One member's logits [pixels, classes] and what follows from them."""
  trained, averages = ensemble.split_averages(params)
  logits = classifier.apply({'params': trained, 'averages': averages}, stacked)
  return logits, part_segmentation.member_statistics(logits)


@functools.partial(jax.jit, static_argnames=('task', 'shape'))
def _combine(
  statistics: list[part_segmentation.Statistics],
  task: task_lib.Task,
  shape: tuple[int, int],
) -> part_segmentation.Labels:
  total = jax.tree.map(lambda *members: sum(members), *statistics)
  labels = task.decode(total, len(statistics))
  return part_segmentation.Labels(
    labels.mask.reshape(shape), labels.uncertainty.reshape(shape), labels.score
  )


def label(
  generator: generators.Generator,
  interpreter: ensemble.Interpreter,
  sampling: generators.Sampling,
  keys: chex.PRNGKey,
) -> tuple[chex.Array, part_segmentation.Labels]:
  """One sample, image uint8 [1, height, width, 3] and its labels.

  Args:
    generator: latent -> image and features.
    interpreter: features -> labels.
    sampling: truncation, noise, crop and type.
    keys: [1].
  """
  spec = interpreter.spec
  classifier = ensemble.PixelClassifier(spec.hidden, spec.num_outputs)
  image, stacked = _sample(generator, keys, sampling)
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
) -> chex.Array:
  """The feature vectors [pixels, features] of all annotated images."""
  return jnp.concatenate(
    [
      _features(generator, latent[None], sampling)
      for latent in annotations.latents
    ]
  )


def train(
  generator: generators.Generator,
  annotations: annotations_lib.Annotations,
  sampling: generators.Sampling,
  *,
  members: int,
  max_epochs: int = 100,
  key: chex.PRNGKey,
) -> ensemble.Interpreter:
  """The release's procedure (see `interpreter.release`) on stacked features.

  Constant noise, latents in z, every pixel labelled; pixels that don't fill
  an epoch's last batch are left out.
  """
  stacked = stack(generator, annotations, sampling)
  labels = jnp.asarray(annotations.masks.reshape(-1).astype(np.int32))
  task = part_segmentation.PartSegmentation(annotations.schema)
  num_classes = len(task.names)
  spec = ensemble.InterpreterSpec(
    generator.architecture.feature_channels,
    task,
    ensemble.hidden_sizes(num_classes),
    members,
  )
  classifier = ensemble.PixelClassifier(spec.hidden, num_classes)
  run_epoch = jax.jit(functools.partial(_run_epoch, classifier))
  trained = []
  for member in range(members):
    stream = jax.random.fold_in(key, member)
    state = (
      optimization.init(
        classifier,
        release.adam(),
        spec.num_features,
        rng.stream(stream, 'init'),
      ),
      jnp.asarray(jnp.inf, jnp.float32),
      jnp.zeros((), jnp.int32),
    )
    for epoch in range(max_epochs):
      order = jax.random.permutation(
        jax.random.fold_in(stream, epoch), len(labels)
      )
      counts = epoch >= release.FULL_EPOCHS
      state = run_epoch(state, stacked, labels, order, counts)
      if state[2] > release.PATIENCE:
        break
    trained.append(state[0].merged())
  params = jax.tree.map(lambda *leaves: jnp.stack(leaves), *trained)
  return ensemble.Interpreter(spec, params)


def _run_epoch(
  classifier: ensemble.PixelClassifier,
  state: tuple[optimization.MemberState, chex.Array, chex.Array],
  stacked: chex.Array,
  labels: chex.Array,
  order: chex.Array,
  counts: chex.Array,
) -> tuple[optimization.MemberState, chex.Array, chex.Array]:
  """Trains one member (state, lowest loss, batches since) on all pixels in
  an order [pixels], until its stopping rule says so if it `counts`."""
  step = optimization.make_step(
    classifier, release.adam(), part_segmentation.cross_entropy
  )
  batches = len(order) // release.BATCH_SIZE
  unused_key = rng.root_key(0)  # of dropout

  def goes_on(carry: Any) -> chex.Array:
    batch, (_, _, misses) = carry
    return (batch < batches) & (misses <= release.PATIENCE)

  def body(carry: Any) -> Any:
    batch, (member, best, misses) = carry
    pixels = lax.dynamic_slice_in_dim(
      order, batch * release.BATCH_SIZE, release.BATCH_SIZE
    )
    member, loss = step(member, stacked[pixels], labels[pixels], unused_key)
    better = loss < best
    misses = jnp.where(counts & ~better, misses + 1, 0)
    best = jnp.where(counts & better, loss, best)
    return batch + 1, (member, best, misses)

  return lax.while_loop(goes_on, body, (0, state))[1]
