"""Training the ensemble on a handful of annotated images.

Two procedures: `default.py`, quick, and `release.py`, as published. Both read
features from native resolution.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Annotated

import chex
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import progress, validation
from dgan_jax.annotations import drawn, keypoint_file
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import (
  annotated,
  default,
  ensemble,
  optimization,
  release,
)
from dgan_jax.tasks import kinds, part_segmentation
from dgan_jax.tasks import task as task_lib
from dgan_jax.training import run_folder

MODES = ('default', 'release')
FEATURE_DTYPES = ('float16', 'float32')


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
  """How an ensemble is trained.

  Attributes:
    mode: 'default', or 'release' for the published procedure; that one reads
      only `members`, `hidden`, `soft_voting`, `dropout`, `class_weights` and
      `max_epochs`.
    members: size of the ensemble.
    hidden: widths of the hidden layers; (0, 0): the release's choice for the
      number of classes.
    soft_voting: label by the mean softmax instead of a majority vote.
    dropout: share of hidden units dropped in training.
    class_weights: one weight per class, or keypoint, in the loss; () weighs
      all alike.
    steps: batches that every member is trained on, at most.
    batch_size: pixels in a batch of one member; two or more, for their
      statistics.
    learning_rate: at the start; falls to zero as a cosine over `steps`.
    weight_decay: of AdamW.
    balance: pixels of a region that covers n pixels are drawn as if it
      covered n^(1 - balance): 0 draws all pixels alike, 1 all regions.
    bootstrap: whether each member sees its own resampling of the images.
    held_out: share of the pixels kept out of training to stop by, at most
      4,096 of them.
    patience: evaluations on the held-out pixels (one every
      `steps_per_evaluation`) without a new best before a member keeps its
      best and training may stop early.
    steps_per_evaluation: see `patience`.
    feature_dtype: the features are kept as 'float16' or 'float32'.
    max_epochs: of the release's procedure.
  """

  mode: Annotated[str, validation.choice(MODES)] = 'default'
  members: validation.Count = 10
  hidden: tuple[validation.Whole, validation.Whole] = (0, 0)
  soft_voting: bool = False
  dropout: validation.ShareBelow1 = 0.0
  class_weights: tuple[validation.Positive, ...] = ()
  steps: validation.Count = 600
  batch_size: validation.Several = 512
  learning_rate: validation.LearningRate = 0.01
  weight_decay: validation.Share = 0.0
  balance: validation.Share = 0.5
  bootstrap: bool = False
  held_out: validation.ShareBelow1 = 0.02
  patience: validation.Count = 8
  steps_per_evaluation: validation.Count = 25
  feature_dtype: Annotated[str, validation.choice(FEATURE_DTYPES)] = 'float16'
  max_epochs: validation.Count = 100

  def __post_init__(self) -> None:
    validation.check(self)
    if any(self.hidden) and not all(self.hidden):
      expected = "two widths above 0, or (0, 0): the release's"
      validation.refuse('hidden', self.hidden, expected)

  def check_weights(self, names: Sequence[str]) -> None:
    """Raises errors.UserError unless all that is told apart has a weight, or
    none has."""
    if self.class_weights and len(self.class_weights) != len(names):
      expected = f'one for each of the {len(names)} names, or none'
      validation.refuse('class_weights', self.class_weights, expected)


def task_of(
  annotations: keypoint_file.Annotated, options: TrainingOptions
) -> task_lib.Task:
  """What annotations teach."""
  return kinds.create(
    annotations.task, annotations.schema, soft_voting=options.soft_voting
  )


def train(
  generator: generators.Generator,
  annotations: keypoint_file.Annotated,
  sampling: generators.Sampling,
  options: TrainingOptions,
  *,
  key: chex.PRNGKey,
  on_images: Callable[[np.ndarray], None] | None = None,
  on_progress: progress.OnProgress | None = None,
  folder: run_folder.RunFolder | None = None,
) -> ensemble.Interpreter:
  """Trains an interpreter for one generator.

  Args:
    generator: that made the annotated images.
    annotations: masks or keypoints, and latents; they decide the task.
    sampling: as the images were made.
    options: the procedure.
    key: of initial weights, batches and dropout.
    on_images: called with the images that the generator draws for the masks,
      uint8 [n, height, width, 3], before anything is learnt from them.
    on_progress: called with steps done, steps in all (of the release's
      procedure: at most) and the mean loss.
    folder: makes training go on where it was killed.

  Raises:
    errors.UserError: labels of another size than the generator's images, or of
      other images (see `drawn.check`); not one class weight per class.
    FloatingPointError: the loss is not finite; says between which steps.
  """
  task = task_of(annotations, options)
  count = len(task.names)
  options.check_weights(task.names)
  is_release = options.mode == 'release'
  dtype = 'float32' if is_release else options.feature_dtype
  images, pyramid = annotated.draw(generator, annotations, sampling, dtype)
  if on_images:
    on_images(images)
  drawn.check(images, annotations)
  truth = task.truth(annotations)
  if is_release and isinstance(task, part_segmentation.PartSegmentation):
    truth = part_segmentation.without_small_regions(
      truth, release.MINIMUM_REGION, into=0
    )
  canvas = sampling.canvas(generator.architecture)
  pixels = annotated.annotated_pixels(truth, task, pyramid, canvas)
  hidden = options.hidden if any(options.hidden) else None
  spec = ensemble.InterpreterSpec(
    feature_channels=generator.architecture.feature_channels,
    task=task,
    hidden=hidden or ensemble.hidden_sizes(count),
    members=options.members,
    generator_checksum=generators.checksum(generator),
    resolution=generator.architecture.resolution,
    rows=sampling.rows,
  )
  classifier = ensemble.PixelClassifier(spec.hidden, count, options.dropout)
  loss: optimization.Loss = task.loss
  if options.class_weights:
    weights = jnp.asarray(options.class_weights)
    loss = functools.partial(task.loss, weights=weights)
  procedure = release.train if is_release else default.train
  params = procedure(
    classifier,
    pixels,
    options,
    loss=loss,
    key=key,
    on_progress=on_progress,
    folder=folder,
  )
  return ensemble.Interpreter(spec, jax.tree.map(np.asarray, params))
