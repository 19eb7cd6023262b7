import os
import subprocess
import sys
import time

import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.renderers.cars import rendered_car
from dgan_jax.renderers.engine import batches

DOMAIN = rendered_car.Domain('three_quarter', 32)


def same(first, second):
  for name in ('image', 'mask', 'keypoints', 'visible'):
    np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_processes_and_order_change_nothing():
  indices = list(range(40, 0, -1))
  alone = [DOMAIN.render(index) for index in range(41)]
  together = list(batches.render_range(DOMAIN, indices, processes=2))
  assert len(together) == 40
  for index, one in zip(indices, together, strict=True):
    same(one, alone[index])


def test_arrays_hold_the_same():
  arrays = batches.render_arrays(DOMAIN, [3, 9], processes=1)
  assert arrays.image.shape == (2, 32, 32, 3)
  assert arrays.keypoints.shape == (2, 20, 2)
  one = DOMAIN.render(9)
  np.testing.assert_array_equal(arrays.image[1], one.image)
  np.testing.assert_array_equal(arrays.mask[1], one.mask)
  np.testing.assert_array_equal(arrays.keypoints[1], one.keypoints)
  np.testing.assert_array_equal(arrays.visible[1], one.visible)


def test_progress_is_told_of_every_picture():
  calls = []
  pictures = batches.render_range(
    DOMAIN, range(3), on_progress=lambda *call: calls.append(call)
  )
  assert len(list(pictures)) == 3
  assert calls == [(1, 3, {}), (2, 3, {}), (3, 3, {})]


def test_an_error_in_a_process_reaches_the_caller():
  with pytest.raises(errors.UserError, match='no rendered car -1'):
    list(batches.render_range(DOMAIN, [0, -1], processes=2))


def test_no_process_at_all_is_refused():
  with pytest.raises(errors.UserError, match='0 processes cannot render'):
    list(batches.render_range(DOMAIN, [0], processes=0))


def test_processes_end_when_who_waits_for_them_is_killed():
  """Who asks for pictures, and says which processes draw them."""
  script = (
    'import itertools, multiprocessing\n'
    'from dgan_jax.renderers.cars import rendered_car\n'
    'from dgan_jax.renderers.engine import batches\n'
    "if __name__ == '__main__':\n"
    "  domain = rendered_car.Domain('three_quarter', 32)\n"
    '  for one in batches.render_range(domain, range(10**6), 2):\n'
    '    children = multiprocessing.active_children()\n'
    '    print(*(child.pid for child in children), flush=True)\n'
  )
  with subprocess.Popen(
    [sys.executable, '-W', 'ignore', '-c', script], stdout=subprocess.PIPE
  ) as parent:
    assert parent.stdout
    children = [int(pid) for pid in parent.stdout.readline().split()]
    parent.kill()
  assert len(children) == 2
  deadline = time.monotonic() + 20
  while any(map(_runs, children)) and time.monotonic() < deadline:
    time.sleep(0.1)
  assert not any(map(_runs, children))


def _runs(pid):
  try:
    os.kill(pid, 0)
  except ProcessLookupError:
    return False
  return True
