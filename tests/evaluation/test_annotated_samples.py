import dataclasses
import itertools

import jax
import numpy as np
import pytest

from dgan_jax import errors, rng, schema
from dgan_jax.evaluation import annotated_samples
from dgan_jax.generators import generator as generators
from dgan_jax.generators import selection
from dgan_jax.segmentation import predict
from tests import small


def _data(keys):
  return np.asarray(jax.random.key_data(keys))


def _keys_to_learn_from(seed, count):
  return rng.sample_keys(rng.root_key(seed), np.arange(count))


def _images(setup, keys):
  """One after another, without any of the tools."""

  @jax.jit
  def image(key):
    return generators.sample(setup.generator, key, setup.sampling)[1][0]

  return np.stack([image(keys[i : i + 1]) for i in range(len(keys))])


def test_no_sample_is_both_annotated_and_measured():
  keys = [
    _data(draw(seed, 500))
    for seed, draw in itertools.product(
      range(3), (_keys_to_learn_from, annotated_samples.measured_keys)
    )
  ]
  assert len(np.unique(np.concatenate(keys), axis=0)) == 6 * 500


@pytest.mark.parametrize('candidates', [0, 20])
def test_the_annotated_samples_are_those_that_people_are_given_to_paint(
  setup, candidates
):
  annotated = annotated_samples.annotate(setup, 7, 5, candidates)
  indices = selection.choose(setup.generator, setup.sampling, 7, 5, candidates)
  assert annotated.names == tuple(f'{index:03}' for index in indices)
  drawn = _keys_to_learn_from(7, 20)[indices]
  np.testing.assert_array_equal(annotated.noise_keys, _data(drawn))


def test_the_truth_is_what_the_annotator_paints_on_the_same_images(
  setup, truth
):
  images = _images(setup, truth.keys)
  painted, _ = predict.annotate(setup.annotator, images)
  assert len(np.unique(painted)) == 3
  assert len(np.unique(painted, axis=0)) == len(painted)
  np.testing.assert_array_equal(truth.masks, painted)


def test_annotations_say_how_their_images_are_made_again(setup):
  annotated = annotated_samples.annotate(setup, 3, 4)

  @jax.jit
  def draw(latents, keys):
    return generators.sample_latents(
      setup.generator, latents, rng.key_from_data(keys), setup.sampling
    )[0]

  images = np.asarray(draw(annotated.latents, annotated.noise_keys))
  painted, _ = predict.annotate(setup.annotator, images)
  np.testing.assert_array_equal(annotated.masks, painted)
  assert annotated.schema == setup.annotator.schema
  assert annotated.generator_checksum == generators.checksum(setup.generator)


def test_the_truth_is_painted_once(setup, tmp_path, monkeypatch):
  path = tmp_path / 'truth.npy'
  calls = []
  made = annotated_samples.truth(
    setup, 1, 3, path, on_progress=lambda *args: calls.append(args)
  )
  assert calls[-1] == (3, 3, {})
  monkeypatch.setattr(annotated_samples, 'paint', None)
  kept = annotated_samples.truth(setup, 1, 3, path)
  np.testing.assert_array_equal(kept.masks, made.masks)
  np.testing.assert_array_equal(_data(kept.keys), _data(made.keys))
  with pytest.raises(errors.UserError, match=r'\[4, 16, 16\]: take it away'):
    annotated_samples.truth(setup, 1, 4, path)


def test_images_that_the_annotator_does_not_know_are_refused(setup):
  larger = dataclasses.replace(setup, generator=small.generator(32, (4,) * 4))
  words = r'images are 32 x 32 .* the annotator knows those of 16 x 16'
  with pytest.raises(errors.UserError, match=words):
    larger.check(setup.annotator.schema)


def test_an_annotator_of_other_classes_is_refused(setup):
  setup.check(setup.annotator.schema)
  words = "paints the classes of 'box_3'; those of 'car_20' are asked for"
  with pytest.raises(errors.UserError, match=words):
    setup.check(schema.get_schema('car_20'))
