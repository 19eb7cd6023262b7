"""From indices to finished samples, on all devices."""

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import chex
import jax
import numpy as np

from dgan_jax import parallel
from dgan_jax import pyramid as pyramid_lib
from dgan_jax.factory import records
from dgan_jax.factory import source as source_lib
from dgan_jax.interpreter import ensemble, labelling
from dgan_jax.tasks import task as task_lib

Labeller = Callable[
  [chex.PRNGKey, Iterable[int]], Iterator[records.LabelledSample]
]


def labelled_block(
  draw: source_lib.Draw,
  canvas: pyramid_lib.Canvas,
  tile_pixels: int,
  state: tuple[Any, ensemble.Interpreter],
  rows: source_lib.Rows,
) -> dict[str, Any]:
  """Samples and their labels as one computation: latent to finished sample.

  Args:
    draw: see `Source.draw`.
    canvas: of the source.
    tile_pixels: see `labelling.label`.
    state: of the source, and what labels.
    rows: [n, ...], see `Source.rows`.

  Returns:
    The arrays of `LabelledSample` [n, ...], by name.
  """
  drawing, interpreter = state
  image, pyramid, origin = draw(drawing, rows)
  labels = labelling.label(interpreter, pyramid, canvas, tile_pixels)
  fields = dict(vars(labels))
  uncertainty, score = fields.pop('uncertainty'), fields.pop('score')
  spec = interpreter.spec
  maximum = spec.task.uncertainty_maximum(spec.members)
  return {
    'origin': origin,
    'image': image,
    'labels': fields,
    'uncertainty': task_lib.to_uint8(uncertainty, maximum),
    'score': score,
  }


def tile_size(canvas: pyramid_lib.Canvas) -> int:
  """Pixels that the devices should label at once."""
  if parallel.has_small_cache():
    return labelling.TILE_PIXELS
  return canvas.height * canvas.width


def labeller(
  source: source_lib.Source,
  interpreter: ensemble.Interpreter,
  block_size: int,
  devices: list[jax.Device] | None = None,
) -> Labeller:
  """A function that makes the samples of given indices on all devices.

  Sample i is always row i % block_size of its block, as what a program makes
  of a row may depend on the row in the last bit. So its bytes are the same
  whatever else is asked for.

  Args:
    source: of the images and features.
    interpreter: features -> labels.
    block_size: samples that a device computes as one array.
    devices: default all of this host.

  Returns:
    (root key, global indices) -> iterator over the samples, in order.
    Neighbours that are not asked for are made, and dropped: ask for ranges.
  """
  run = parallel.map_blocks(
    labelled_block,
    (source.state, interpreter),
    devices,
    static=(source.draw, source.canvas, tile_size(source.canvas)),
  )

  def samples(
    root: chex.PRNGKey, indices: Iterable[int]
  ) -> Iterator[records.LabelledSample]:
    wanted: collections.deque[list[int]] = collections.deque()

    def blocks() -> Iterator[source_lib.Rows]:
      for number, some in itertools.groupby(indices, lambda i: i // block_size):
        wanted.append(list(some))
        whole = np.arange(block_size, dtype=np.uint64) + number * block_size
        # A block may end beyond the largest index of all.
        yield source.rows(root, whole.astype(np.uint32))

    for arrays in run(blocks()):
      for index in wanted.popleft():
        row = jax.tree.map(lambda x, i=index % block_size: x[i], arrays)
        score = float(row.pop('score'))
        yield records.LabelledSample(index=index, score=score, **row)

  return samples


def label_rows(
  source: source_lib.Source,
  interpreter: ensemble.Interpreter,
  block_size: int,
  rows: source_lib.Rows,
  devices: list[jax.Device] | None = None,
) -> Iterator[dict[str, Any]]:
  """The arrays of `LabelledSample`, by name, of every one of `rows`; the other
  arguments are those of `labeller`."""
  run = parallel.map_items(
    labelled_block,
    (source.state, interpreter),
    block_size,
    devices,
    static=(source.draw, source.canvas, tile_size(source.canvas)),
  )
  for count, arrays in run(rows):
    for row in range(count):
      yield jax.tree.map(lambda x, row=row: x[row], arrays)
