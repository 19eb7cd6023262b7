"""Named random streams, and the key of sample i.

Everything random about sample `i` comes from `sample_key(root, i)` and from
nothing else, so the sample does not depend on the batch, the device or the
host that makes it. Streams are named rather than split, so a new one never
shifts those that exist.
"""

import zlib

import chex
import jax
import jax.numpy as jnp

from dgan_jax import validation

# threefry2x32 gives the same bits on every backend; the faster 'rbg' does not.
_IMPLEMENTATION = 'threefry2x32'


def root_key(seed: int) -> chex.PRNGKey:
  """The key that a whole run derives from; `seed` is in [0, 2^32).

  Raises:
    errors.UserError: it is not.
  """
  validation.expect('seed', seed, validation.Index)
  return jax.random.key(seed, impl=_IMPLEMENTATION)


def key_from_data(data: chex.Array) -> chex.PRNGKey:
  """Typed keys from their stored form, uint32 [..., 2]."""
  return jax.random.wrap_key_data(
    jnp.asarray(data, jnp.uint32), impl=_IMPLEMENTATION
  )


def sample_keys(root: chex.PRNGKey, indices: chex.Array) -> chex.PRNGKey:
  """Keys [n] of the samples with these global indices, ints [n]."""
  return jax.vmap(jax.random.fold_in, (None, 0))(
    root, jnp.asarray(indices, jnp.uint32)
  )


def stream(key: chex.PRNGKey, name: str) -> chex.PRNGKey:
  """The stream called `name` of one key."""
  return jax.random.fold_in(key, zlib.crc32(name.encode()))


def latents(keys: chex.PRNGKey, size: int) -> chex.Array:
  """Latents z [n, size], standard normal, one from the stream 'z' of each
  key [n]."""
  return jax.vmap(lambda key: jax.random.normal(stream(key, 'z'), (size,)))(
    keys
  )


def labels(keys: chex.PRNGKey, count: int) -> chex.Array:
  """Classes [n] in [0, count), all as likely, one from the stream 'label' of
  each key [n]."""
  return jax.vmap(
    lambda key: jax.random.randint(stream(key, 'label'), (), 0, count)
  )(keys)


def noise(
  keys: chex.PRNGKey, resolutions: tuple[int, ...]
) -> tuple[chex.Array, ...]:
  """Noise [n, r, r, 1] for each r, standard normal, from the streams
  'noise_0', 'noise_1', ... of each key [n]."""

  def layer(index: int, size: int) -> chex.Array:
    name = f'noise_{index}'
    return jax.vmap(
      lambda key: jax.random.normal(stream(key, name), (size, size, 1))
    )(keys)

  return tuple(layer(i, size) for i, size in enumerate(resolutions))
