"""The whole job with a real generator and interpreter, untrained and tiny."""

import dataclasses
import pathlib

import jax
import numpy as np
import pytest

from dgan_jax import errors, parallel, rng
from dgan_jax.factory import records, run, source
from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan1
from dgan_jax.interpreter import ensemble
from dgan_jax.tasks import part_segmentation
from tests.factory import drive

_CARD = records.Card('tiny_things', 'test')
_MEMBERS = 3


@pytest.fixture(scope='module')
def job():
  architecture = stylegan1.StyleGAN1(8, (8, 4), 8, mapping_layers=2)
  params = jax.jit(architecture.init)(jax.random.key(0))
  random = np.random.default_rng(0)
  generator = generators.Generator(
    architecture=architecture,
    params=params,
    w_avg=np.zeros((architecture.num_ws, 8), np.float32),
    noise=tuple(
      random.standard_normal((1, r, r, 1), np.float32)
      for r in architecture.noise_resolutions
    ),
  )
  spec = ensemble.InterpreterSpec(
    feature_channels=architecture.feature_channels,
    task=part_segmentation.unnamed(4),
    hidden=(8, 4),
    members=_MEMBERS,
    generator_checksum=generators.checksum(generator),
    resolution=8,
    rows=(2, 6),
  )

  def member(key: jax.Array) -> dict:
    x = np.zeros((1, spec.num_features), np.float32)
    variables = ensemble.PixelClassifier(spec.hidden, 4).init(key, x)
    return ensemble.merge_batch_stats(
      variables['params'], variables['batch_stats']
    )

  stacked = jax.vmap(member)(jax.random.split(jax.random.key(1), _MEMBERS))
  return run.Job(
    source.GeneratorSource(
      generator, generators.Sampling(truncation_layers=2, rows=(2, 6))
    ),
    ensemble.Interpreter(spec=spec, params=stacked),
    # Blocks that shards share.
    run.FactoryOptions(num_samples=11, samples_per_shard=4, block_size=3),
  )


def _generate(job: run.Job, folder: pathlib.Path):
  return run.generate(
    job, _CARD, workdir=folder / 'run', data_dir=folder / 'data'
  )


def test_a_stored_sample_can_be_made_again_from_its_key(job, tmp_path):
  dataset = _generate(job, tmp_path)
  for position in (0, 10):
    stored = dataset.read(position)
    keys = rng.sample_keys(rng.root_key(0), np.array([position]))
    np.testing.assert_array_equal(stored['key'], jax.random.key_data(keys)[0])
    latent, image, _ = jax.jit(generators.sample, static_argnums=2)(
      job.source.generator, keys, job.source.sampling
    )
    np.testing.assert_array_equal(stored['latent'], latent[0])
    # Another program may round another way.
    difference = np.int32(stored['image']) - np.int32(image[0])
    assert np.abs(difference).max() <= 1
    shown, mask = dataset.samples([position]), stored['segmentation_mask']
    assert mask.shape == (4, 8, 1)
    np.testing.assert_array_equal(shown.mask, mask[None, ..., 0])
    np.testing.assert_array_equal(shown.latent, latent)
    assert stored['segmentation_mask'].max() < 4


def test_however_it_grew_it_has_the_bytes_of_one_made_at_once(job, tmp_path):
  digests = set()
  for counts in ((11,), (5, 11), (3, 4, 11)):
    folder = tmp_path / str(counts)
    for count in counts:
      options = dataclasses.replace(job.options, num_samples=count)
      _generate(dataclasses.replace(job, options=options), folder)
    digests.add(drive.digest(folder))
  assert len(digests) == 1


def test_the_block_that_suits_the_devices_is_recorded_as_a_number(
  job, tmp_path
):
  options = dataclasses.replace(job.options, block_size=0)
  found = _generate(dataclasses.replace(job, options=options), tmp_path)
  assert found.provenance['block_size'] == 4


@pytest.mark.parametrize('is_cpu', [True, False])
def test_no_block_of_the_default_shards_is_computed_twice(monkeypatch, is_cpu):
  monkeypatch.setattr(parallel, 'has_small_cache', lambda: is_cpu)
  blocks = [parallel.block_size(size**2) for size in (64, 256, 512, 1024)]
  assert blocks == ([4, 1, 1, 1] if is_cpu else [64, 64, 16, 4])
  shard = run.FactoryOptions(num_samples=1).samples_per_shard
  assert not any(shard % block for block in blocks)


def test_samples_are_known_by_all_that_they_follow_from(job):
  identity, _ = job.maker()
  assert identity == {
    **job.source.identity(),
    'interpreter': ensemble.checksum(job.interpreter),
    'schema': 'unnamed',
    'backend': 'cpu',
    'jax': jax.__version__,
  }


def test_another_backend_or_version_of_jax_is_refused(
  job, tmp_path, monkeypatch
):
  _generate(job, tmp_path)
  there = {'backend': 'cpu', 'jax': jax.__version__}
  assert parallel.platform() == there
  for name, value in (('backend', 'tpu'), ('jax', '0.1')):
    monkeypatch.setattr(parallel, 'platform', lambda: there | {name: value})  # noqa: B023
    words = f'{name} is "{there[name]}" there and "{value}" now'
    with pytest.raises(errors.UserError, match=words):
      _generate(job, tmp_path)


@pytest.mark.parametrize(
  ('field', 'value', 'message'),
  [
    ('generator_checksum', 'f' * 64, 'generator ffffffffffff'),
    ('resolution', 32, 'resolution 32; here it is 8'),
    ('feature_channels', (8, 8), 'feature channels'),
    ('rows', None, 'sampling.rows'),
  ],
)
def test_an_interpreter_for_something_else_is_refused(
  job, tmp_path, field, value, message
):
  spec = dataclasses.replace(job.interpreter.spec, **{field: value})
  interpreter = job.interpreter.replace(spec=spec)
  with pytest.raises(errors.UserError, match=message):
    _generate(dataclasses.replace(job, interpreter=interpreter), tmp_path)
  assert not list(tmp_path.iterdir())
