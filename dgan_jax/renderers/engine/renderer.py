"""What every domain offers."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from dgan_jax import schema as schema_lib

# Where the pictures for each use begin. A set is a range of integers from
# here on, so sets of up to a billion pictures have none in common.
FIRST_INDEX: Mapping[str, int] = {
  'unlabelled': 0,
  'annotated': 1_000_000_000,
  'test': 2_000_000_000,
}


@dataclasses.dataclass(frozen=True)
class Rendered:
  """A picture with its truth, or several with a leading axis."""

  image: np.ndarray  # uint8 [height, width, 3], RGB
  mask: np.ndarray  # uint8 [height, width], labels of the domain's schema
  # float32 [keypoints, 2], x and y in pixels from the top left corner (the
  # centre of the first pixel is at 0.5), also where they are hidden or outside;
  # zeros for what isn't there at all.
  keypoints: np.ndarray
  visible: np.ndarray  # bool [keypoints]


class Domain(Protocol):
  """Pictures by their number, hashable and cheap to pickle."""

  @property
  def schema(self) -> schema_lib.Schema:
    """Classes of the masks and names of the keypoints."""

  @property
  def size(self) -> tuple[int, int]:
    """Height and width in pixels."""

  @property
  def version(self) -> int:
    """Of the renderer: pictures of another version may differ."""

  def render(self, index: int) -> Rendered:
    """Picture `index`, the same on every machine."""


def render_some(domain: Domain, indices: Sequence[int]) -> list[Rendered]:
  """What rendering processes run, which import no more than this."""
  return [domain.render(index) for index in indices]
