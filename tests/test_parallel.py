import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import parallel


def _function(state, items):
  """Whose result would show if an item met others of another number."""
  return {
    'sum': items['x'] @ state,
    'block': jnp.full(len(items['x']), len(items['x'])),
  }


_STATE = np.array([[1, 2], [3, 4], [5, 7]], np.float32)
_ITEMS = {'x': np.random.default_rng(0).normal(size=(37, 3)).astype('f')}


def _run(devices, count, block_size=3):
  run = parallel.map_blocks(
    _function, _STATE, block_size, jax.devices()[:devices]
  )
  rounds = list(run({'x': _ITEMS['x'][:count]}))
  assert sum(number for number, _ in rounds) == count
  return {
    key: np.concatenate([results[key][:number] for number, results in rounds])
    for key in ('sum', 'block')
  }


def test_one_two_and_eight_devices_give_the_same_in_order():
  results = {devices: _run(devices, 37) for devices in (1, 2, 8)}
  np.testing.assert_allclose(results[1]['sum'], _ITEMS['x'] @ _STATE, 1e-5)
  for devices in (2, 8):
    np.testing.assert_array_equal(results[devices]['sum'], results[1]['sum'])


@pytest.mark.parametrize('count', [1, 3, 23, 24, 25])
def test_any_number_of_items_is_padded_and_trimmed(count):
  results = _run(8, count)
  np.testing.assert_array_equal(results['sum'], _run(1, 37)['sum'][:count])
  assert set(results['block']) == {3}  # blocks are always whole


def test_all_devices_of_the_host_are_the_default():
  run = parallel.map_blocks(lambda state, x: x, (), 2)
  (count, result), *rest = run(np.arange(16))
  assert not rest
  assert count == len(jax.local_devices()) * 2 == 16
  np.testing.assert_array_equal(result, np.arange(16))


def test_results_are_on_the_host():
  run = parallel.map_blocks(lambda state, x: x, (), 2)
  assert isinstance(next(run(np.arange(3)))[1], np.ndarray)


def test_this_is_the_only_process_of_the_run():
  assert (parallel.process_index(), parallel.process_count()) == (0, 1)
