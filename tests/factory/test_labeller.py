import dataclasses

import jax
import numpy as np
import pytest

from dgan_jax import rng
from dgan_jax.factory import labeller as factory_sampling
from dgan_jax.factory import source
from dgan_jax.generators import generator as generators
from tests import small

_GENERATOR = small.generator(8, (4, 3))
_INTERPRETER = small.interpreter(
  _GENERATOR.architecture.feature_channels, members=2
)
_SAMPLING = generators.Sampling(noise='random', rows=(1, 7))
_ROOT = rng.root_key(5)
_COUNT = 40


def _labeller(devices):
  return factory_sampling.labeller(
    source.GeneratorSource(_GENERATOR, _SAMPLING),
    _INTERPRETER,
    3,
    jax.devices()[:devices],
  )


def _samples(label, batch):
  """Samples 0 to 39, asked for so many at a time."""
  indices = range(_COUNT)
  return [
    sample
    for first in range(0, _COUNT, batch)
    for sample in label(_ROOT, indices[first : first + batch])
  ]


def _bytes(sample):
  return [np.asarray(x).tobytes() for x in jax.tree.leaves(vars(sample))]


@pytest.fixture(scope='module')
def samples():
  return _samples(_labeller(1), _COUNT)


@pytest.mark.parametrize('devices', [1, 2, 8])
def test_batches_and_devices_change_no_byte(samples, devices):
  label = _labeller(devices)
  for batch in (1, 7, 32) if devices > 1 else (7,):
    others = _samples(label, batch)
    assert [s.index for s in others] == list(range(_COUNT))
    for ours, theirs in zip(samples, others, strict=True):
      assert _bytes(ours) == _bytes(theirs)


def test_sample_i_is_row_i_modulo_the_block_size_of_its_block(monkeypatch):
  blocks = []

  class Numbers:
    state = canvas = draw = ()

    def rows(self, root, indices):
      blocks.append(indices.tolist())
      return {'number': indices}

  def labelled(draw, canvas, tile_pixels, state, rows):
    del draw, canvas, tile_pixels, state
    number = rows['number']
    fields = dict.fromkeys(('image', 'labels', 'uncertainty', 'score'), number)
    return {'origin': rows, **fields}

  monkeypatch.setattr(factory_sampling, 'labelled_block', labelled)
  label = factory_sampling.labeller(Numbers(), (), 4, jax.devices()[:2])
  found = list(label(_ROOT, [2, 3, 4, 9, 8, 31]))
  assert [int(sample.origin['number']) for sample in found] == [
    *(2, 3, 4, 9, 8, 31)
  ]
  firsts = (0, 4, 8, 28)
  assert blocks == [list(range(first, first + 4)) for first in firsts]


def test_a_sample_says_where_it_came_from(samples):
  keys = rng.sample_keys(_ROOT, np.arange(_COUNT))
  z, image, _ = jax.jit(generators.sample, static_argnums=2)(
    _GENERATOR, keys, _SAMPLING
  )
  for i in (0, 17, 39):
    np.testing.assert_array_equal(
      samples[i].origin['key'], jax.random.key_data(keys)[i]
    )
    np.testing.assert_array_equal(samples[i].origin['latent'], z[i])
    difference = np.int32(samples[i].image) - np.int32(image[i])
    assert np.abs(difference).max() <= 1


def test_a_sample_has_the_types_and_shapes_of_the_dataset(samples):
  found = {
    name: (value.dtype.name, value.shape)
    for name, value in {
      **vars(samples[0]),
      **samples[0].labels,
      **samples[0].origin,
    }.items()
    if isinstance(value, np.ndarray)
  }
  assert found == {
    'key': ('uint32', (2,)),
    'latent': ('float32', (8,)),
    'image': ('uint8', (6, 8, 3)),
    'mask': ('uint8', (6, 8)),
    'uncertainty': ('uint8', (6, 8)),
  }


def test_other_images_have_another_identity():
  first, other_generator, other_sampling = (
    source.GeneratorSource(generator, sampling).identity()
    for generator, sampling in (
      (_GENERATOR, _SAMPLING),
      (_GENERATOR.replace(w_avg=_GENERATOR.w_avg + 1), _SAMPLING),
      (_GENERATOR, dataclasses.replace(_SAMPLING, truncation_psi=0.5)),
    )
  )
  assert first != other_generator
  assert first != other_sampling


def test_indices_need_not_follow_each_other(samples):
  found = list(_labeller(2)(_ROOT, [31, 4, 4, 18]))
  assert [sample.index for sample in found] == [31, 4, 4, 18]
  for sample in found:
    assert _bytes(sample) == _bytes(samples[sample.index])
