"""How good labels, keypoints and images are. On the host, in numpy."""

import dataclasses

import numpy as np


def confusion_matrix(
  labels: np.ndarray,
  predictions: np.ndarray,
  num_classes: int,
  ignore_label: int | None = None,
) -> np.ndarray:
  """Counts pixels by what they are and what they were taken for.

  Matrices of several images add up to that of all of them.

  Args:
    labels: the truth, integers [...].
    predictions: integers [...] in [0, num_classes).
    num_classes: classes counted.
    ignore_label: pixels of this label are not counted.

  Returns:
    int64 [num_classes, num_classes]; a row per true class, a column per
    predicted one.

  Raises:
    ValueError: shapes differ, or a label is not in [0, num_classes).
  """
  labels, predictions = np.asarray(labels), np.asarray(predictions)
  if labels.shape != predictions.shape:
    shapes = f'Labels {labels.shape} and predictions {predictions.shape}'
    raise ValueError(f'{shapes} differ in shape.')
  if ignore_label is not None:
    counted = labels != ignore_label
    labels, predictions = labels[counted], predictions[counted]
  for name, values in (('Labels', labels), ('Predictions', predictions)):
    if values.size and not 0 <= values.min() <= values.max() < num_classes:
      raise ValueError(
        f'{name} from {values.min()} to {values.max()} do not lie in '
        f'0 to {num_classes - 1}.'
      )
  pairs = labels.astype(np.int64) * num_classes + predictions
  counts = np.bincount(pairs.ravel(), minlength=num_classes**2)
  return counts.reshape(num_classes, num_classes)


def class_iou(confusion: np.ndarray) -> np.ndarray:
  """Intersection over union of every class, float64 [classes]; NaN where the
  class is in neither labels nor predictions. See `confusion_matrix`."""
  hit = np.diag(confusion).astype(np.float64)
  union = confusion.sum(0) + confusion.sum(1) - hit
  return np.divide(hit, union, out=np.full_like(hit, np.nan), where=union > 0)


def class_accuracy(confusion: np.ndarray) -> np.ndarray:
  """Share of every class's pixels labelled right, float64 [classes]; NaN where
  no pixel of the labels is of the class. See `confusion_matrix`."""
  hit = np.diag(confusion).astype(np.float64)
  occurs = confusion.sum(1)
  return np.divide(hit, occurs, out=np.full_like(hit, np.nan), where=occurs > 0)


def mean_iou(confusion: np.ndarray, *, absent: str = 'left_out') -> float:
  """Mean intersection over union, background included.

  Args:
    confusion: [classes, classes], see `confusion_matrix`.
    absent: what a class counts that no pixel of the labels has: 'left_out'
      for nothing, the usual convention (predicting it still costs the classes
      that it is mistaken for); 'zero' for an IoU of 0, as in the DatasetGAN
      release.

  Raises:
    ValueError: `absent` is something else, or no pixel was counted.
  """
  if absent not in ('left_out', 'zero'):
    raise ValueError(f"Absent classes {absent!r}: 'left_out' or 'zero'.")
  occurs = confusion.sum(1) > 0
  if not occurs.any():
    raise ValueError('The mean IoU of no pixels is undefined.')
  iou = np.where(occurs, class_iou(confusion), 0)
  return float(iou[occurs].mean() if absent == 'left_out' else iou.mean())


def pixel_accuracy(confusion: np.ndarray) -> float:
  """Share of pixels labelled right; see `confusion_matrix`."""
  return float(np.diag(confusion).sum() / confusion.sum())


