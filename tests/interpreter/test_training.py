import contextlib
import dataclasses

import jax
import numpy as np
import optax
import pytest
from PIL import Image

from dgan_jax import errors
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import (
  annotated,
  default,
  labelling,
  release,
  training,
)
from dgan_jax.training import run_folder
from tests import small
from tests.interpreter import synthetic

_OPTIONS = training.TrainingOptions(
  members=2,
  hidden=(12, 8),
  steps=60,
  batch_size=64,
  steps_per_evaluation=20,
  held_out=0.05,
)


@pytest.fixture(scope='module')
def annotations():
  return synthetic.annotations()


def _train(annotations, folder=None, on_progress=None, **options):
  with contextlib.ExitStack() as stack:
    run = folder and stack.enter_context(run_folder.RunFolder(folder, {}))
    return training.train(
      synthetic.GENERATOR,
      annotations,
      synthetic.SAMPLING,
      dataclasses.replace(_OPTIONS, **options),
      key=jax.random.key(1),
      folder=run,
      on_progress=on_progress,
    )


@pytest.fixture(scope='module')
def trained(annotations):
  return _train(annotations)


def _masks(interpreter, annotations):
  @jax.jit
  def label(interpreter, latents):
    _, pyramid = generators.sample_latents(
      synthetic.GENERATOR, latents, None, synthetic.SAMPLING
    )
    canvas = synthetic.SAMPLING.canvas(synthetic.GENERATOR.architecture)
    return labelling.label(interpreter, pyramid, canvas).mask

  return np.asarray(label(interpreter, annotations.latents))


def test_a_small_problem_is_learned(trained, annotations):
  labelled = annotations.masks != synthetic.IGNORED
  found = _masks(trained, annotations)[labelled]
  assert (found == annotations.masks[labelled]).mean() > 0.9


def test_the_interpreter_says_what_it_was_trained_for(trained):
  spec = trained.spec
  generator = synthetic.GENERATOR
  assert spec.generator_checksum == generators.checksum(generator)
  assert spec.feature_channels == generator.architecture.feature_channels
  assert spec.task == synthetic.TASK
  assert (spec.resolution, spec.rows, spec.members) == (8, None, 2)


def test_every_region_is_drawn_and_no_pixel_without_label(
  annotations, monkeypatch
):
  batches = []
  gather = annotated.AnnotatedPixels.gather

  def spy(pixels, index):
    jax.debug.callback(lambda i: batches.append(np.asarray(i)), index)
    return gather(pixels, index)

  monkeypatch.setattr(annotated.AnnotatedPixels, 'gather', spy)
  _train(annotations, steps=20, balance=0.0, held_out=0.0, bootstrap=True)
  jax.effects_barrier()
  pixels = synthetic.pixels(annotations)
  drawn = np.stack(batches).reshape(20, 2, 64)
  assert 0 <= drawn.min() <= drawn.max() < pixels.num_pixels
  region = np.searchsorted(pixels.region_start, drawn, side='right') - 1
  for member in range(2):
    seen = set(region[:, member].ravel().tolist())
    assert seen == set(range(pixels.num_regions))


def test_training_stops_when_held_out_pixels_get_no_better(annotations):
  noise = np.random.default_rng(0).integers(0, 2, annotations.masks.shape)
  unlearnable = dataclasses.replace(annotations, masks=noise.astype(np.uint8))
  steps = []
  _train(
    unlearnable,
    on_progress=lambda done, total, metrics: steps.append((done, metrics)),
    steps=2000,
    patience=2,
    held_out=0.3,
  )
  assert steps[-1][0] < 1000
  best = [metrics['held_out_loss'] for _, metrics in steps]
  assert best == sorted(best, reverse=True)
  assert best[-1] == best[-2]


def test_an_interrupted_training_ends_as_an_undisturbed_one(
  trained, annotations, tmp_path
):
  def interrupt(done, total, metrics):
    if done == 40:
      raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    _train(annotations, tmp_path, interrupt)
  steps = []
  resumed = _train(
    annotations, tmp_path, lambda done, total, metrics: steps.append(done)
  )
  assert steps == [60]  # of 20, 40 and 60
  jax.tree.map(np.testing.assert_array_equal, resumed.params, trained.params)


def test_bootstrap_and_dropout_leave_it_learning(annotations, trained):
  interpreter = _train(annotations, bootstrap=True, dropout=0.2)
  kernel = interpreter.params['dense_0']['kernel']
  assert (kernel != trained.params['dense_0']['kernel']).any()
  labelled = annotations.masks != synthetic.IGNORED
  found = _masks(interpreter, annotations)[labelled]
  assert (found == annotations.masks[labelled]).mean() > 0.8


def test_a_class_of_more_weight_is_found_more_often(annotations, trained):
  weighted = _train(annotations, class_weights=(1.0, 1.0, 300.0), steps=20)
  found, usual = (
    (_masks(interpreter, annotations) == 2).mean()
    for interpreter in (weighted, trained)
  )
  assert found > usual


def test_a_loss_that_is_not_finite_names_the_steps(annotations, monkeypatch):
  monkeypatch.setattr(default, 'adamw', lambda options: optax.sgd(np.nan))
  with pytest.raises(FloatingPointError, match='between steps 0 and 20'):
    _train(annotations, steps=40)


def test_class_weights_have_to_be_as_many_as_classes(annotations):
  with pytest.raises(
    ValueError, match=r'class_weights is .* each of the 3 names'
  ):
    _train(annotations, class_weights=(1.0, 2.0))


def test_the_published_procedure_can_be_chosen(annotations):
  interpreter = _train(annotations, mode='release', max_epochs=1)
  assert interpreter.spec.members == 2
  assert interpreter.params['dense_0']['kernel'].shape == (2, 22, 12)


def test_the_published_procedure_takes_less_than_30_pixels_for_background(
  annotations, monkeypatch
):
  masks = np.zeros((2, 64), np.uint8)
  masks[0, :30], masks[1, :29] = 1, 2
  some = dataclasses.replace(
    small.subset(annotations, [0, 1]), masks=masks.reshape(2, 8, 8)
  )
  seen = []
  for mode in (default, release):
    monkeypatch.setattr(
      mode, 'train', lambda _, pixels, *rest, **options: seen.append(pixels)
    )
  for mode in training.MODES:
    _train(some, mode=mode)
  found = [np.bincount(np.ravel(x.truth), minlength=3).tolist() for x in seen]
  assert found == [[69, 30, 29], [98, 30, 0]]


def test_masks_of_other_images_are_not_learned(annotations, tmp_path):
  paths = tuple(tmp_path / f'{name}.png' for name in annotations.names)

  def save(images):
    for path, image in zip(paths, images, strict=True):
      far_off = np.where(image < 128, 255, 0).astype(np.uint8)
      Image.fromarray(far_off).save(path)

  with pytest.raises(errors.UserError, match='masks and latents'):
    training.train(
      synthetic.GENERATOR,
      dataclasses.replace(annotations, images=paths),
      synthetic.SAMPLING,
      _OPTIONS,
      key=jax.random.key(1),
      on_images=save,
    )
