"""Many pictures of a domain, in several processes."""

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent import futures

import numpy as np

from dgan_jax import errors, progress
from dgan_jax.renderers.engine.renderer import Domain, Rendered, render_some

# Pictures per task, and tasks per process that are under way: enough to keep
# all busy, few enough that a slow consumer doesn't fill the memory.
_TASK = 16
_AHEAD = 4


def render_range(
  domain: Domain,
  indices: Sequence[int],
  processes: int | None = None,
  on_progress: progress.OnProgress | None = None,
) -> Iterator[Rendered]:
  """Renders pictures one after the other, in the order of the indices.

  Processes are spawned, not forked, so this is safe beside JAX; a script that
  calls it needs the usual `if __name__ == '__main__':`. Without a number there
  are as many as this one may use CPUs, but none for pictures too few for it.

  Raises:
    errors.UserError: there is no such number of processes, or picture.
  """
  if processes is None:
    processes = min(_usable_cpus(), 1 + len(indices) // (8 * _TASK))
  if processes < 1:
    raise errors.UserError(
      f'{processes} processes cannot render; 1 or more can.'
    )
  rendered: Iterator[Rendered]
  if processes == 1:
    rendered = map(domain.render, indices)
  else:
    rendered = _in_processes(domain, indices, processes)
  for done, one in enumerate(rendered, 1):
    if on_progress:
      on_progress(done, len(indices), {})
    yield one


def render_arrays(
  domain: Domain,
  indices: Sequence[int],
  processes: int | None = None,
  on_progress: progress.OnProgress | None = None,
) -> Rendered:
  """The same as arrays with a leading axis; see `render_range`."""
  count, points = len(indices), len(domain.schema.keypoints)
  result = Rendered(
    image=np.zeros((count, *domain.size, 3), np.uint8),
    mask=np.zeros((count, *domain.size), np.uint8),
    keypoints=np.zeros((count, points, 2), np.float32),
    visible=np.zeros((count, points), bool),
  )
  pictures = render_range(domain, indices, processes, on_progress)
  for place, one in enumerate(pictures):
    for name, value in vars(one).items():
      getattr(result, name)[place] = value
  return result


def _in_processes(
  domain: Domain, indices: Sequence[int], processes: int
) -> Iterator[Rendered]:
  spawn = multiprocessing.get_context('spawn')
  pool = futures.ProcessPoolExecutor(processes, spawn, _serve_parent)
  waiting: deque[futures.Future[list[Rendered]]] = deque()
  try:
    for start in range(0, len(indices), _TASK):
      task = [int(index) for index in indices[start : start + _TASK]]
      waiting.append(pool.submit(render_some, domain, task))
      if len(waiting) >= _AHEAD * processes:
        yield from waiting.popleft().result()
    while waiting:
      yield from waiting.popleft().result()
  finally:
    pool.shutdown(cancel_futures=True)


def _serve_parent() -> None:
  """Leaves the CPUs to whoever waits for the pictures, and ends with them:
  a killed parent would leave this process waiting for ever."""
  os.nice(10)
  parent = multiprocessing.parent_process()
  assert parent is not None

  def watch() -> None:
    parent.join()
    os._exit(0)

  threading.Thread(target=watch, daemon=True).start()


def _usable_cpus() -> int:
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
