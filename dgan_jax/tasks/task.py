"""What every task says; ensemble, factory and reports know no more of labels.

A member gives every pixel `len(task.names)` numbers. The task says what they
learn, what is summed of them over the members, what labels come of the sums,
and how these are stored, drawn, counted and scored.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol

import chex
import jax.numpy as jnp
import numpy as np

from dgan_jax import schema as schema_lib
from dgan_jax.pyramid import Canvas
from dgan_jax.visualize import frequencies as frequencies_lib
from dgan_jax.visualize import sheets

# Arrays of the labels of one sample by name, on the host.
Arrays = Mapping[str, np.ndarray]


class Labels(Protocol):
  """What a task decodes: a dataclass of arrays, these two among them."""

  uncertainty: chex.Array  # float32 [height, width], >= 0
  score: chex.Array  # float32, of the whole image


class Task(Protocol):
  """A kind of label; frozen, for it is static under jit."""

  kind: ClassVar[str]  # its name in configs
  noun: ClassVar[str]  # what its names are names of, a plural
  counted: ClassVar[str]  # by `counts`, the name in the dataset's metadata
  supervised_key: ClassVar[str]  # of what `as_supervised` pairs with the image
  uncertainty_text: ClassVar[str]  # what the uncertainty is, for people
  score_text: ClassVar[str]  # what the score is, in a sentence

  @property
  def schema(self) -> schema_lib.Schema:
    """Of the labels."""

  @property
  def names(self) -> tuple[str, ...]:
    """Of a member's outputs."""

  def truth(self, annotations: Any) -> np.ndarray:
    """What annotations say, an array with a row per image."""

  def annotated(self, truth: np.ndarray) -> Arrays:
    """A row of it as labels, to be drawn."""

  def regions(self, truth: np.ndarray, canvas: Canvas) -> np.ndarray:
    """What training is to see evenly: int [n, height, width], a number from 0
    per kind of pixel; -1 for pixels that are not trained on."""

  def targets(
    self,
    truth: chex.Array,
    canvas: Canvas,
    pixels: Sequence[chex.Array],
  ) -> chex.Array:
    """What the members are to give for pixels (image, row, column), ints [n]
    each: [n, ...]."""

  def loss(
    self,
    outputs: chex.Array,
    targets: chex.Array,
    weights: chex.Array | None = None,
  ) -> chex.Array:
    """Mean over pixels of outputs [n, names]; weights are [names]."""

  def zeros(self, shape: tuple[int, ...]) -> Any:
    """The sums over no members, of pixels of this shape."""

  def statistics(self, outputs: chex.Array) -> Any:
    """What one member adds to the sums for outputs [..., names]."""

  def decode(self, sums: Any, members: int) -> Any:
    """`Labels` of one image, from sums of shape [height, width]."""

  def uncertainty_maximum(self, members: int) -> float:
    """No uncertainty is larger; stands for 255 in the dataset."""

  def features(self, size: tuple[int, int]) -> dict[str, Any]:
    """The TFDS features of the labels of an image (height, width)."""

  def encode(self, labels: Arrays) -> dict[str, np.ndarray]:
    """The dataset's features of a sample's labels."""

  def read(self, example: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The labels of an example of the dataset: `encode` undone."""

  def counts(self, labels: Arrays) -> np.ndarray:
    """How much of each name a sample has, int [names]."""

  def frequencies(self, counts: np.ndarray) -> frequencies_lib.Frequencies:
    """What counts int [samples, names] say of a dataset."""

  def draw(self, image: np.ndarray, labels: Arrays) -> np.ndarray:
    """The labels over their image, uint8 [height, width, 3] or enlarged."""

  def legend(self, labels: Sequence[Arrays]) -> list[sheets.LegendEntry]:
    """What the colours of drawn samples mean."""

  def scores(self, truth: np.ndarray, labels: Arrays) -> dict[str, float]:
    """How good the labels (stacked) of n images are, by their `truth`:
    percentages by the names of the metrics."""

  def to_json(self) -> dict[str, Any]:
    """What `kinds.from_json` makes it of; JSON values."""


def to_uint8(uncertainty: chex.Array, maximum: float) -> chex.Array:
  """Uncertainty [...] as the dataset has it, round(255 * uncertainty / maximum)
  of the task's `uncertainty_maximum`."""
  share = jnp.clip(uncertainty / maximum, 0, 1)
  return jnp.rint(255 * share).astype(jnp.uint8)


def from_uint8(stored: np.ndarray, maximum: float) -> np.ndarray:
  """The inverse of `to_uint8`, float32, to within maximum / 510."""
  return np.asarray(stored, np.float32) * np.float32(maximum / 255)
