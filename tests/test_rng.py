import jax
import numpy as np

from dgan_jax import rng


def _data(keys):
  return np.asarray(jax.random.key_data(keys))


def test_the_key_of_a_sample_depends_on_its_global_index_alone():
  root = rng.root_key(3)
  whole = _data(rng.sample_keys(root, np.arange(10)))
  part = _data(rng.sample_keys(root, np.array([7, 2])))
  np.testing.assert_array_equal(part, whole[[7, 2]])
  np.testing.assert_array_equal(whole[7], _data(jax.random.fold_in(root, 7)))
  assert len(np.unique(whole, axis=0)) == 10


def test_keys_keep_their_bits_between_releases():
  # Datasets name their samples by these: they must never change.
  keys = _data(rng.sample_keys(rng.root_key(0), np.array([0, 1, 2**31])))
  np.testing.assert_array_equal(
    keys,
    [
      [1797259609, 2579123966],
      [928981903, 3453687069],
      [917456828, 636652529],
    ],
  )


def test_stored_keys_draw_what_the_first_ones_drew():
  keys = rng.sample_keys(rng.root_key(1), np.arange(3))
  again = rng.key_from_data(_data(keys))
  np.testing.assert_array_equal(rng.latents(keys, 8), rng.latents(again, 8))


def test_streams_of_one_key_differ_by_name():
  key = rng.root_key(0)
  assert (_data(rng.stream(key, 'z')) != _data(rng.stream(key, 'order'))).any()


def test_streams_keep_their_bits_between_releases():
  # All images follow from these; the numbers are CRC-32 of the names.
  key = rng.root_key(2)
  for name, number in (('z', 1657960367), ('noise_0', 118044667)):
    expected = _data(jax.random.fold_in(key, number))
    np.testing.assert_array_equal(_data(rng.stream(key, name)), expected)
  z, noise = (
    jax.random.normal(rng.stream(key, name), shape)
    for name, shape in (('z', (4,)), ('noise_1', (2, 2, 1)))
  )
  np.testing.assert_array_equal(rng.latents(key[None], 4)[0], z)
  np.testing.assert_array_equal(rng.noise(key[None], (2, 2))[1][0], noise)


def test_a_latent_is_standard_normal_and_its_own_at_any_batch_size():
  keys = rng.sample_keys(rng.root_key(5), np.arange(64))
  z = np.asarray(rng.latents(keys, 128))
  assert abs(z.mean()) < 0.05
  assert abs(z.std() - 1) < 0.05
  np.testing.assert_array_equal(z[9:10], rng.latents(keys[9:10], 128))


def test_noise_has_one_map_for_each_layer_and_all_differ():
  keys = rng.sample_keys(rng.root_key(5), np.arange(2))
  maps = rng.noise(keys, (4, 4, 8))
  assert [m.shape for m in maps] == [(2, 4, 4, 1), (2, 4, 4, 1), (2, 8, 8, 1)]
  assert (np.asarray(maps[0]) != np.asarray(maps[1])).all()
  assert (np.asarray(maps[0][0]) != np.asarray(maps[0][1])).all()
