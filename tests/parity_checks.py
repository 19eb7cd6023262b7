"""What a comparison with the reference is, and how far one may be off.

The rule, for every array: three times the reference's own float32 error. That
error is, in this order,
  1. what the file's `meta` says (measured against float64 by its author);
  2. where the reference's computation is short (the interpreter), what it
     measures here against float64, within `ROUNDINGS` and the caller's cap;
  3. `RELATIVE_ERROR` of the largest value, what the stored vectors' README
     says of features: 2e-4 on values up to 45.
Labels are equal wherever the members are sure of theirs by `CLEAR_MARGIN`;
8-bit images differ by 1 at most, and only where the value before rounding is
as close to the next integer as its own tolerance.
"""

import dataclasses
import json
import math
import pathlib
import zipfile
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

FACTOR = 3
RELATIVE_ERROR = 2e-4 / 45
# Two float32 roundings of the largest value: no measured error counts as less.
ROUNDINGS = 2**-22
CLEAR_MARGIN = 1e-3


class UnreadableError(Exception):
  """A file is not there or is no archive of arrays."""


class MismatchError(Exception):
  """Arrays that should be alike have different shapes."""


@dataclasses.dataclass(frozen=True)
class Check:
  """One row of the table.

  Attributes:
    quantity: what was compared.
    error: the largest difference, or the number of values that differ.
    tolerance: the largest that passes.
  """

  quantity: str
  error: float
  tolerance: float

  @property
  def passed(self) -> bool:
    return self.error <= self.tolerance  # false for NaN


class Vectors(Mapping[str, np.ndarray]):
  """The arrays of a vector file.

  Attributes:
    path: of the file.
    meta: what it says about itself.
  """

  def __init__(self, path: pathlib.Path):
    """Reads a file; raises UnreadableError."""
    self.path = path
    try:
      with path.open('rb') as file, np.lib.npyio.NpzFile(file) as archive:
        self._arrays = {key: archive[key] for key in archive.files}
      meta = self._arrays.pop('meta', None)
      self.meta: dict[str, Any] = json.loads(str(meta)) if meta else {}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
      raise UnreadableError(f'{path} cannot be read: {error}') from None

  def __getitem__(self, key: str) -> np.ndarray:
    return self._arrays[key]

  def __iter__(self) -> Iterator[str]:
    return iter(self._arrays)

  def __len__(self) -> int:
    return len(self._arrays)

  def group(self, prefix: str) -> dict[str, np.ndarray]:
    """The arrays whose names start so, without the prefix."""
    return {
      key[len(prefix) :]: self[key] for key in self if key.startswith(prefix)
    }

  def image(self, key: str) -> np.ndarray:
    """[batch, channels, height, width] as [batch, height, width, channels]."""
    return self[key].transpose(0, 2, 3, 1)


def relative_error(theirs: np.ndarray) -> float:
  """The reference's error by the size of its values; see the rule."""
  return RELATIVE_ERROR * max(1.0, _largest(theirs))


def measured_error(theirs: Any, exact: Any, cap: float = math.inf) -> float:
  """The reference's error against float64; see the rule.

  Args:
    theirs: the reference's float32 values.
    exact: the same computed in float64.
    cap: more than this is no rounding error, whatever was measured.
  """
  least = ROUNDINGS * max(1.0, _largest(theirs))
  return min(max(_largest(np.subtract(theirs, exact)), least), cap)


def compare(
  quantity: str, ours: Any, theirs: Any, reference_error: float | None = None
) -> Check:
  """Compares two arrays of one shape.

  Args:
    quantity: its name in the table.
    ours: computed here.
    theirs: from the file.
    reference_error: of the largest error of theirs; None: `relative_error`.

  Raises:
    MismatchError: the shapes differ.
  """
  ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
  if ours.shape != theirs.shape:
    raise MismatchError(f'{quantity} is {ours.shape}; expected {theirs.shape}.')
  if reference_error is None:
    reference_error = relative_error(theirs)
  return Check(quantity, _largest(ours - theirs), FACTOR * reference_error)


def compare_labels(
  quantity: str, ours: Any, theirs: np.ndarray, margin: np.ndarray
) -> Check:
  """Counts the labels that differ although the members are sure.

  Args:
    quantity: its name in the table.
    ours: classes, of as many pixels as theirs.
    theirs: classes [pixels] or of any shape with as many; or of every member,
      [..., members].
    margin: by how much each pixel's members prefer their class, the least
      sure member's logits, [pixels] or of any shape with as many.
  """
  clear = margin.reshape(-1) > CLEAR_MARGIN
  ours = np.asarray(ours).reshape(clear.size, -1)
  theirs = theirs.reshape(clear.size, -1)
  return Check(quantity, int((ours != theirs)[clear].sum()), 0)


def compare_images(
  quantity: str, ours: Any, theirs: np.ndarray, rgb: Any, rgb_error: float
) -> Check:
  """Counts the 8-bit values that differ by more than rounding explains.

  Args:
    quantity: its name in the table.
    ours: uint8.
    theirs: uint8, as many values.
    rgb: what ours was made of, in [-1, 1].
    rgb_error: the reference's error of `rgb`.
  """
  ours = np.asarray(ours).reshape(theirs.shape).astype(int)
  exact = np.asarray(rgb, np.float64).reshape(theirs.shape) * 127.5 + 128
  is_close = np.abs(exact - exact.round()) <= FACTOR * rgb_error * 127.5
  difference = np.abs(ours - theirs)
  explained = (difference == 0) | ((difference == 1) & is_close)
  return Check(quantity, int((~explained).sum()), 0)


def _largest(values: Any) -> float:
  return float(np.abs(np.asarray(values, np.float64)).max(initial=0))