def pck(
  predictions: np.ndarray,
  keypoints: np.ndarray,
  sizes: np.ndarray,
  threshold: float,
  visible: np.ndarray | None = None,
) -> float:
  """Percentage of correct keypoints, PCK@(100 threshold) (Yang and Ramanan,
  "Articulated human detection with flexible mixtures of parts").

  Args:
    predictions: pixels [images, keypoints, 2].
    keypoints: the truth, pixels [images, keypoints, 2].
    sizes: the longer side of each object's bounding box, pixels [images].
    threshold: a keypoint is correct within this share of the size.
    visible: bool [images, keypoints]; others don't count. None: all count.

  Returns:
    0 to 100.

  Raises:
    ValueError: shapes do not fit, or no keypoint counts.
  """
  predictions, keypoints = np.asarray(predictions), np.asarray(keypoints)
  sizes = np.asarray(sizes)
  if predictions.shape != keypoints.shape or predictions.shape[2:] != (2,):
    raise ValueError(
      f'Predictions {predictions.shape} and keypoints {keypoints.shape}: '
      'expected both as [images, keypoints, 2].'
    )
  if visible is None:
    visible = np.ones(keypoints.shape[:2], bool)
  if sizes.shape != keypoints.shape[:1] or visible.shape != keypoints.shape[:2]:
    raise ValueError(
      f'Sizes {sizes.shape} or visible {visible.shape} do not fit keypoints '
      f'{keypoints.shape}.'
    )
  if not visible.any():
    raise ValueError('The PCK of no visible keypoints is undefined.')
  error = np.linalg.norm(predictions.astype(np.float64) - keypoints, axis=-1)
  correct = error <= threshold * sizes[:, None]
  return float(100 * correct[visible].mean())


def keypoint_sizes(keypoints: np.ndarray, visible: np.ndarray) -> np.ndarray:
  """The longer side of the box around each image's visible keypoints, float64
  [images], of pixels [images, keypoints, 2]; 0 where fewer than two of bool
  [images, keypoints] are visible."""
  seen = visible[..., None]
  low = np.where(seen, keypoints, np.inf).min(1)
  high = np.where(seen, keypoints, -np.inf).max(1)
  return np.where(visible.any(1), (high - low).max(1), 0.0)


def frechet_distance(
  mean: np.ndarray,
  covariance: np.ndarray,
  other_mean: np.ndarray,
  other_covariance: np.ndarray,
) -> float:
  """Frechet distance of two normal distributions (Dowson and Landau 1982):
  |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2)), of means [n] and covariances
  [n, n].

  Exact to float64's rounding also where covariances are singular, as those of
  few samples are. Three seconds of one core with the 2048 dimensions of a FID.
  """
  # With C1 = F1 F1' and C2 = F2 F2', the eigenvalues of C1 C2 are the squares
  # of the singular values of F1' F2. Never squared, they keep their digits.
  between = _factor(covariance).T @ _factor(other_covariance)
  overlap = np.linalg.svd(between, compute_uv=False).sum()
  shift = np.square(mean - other_mean).sum()
  spread = np.trace(covariance) + np.trace(other_covariance) - 2 * overlap
  return float(max(shift + spread, 0))


def _factor(covariance: np.ndarray) -> np.ndarray:
  """[n, rank] whose product with its transpose is the covariance [n, n]."""
  try:
    return np.linalg.cholesky(covariance)
  except np.linalg.LinAlgError:  # as of no more samples than dimensions
    values, vectors = np.linalg.eigh(covariance)
    rounding = len(values) * np.finfo(values.dtype).eps * values[-1]
    kept = values > rounding
    return vectors[:, kept] * np.sqrt(values[kept])


@dataclasses.dataclass(frozen=True)
class ClassCounts:
  """How often each class occurs."""

  pixels: np.ndarray  # of each class, int64 [classes]
  images: np.ndarray  # that have a pixel of the class, int64 [classes]
  num_images: int  # counted in all

  @classmethod
  def of(cls, masks: np.ndarray, num_classes: int) -> 'ClassCounts':
    """Counts masks [n, height, width]; labels that are no class are left out,
    such as ignored pixels."""
    pixels = np.zeros((len(masks), num_classes), np.int64)
    for row, mask in zip(pixels, masks, strict=True):
      row[:] = np.bincount(mask.ravel(), minlength=num_classes)[:num_classes]
    return cls(pixels.sum(0), (pixels > 0).sum(0), len(masks))

  @property
  def pixel_shares(self) -> np.ndarray:
    """Share of the counted pixels, float64 [classes]."""
    return self.pixels / max(int(self.pixels.sum()), 1)

  @property
  def image_shares(self) -> np.ndarray:
    """Share of images with the class, float64 [classes]."""
    return self.images / max(self.num_images, 1)
