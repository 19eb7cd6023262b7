"""Every pixel is of one part: softmax members, votes, Jensen-Shannon."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import chex
import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from dgan_jax import metrics
from dgan_jax import schema as schema_lib
from dgan_jax.pyramid import Canvas
from dgan_jax.tasks.task import Arrays
from dgan_jax.visualize import frequencies as frequencies_lib
from dgan_jax.visualize import sheets

# torch.finfo(float32).eps: how far the reference keeps probabilities from 0
# and 1 before it takes their logarithm.
_EPS = 1.1920929e-07


@flax.struct.dataclass
class Labels:
  """The parts of an image, or of a batch of images."""

  mask: chex.Array  # uint8 [..., height, width], the class of every pixel
  # Float32 [..., height, width], Jensen-Shannon divergence of the members in
  # nats, 0 where all agree.
  uncertainty: chex.Array
  score: chex.Array  # float32 [...], mean of the most uncertain tenth of pixels


@flax.struct.dataclass
class Statistics:
  """Sums over the members of an ensemble, per pixel."""

  softmax: chex.Array  # [..., classes]
  votes: chex.Array  # uint8 [..., classes], members whose argmax a class is
  entropy: chex.Array  # [...], in nats


@dataclasses.dataclass(frozen=True)
class PartSegmentation:
  """See `task.Task`."""

  kind: ClassVar[str] = 'part_segmentation'
  noun: ClassVar[str] = 'classes'
  counted: ClassVar[str] = 'class_pixels'
  supervised_key: ClassVar[str] = 'segmentation_mask'
  uncertainty_text: ClassVar[str] = 'Jensen-Shannon divergence in nats'
  score_text: ClassVar[str] = (
    "A score is the mean of the most uncertain tenth of an image's pixels."
  )

  schema: schema_lib.Schema  # its classes are the names
  # Labels are the mean softmax's argmax, not a majority vote.
  soft_voting: bool = False

  @property
  def names(self) -> tuple[str, ...]:
    return self.schema.classes

  def truth(self, annotations: Any) -> np.ndarray:
    """The painted masks, uint8 [n, height, width]."""
    return annotations.masks

  def annotated(self, truth: np.ndarray) -> dict[str, np.ndarray]:
    """The mask, uint8 [height, width]."""
    return {'mask': truth}

  def regions(self, truth: np.ndarray, canvas: Canvas) -> np.ndarray:
    """A region is what one class covers; ignored pixels are in none."""
    del canvas
    ignored = truth == self.schema.ignore_label
    return np.where(ignored, -1, truth.astype(np.int32))

  def targets(
    self,
    truth: chex.Array,
    canvas: Canvas,
    pixels: Sequence[chex.Array],
  ) -> chex.Array:
    """The pixels' classes, int32 [n]."""
    del canvas
    return truth[*pixels].astype(jnp.int32)

  def loss(
    self,
    outputs: chex.Array,
    targets: chex.Array,
    weights: chex.Array | None = None,
  ) -> chex.Array:
    """Mean cross entropy in nats; see `cross_entropy`."""
    return cross_entropy(outputs, targets, weights)

  def zeros(self, shape: tuple[int, ...]) -> Statistics:
    """[*shape, classes], the entropy [*shape]."""
    softmax = jnp.zeros((*shape, len(self.names)))
    return Statistics(softmax, softmax.astype(jnp.uint8), jnp.zeros(shape))

  def statistics(self, outputs: chex.Array) -> Statistics:
    """Of one member's logits [..., classes]."""
    return member_statistics(outputs)

  def decode(self, sums: Statistics, members: int) -> Labels:
    """By vote and Jensen-Shannon divergence; see `Labels`."""
    divergence = uncertainty(sums, members)
    mask = votes_to_mask(sums, self.soft_voting)
    return Labels(mask, divergence, score(divergence))

  def uncertainty_maximum(self, members: int) -> float:
    """Of n distributions over c classes no divergence is above log(n) nor
    above log(c); log(2) where there is one of either."""
    return math.log(max(min(members, len(self.names)), 2))

  def features(self, size: tuple[int, int]) -> dict[str, Any]:
    """The mask [height, width, 1], whose classes have names."""
    # Only a dataset needs it, and it takes long to import.
    import tensorflow_datasets as tfds

    return {
      'segmentation_mask': tfds.features.LabeledImage(
        labels=list(self.names),
        shape=(*size, 1),
        encoding_format='png',
        doc='The class of every pixel.',
      )
    }

  def encode(self, labels: Arrays) -> dict[str, np.ndarray]:
    """By the names of `features`."""
    return {'segmentation_mask': labels['mask']}

  def read(self, example: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """By the names of `Labels`."""
    return {'mask': np.asarray(example['segmentation_mask'])[..., 0]}

  def counts(self, labels: Arrays) -> np.ndarray:
    """Pixels of every class."""
    return np.bincount(labels['mask'].ravel(), minlength=len(self.names))

  def frequencies(self, counts: np.ndarray) -> frequencies_lib.Frequencies:
    found = metrics.ClassCounts(counts.sum(0), (counts > 0).sum(0), len(counts))
    return frequencies_lib.Frequencies(
      'class',
      self.names,
      self.schema.palette,
      {'of pixels': found.pixel_shares, 'of images': found.image_shares},
      'Share of all pixels, logarithmic, and share of images with the class.',
    )

  def draw(self, image: np.ndarray, labels: Arrays) -> np.ndarray:
    return sheets.overlay(image, labels['mask'], self.schema)

  def legend(self, labels: Sequence[Arrays]) -> list[sheets.LegendEntry]:
    present = np.unique(np.stack([one['mask'] for one in labels]))
    return sheets.class_legend(self.schema, present)

  def scores(self, truth: np.ndarray, labels: Arrays) -> dict[str, float]:
    """`mean_iou` and `accuracy` of all pixels that the truth labels."""
    mask, count = labels['mask'], len(self.names)
    ignored = self.schema.ignore_label
    confusion = metrics.confusion_matrix(truth, mask, count, ignored)
    return {
      'mean_iou': 100 * metrics.mean_iou(confusion),
      'accuracy': 100 * metrics.pixel_accuracy(confusion),
    }

  def to_json(self) -> dict[str, Any]:
    return {
      'kind': self.kind,
      'schema': self.schema.to_json(),
      'soft_voting': self.soft_voting,
    }


def unnamed(num_classes: int) -> PartSegmentation:
  """The task of members whose classes nobody has named."""
  classes = tuple(f'class_{i}' for i in range(num_classes))
  count = min(num_classes, schema_lib.MAX_CLASSES)
  palette = schema_lib.generated_palette(count)
  return PartSegmentation(schema_lib.Schema('unnamed', classes, palette))


def without_small_regions(
  masks: np.ndarray, minimum_pixels: int, into: int
) -> np.ndarray:
  """Takes from masks uint8 [n, height, width] what only a slip of the brush
  explains: regions under so many pixels get the label `into`.

  A region is, as in the release (train_interpreter.py, prepare_data), all that
  an image has of one class. Background, label 0, stays.
  """
  masks = masks.copy()
  for mask in masks:
    small = np.bincount(mask.ravel(), minlength=256) < minimum_pixels
    small[0] = False
    mask[small[mask]] = into
  return masks


def cross_entropy(
  logits: chex.Array,
  labels: chex.Array,
  class_weights: chex.Array | None = None,
) -> chex.Array:
  """Mean cross entropy of logits [n, classes] against labels [n], in nats;
  with class weights their weighted mean, as PyTorch counts."""
  losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
  if class_weights is None:
    return losses.mean()
  weights = class_weights[labels]
  return (losses * weights).sum() / weights.sum()


def member_statistics(logits: chex.Array) -> Statistics:
  """The statistics of one member's logits [..., classes]."""
  centred = logits - logits.max(-1, keepdims=True)
  exponents = jnp.exp(centred)
  total = exponents.sum(-1, keepdims=True)
  softmax = exponents / total
  entropy = jnp.log(total[..., 0]) - (softmax * centred).sum(-1)
  vote = jax.nn.one_hot(logits.argmax(-1), logits.shape[-1], dtype=jnp.uint8)
  return Statistics(softmax, vote, entropy)


def uncertainty(statistics: Statistics, members: int) -> chex.Array:
  """Jensen-Shannon divergence [...]: H(mean softmax) - mean H(softmax).

  The mean is renormalised and its logarithm clamped, as in the release; what
  rounding leaves below zero is zero.
  """
  mean = statistics.softmax / statistics.softmax.sum(-1, keepdims=True)
  logarithm = jnp.log(jnp.clip(mean, _EPS, 1 - _EPS))
  entropy = -(mean * logarithm).sum(-1)
  return jnp.maximum(entropy - statistics.entropy / members, 0)


def score(uncertainty_map: chex.Array) -> chex.Array:
  """Mean of the int(n / 10) most uncertain pixels of a map [h, w]."""
  flat = uncertainty_map.ravel()
  top, _ = lax.top_k(flat, max(flat.size // 10, 1))
  return top.mean()


def votes_to_mask(statistics: Statistics, soft_voting: bool) -> chex.Array:
  """Classes uint8 [...]: the majority's choice, ties to the smallest class;
  or, with soft voting, the argmax of the mean softmax."""
  ballot = statistics.softmax if soft_voting else statistics.votes
  return ballot.argmax(-1).astype(jnp.uint8)
