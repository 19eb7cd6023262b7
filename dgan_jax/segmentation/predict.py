"""What a trained annotator paints, and how well."""

from collections.abc import Callable, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import metrics, parallel
from dgan_jax.segmentation import annotator as annotator_lib

# Images that a device labels in one go.
BLOCK_SIZE = 16

# Images uint8 [n, height, width, 3] -> masks uint8 [n, height, width] and the
# probability of each label, float32 [n, height, width].
Labeller = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def labeller(
  annotator: annotator_lib.Annotator,
  *,
  block_size: int = BLOCK_SIZE,
  devices: Sequence[jax.Device] | None = None,
) -> Labeller:
  """A function that labels images, compiled once for all calls.

  The labels of an image depend neither on the others nor on the number of
  devices. The function raises errors.UserError for images that the annotator
  does not know; see `Annotator.check`.

  Args:
    annotator: that labels.
    block_size: images that a device labels in one go.
    devices: default all of this host.
  """
  architecture = annotator.architecture

  def label(params: Any, images: chex.Array) -> tuple[chex.Array, chex.Array]:
    probabilities = jax.nn.softmax(architecture.label(params, images))
    mask = probabilities.argmax(-1).astype(jnp.uint8)
    return mask, probabilities.max(-1)

  run = parallel.map_items(label, annotator.params, block_size, devices)

  def labels(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    annotator.check(images)
    rounds = [(mask[:n], sure[:n]) for n, (mask, sure) in run(images)]
    masks, confidences = zip(*rounds, strict=True)
    return np.concatenate(masks), np.concatenate(confidences)

  return labels


def annotate(
  annotator: annotator_lib.Annotator, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Labels images once; see `labeller`."""
  return labeller(annotator)(images)


def confusion(
  annotator: annotator_lib.Annotator, images: np.ndarray, masks: np.ndarray
) -> np.ndarray:
  """How an annotator's labels differ from the truth.

  Args:
    annotator: that labels.
    images: uint8 [n, height, width, 3].
    masks: uint8 [n, height, width].

  Returns:
    [classes, classes]; see `metrics.confusion_matrix`.
  """
  found, _ = annotate(annotator, images)
  schema = annotator.schema
  return metrics.confusion_matrix(
    masks, found, schema.num_classes, schema.ignore_label
  )
