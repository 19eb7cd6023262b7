import numpy as np
import pytest

from dgan_jax import errors
from dgan_jax.domains import batches, rendered_car

DOMAIN = rendered_car.Domain('three_quarter', 32)


def same(first, second):
  for name in ('image', 'mask', 'keypoints', 'visible'):
    np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


def test_processes_and_order_change_nothing():
  indices = list(range(40, 0, -1))
  alone = [rendered_car.render(DOMAIN, index) for index in range(41)]
  together = list(batches.render_range(DOMAIN, indices, processes=2))
  assert len(together) == 40
  for index, one in zip(indices, together, strict=True):
    same(one, alone[index])


def test_arrays_hold_the_same():
  arrays = batches.render_arrays(DOMAIN, [3, 9], processes=1)
  assert arrays.image.shape == (2, 32, 32, 3)
  assert arrays.keypoints.shape == (2, 20, 2)
  one = rendered_car.render(DOMAIN, 9)
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
