"""What a trained annotator paints, and how well."""

from collections.abc import Callable, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import metrics, parallel
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import unet

# Images that a device takes in one go.
BLOCK_SIZE = 16

# Images uint8 [n, height, width, 3] -> arrays [n, ...] of these.
Function = Callable[[np.ndarray], Any]


def labeller(
  annotator: annotator_lib.Annotator,
  *,
  devices: Sequence[jax.Device] | None = None,
) -> Function:
  """A function that labels images, compiled once for all calls.

  It returns masks uint8 [n, height, width] and the probability of each label,
  float32 [n, height, width]. What it says of an image depends neither on the
  others nor on the number of devices (default all of this host). It raises
  errors.UserError for images that the annotator does not know; see
  `Annotator.check`.
  """
  return _mapped(_label, annotator, devices)


def _label(
  architecture: unet.UNet, params: Any, images: chex.Array
) -> tuple[chex.Array, chex.Array]:
  probabilities = jax.nn.softmax(architecture.label(params, images))
  mask = probabilities.argmax(-1).astype(jnp.uint8)
  return mask, probabilities.max(-1)


def extractor(
  annotator: annotator_lib.Annotator,
  *,
  devices: Sequence[jax.Device] | None = None,
) -> Function:
  """A function from images to features, as `labeller` is one to labels.

  Its features float32 [n, `UNet.num_features`] are the means over pixels of
  all channels on the way down, by which the annotator tells the parts. For
  domains that the Inception network of the FID was never shown: distances
  between them compare with each other, not with a FID.
  """
  return _mapped(unet.UNet.features, annotator, devices)


def _mapped(
  function: Callable[[unet.UNet, Any, chex.Array], Any],
  annotator: annotator_lib.Annotator,
  devices: Sequence[jax.Device] | None,
) -> Function:
  static, params = (annotator.architecture,), annotator.params
  run = parallel.map_items(function, params, BLOCK_SIZE, devices, static=static)

  def checked(images: np.ndarray) -> Any:
    annotator.check(images)
    return parallel.collect(run(images))

  return checked


def annotate(
  annotator: annotator_lib.Annotator, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """Labels images once; see `labeller`."""
  masks, confidence = labeller(annotator)(images)
  return masks, confidence


def confusion(
  annotator: annotator_lib.Annotator, images: np.ndarray, masks: np.ndarray
) -> np.ndarray:
  """How an annotator's labels of images uint8 [n, height, width, 3] differ from
  the truth, uint8 [n, height, width]; see `metrics.confusion_matrix`."""
  found, _ = annotate(annotator, images)
  schema = annotator.schema
  return metrics.confusion_matrix(
    masks, found, schema.num_classes, schema.ignore_label
  )
