import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import errors, parallel


def _function(state, items):
  """Whose result would show if an item met others of another number."""
  return {
    'sum': items['x'] @ state,
    'block': jnp.full(len(items['x']), len(items['x'])),
  }


_STATE = np.array([[1, 2], [3, 4], [5, 7]], np.float32)
_ITEMS = {'x': np.random.default_rng(0).normal(size=(37, 3)).astype('f')}


def _run(devices, count, block_size=3):
  run = parallel.map_items(
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
  run = parallel.map_items(lambda state, x: x, (), 2)
  counts, results = zip(*run(np.arange(15)), strict=True)
  assert counts == (2,) * 7 + (1,)
  np.testing.assert_array_equal(np.concatenate(results)[:15], np.arange(15))


def test_a_stream_of_blocks_is_padded_in_its_last_round_only():
  """Eight devices with the default settings make a thousand samples."""
  size = parallel.block_size(64 * 64)
  computed = []

  def count(state, block):
    jax.debug.callback(lambda x: computed.append(len(x)), block)
    return block

  run = parallel.map_blocks(count, ())
  blocks = (np.arange(i, i + size) for i in range(0, 1000, size))
  found = np.concatenate(list(run(blocks)))
  np.testing.assert_array_equal(found, np.arange(1000))
  jax.effects_barrier()
  assert 1000 / sum(computed) > 0.95


def test_a_stream_is_read_a_round_ahead_and_no_further():
  read = []

  def blocks():
    for number in range(100):
      read.append(number)
      yield np.array([number])

  run = parallel.map_blocks(lambda state, x: x, (), jax.devices()[:2])
  results = run(blocks())
  assert next(results) == 0
  assert len(read) <= 4


def test_results_are_on_the_host():
  run = parallel.map_items(lambda state, x: x, (), 2)
  assert isinstance(next(run(np.arange(3)))[1], np.ndarray)


def test_this_is_the_only_process_of_the_run():
  assert (parallel.process_index(), parallel.process_count()) == (0, 1)


def _step(state, batch, mean):
  """Gradient descent on the mean of |x w - 1|^2."""

  def loss(state):
    return jnp.square(batch @ state - 1).mean()

  value, gradient = mean(jax.value_and_grad(loss)(state))
  return state - 0.1 * gradient, {'loss': value}


@pytest.mark.parametrize('devices', [2, 8])
def test_a_training_step_on_many_devices_is_that_on_one(devices):
  one = parallel.spread_step(_step, jax.devices()[:1])
  many = parallel.spread_step(_step, jax.devices()[:devices])
  batch = np.random.default_rng(1).normal(size=(16, 3)).astype('f')
  states = [jnp.ones(3), jnp.ones(3)]
  for _ in range(3):
    (states[0], expected), (states[1], found) = (
      step(state, batch)
      for step, state in zip((one, many), states, strict=True)
    )
  np.testing.assert_allclose(states[1], states[0], rtol=1e-5)
  np.testing.assert_allclose(found['loss'], expected['loss'], rtol=1e-5)


def test_a_batch_that_devices_cannot_share_is_refused():
  step = parallel.spread_step(_step, jax.devices()[:3])
  with pytest.raises(ValueError, match='3 devices cannot share a batch of 16'):
    step(jnp.ones(3), np.ones((16, 3), 'f'))


def test_a_single_host_has_all_rows_of_a_batch():
  assert parallel.local_rows(12) == slice(0, 12)


@pytest.mark.parametrize('error', [AssertionError(), RuntimeError('No TPU')])
def test_a_machine_without_the_devices_asked_for_is_told_so(monkeypatch, error):
  def fail():
    raise error

  monkeypatch.setattr(jax, 'device_count', fail)
  words = f'no device of JAX_PLATFORMS=cpu; unset it, .*{error}'
  with pytest.raises(errors.UserError, match=words):
    parallel.check_backend()
