"""Packing a generator for the package, very small."""

import jax
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from dgan_jax import errors, rng, schema, storage
from dgan_jax.annotations import folder as folder_lib
from dgan_jax.checkpoints import store
from dgan_jax.generators import generator as generators
from dgan_jax.segmentation import annotator as annotator_lib
from dgan_jax.segmentation import predict, unet
from launch import bundle
from tests import small


@pytest.fixture(scope='module')
def annotator():
  """One that was never trained, for cars of 16 px."""
  architecture = unet.UNet(20, (8, 16), groups=4)
  params = jax.jit(architecture.init)(rng.root_key(1))
  return annotator_lib.Annotator(
    architecture, schema.get_schema('car_20'), (16, 16), params
  )


def _run(folder, annotator, generator):
  store.save_generator(folder / 'trained', generator)
  annotator_lib.save(folder / 'annotator', annotator)
  flags.FLAGS.mark_as_parsed()
  with flagsaver.flagsaver(
    generator=str(folder / 'trained'),
    annotator=str(folder / 'annotator'),
    folder=str(folder / 'bundle'),
    num_samples=3,
    candidates=6,
  ):
    bundle.main()
  return folder / 'bundle'


@pytest.fixture(autouse=True)
def few_samples(monkeypatch):
  monkeypatch.setattr(bundle, '_COMPARED', 4)
  monkeypatch.setattr(bundle, '_SHOWN', 4)


def test_a_bundle_is_what_the_factory_takes(tmp_path, annotator, monkeypatch):
  monkeypatch.setattr(bundle, '_MOST_CHANGED', 1)
  folder = _run(tmp_path, annotator, small.generator())
  generator = store.load_generator(folder / 'generator')
  rounded = store.rounded(small.generator(), 'float16')
  assert generators.checksum(generator) == generators.checksum(rounded)
  found = folder_lib.load(folder / 'annotated', size=(16, 16), latent_size=8)
  assert found.generator_checksum == generators.checksum(generator)
  images = np.stack(
    [
      np.asarray(Image.open(folder / 'annotated' / 'images' / f'{name}.png'))
      for name in found.names
    ]
  )
  painted, _ = predict.annotate(annotator, images)
  np.testing.assert_array_equal(found.masks, painted)
  note = storage.read_json(folder / 'annotated' / 'annotator.json')
  assert 'simulated' in note['annotator']
  for path in (folder / 'annotated').glob('*.*'):
    assert str(tmp_path).encode() not in path.read_bytes()
  with Image.open(folder / 'contact_sheet.png') as sheet:
    assert sheet.width > 100


def test_a_generator_whose_labels_change_by_rounding_is_refused(
  tmp_path, annotator, monkeypatch
):
  monkeypatch.setattr(bundle, '_MOST_CHANGED', -1)
  with pytest.raises(errors.UserError, match='nothing was written'):
    _run(tmp_path, annotator, small.generator())
  assert not (tmp_path / 'bundle').exists()
