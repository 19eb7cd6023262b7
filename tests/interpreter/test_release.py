import contextlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import pyramid
from dgan_jax.interpreter import (
  annotated,
  ensemble,
  optimization,
  release,
  training,
)
from dgan_jax.tasks import part_segmentation
from dgan_jax.training import run_folder

_BATCHES = 10  # of every epoch


def _pixels(count):
  """So many pixels of 8x8 images, in two regions."""
  index = np.arange(count, dtype=np.int32)
  images = -(-count // 64)
  levels = [
    np.random.default_rng(r).normal(size=(images, r, r, 1)).astype(np.float32)
    for r in (4, 8)
  ]
  return annotated.AnnotatedPixels(
    task=part_segmentation.unnamed(2),
    truth=jnp.arange(images * 64).reshape(images, 8, 8) * 2 // count,
    pyramid=pyramid.FeaturePyramid(tuple(map(jnp.asarray, levels))),
    canvas=pyramid.Canvas.of(8),
    image=jnp.asarray(index // 64),
    row=jnp.asarray(index % 64 // 8),
    column=jnp.asarray(index % 8),
    region_start=jnp.asarray([0, count // 2, count]),
  )


def _batches_seen(monkeypatch, losses, max_epochs):
  """Batches that members train on whose loss at each of them is given."""
  table = jnp.asarray(losses, jnp.float32)

  def init(classifier, optimizer, num_features, members, key):
    del classifier, optimizer, num_features, key
    params = {'layer': {'batches': jnp.zeros(members, jnp.int32)}}
    return optimization.MemberState(params, {}, ())

  def step(state, x, labels, key):
    del x, labels, key
    seen = state.params['layer']['batches']
    return state.replace(params={'layer': {'batches': seen + 1}}), table[seen]

  monkeypatch.setattr(optimization, 'init', init)
  monkeypatch.setattr(optimization, 'make_step', lambda *arguments: step)
  params = release.train(
    ensemble.PixelClassifier((2, 2), 2),
    _pixels(64 * _BATCHES),
    training.TrainingOptions(members=2, max_epochs=max_epochs),
    loss=part_segmentation.cross_entropy,
    key=jax.random.key(0),
  )
  return np.asarray(params['layer']['batches']).tolist()


def test_a_member_stops_after_51_batches_without_a_new_best(monkeypatch):
  first = 4 * _BATCHES  # batches count from the fifth epoch on
  losses = np.full(8 * _BATCHES + 60, 5.0)
  losses[:first] = 1.0
  assert _batches_seen(monkeypatch, losses, 20) == [first + 52] * 2
  losses[first + 30] = 4.0
  assert _batches_seen(monkeypatch, losses, 20) == [first + 82] * 2


def test_training_ends_with_the_last_epoch(monkeypatch):
  losses = -np.arange(100.0)
  assert _batches_seen(monkeypatch, losses, 3) == [3 * _BATCHES] * 2


@pytest.fixture(scope='module')
def classifier():
  return ensemble.PixelClassifier((4, 3), 2)


def _train(
  classifier,
  count,
  folder=None,
  stop_at=None,
  loss=part_segmentation.cross_entropy,
):
  reports = []

  def on_progress(done, total, metrics):
    reports.append((done, total))
    if done == stop_at:
      raise KeyboardInterrupt

  with contextlib.ExitStack() as stack:
    run = folder and stack.enter_context(run_folder.RunFolder(folder, {}))
    params = release.train(
      classifier,
      _pixels(count),
      training.TrainingOptions(members=2, max_epochs=2),
      loss=loss,
      key=jax.random.key(3),
      folder=run,
      on_progress=on_progress,
    )
  return params, reports


def test_an_interrupted_training_ends_as_an_undisturbed_one(
  classifier, tmp_path
):
  expected, reports = _train(classifier, 100)
  with pytest.raises(KeyboardInterrupt):
    _train(classifier, 100, tmp_path, stop_at=3)
  resumed, _ = _train(classifier, 100, tmp_path)
  jax.tree.map(np.testing.assert_array_equal, resumed, expected)
  done, total = zip(*reports, strict=True)
  assert sorted(done) == list(done)
  assert done[-1] == total[-1] == 4


def test_members_see_the_pixels_in_different_orders(classifier):
  params, _ = _train(classifier, 100)
  for leaf in jax.tree.leaves(params):
    assert np.isfinite(leaf).all()
  kernel = params['dense_0']['kernel']
  assert (kernel[0] != kernel[1]).any()


def test_a_last_batch_of_a_single_pixel_is_left_out(classifier):
  params, _ = _train(classifier, 65)
  assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))


def test_a_loss_that_is_not_finite_ends_training(classifier):
  def loss(outputs, targets):
    return part_segmentation.cross_entropy(outputs, targets) * jnp.nan

  with pytest.raises(FloatingPointError, match='not finite'):
    _train(classifier, 64, loss=loss)
