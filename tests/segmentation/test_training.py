import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from dgan_jax import errors, metrics, parallel, rng
from dgan_jax import schema as schema_lib
from dgan_jax.segmentation import augmentation, predict, training, unet
from dgan_jax.segmentation import pairs as pairs_lib
from dgan_jax.training import run_folder
from tests import adam
from tests.segmentation import synthetic

_STILL = augmentation.Ranges(shift=1, noise=0.02)
_OPTIONS = training.Options(
  steps=100,
  batch_size=16,
  learning_rate=0.02,
  steps_per_evaluation=50,
  augment=_STILL,
)
_KEY = rng.root_key(3)


def _train(**options):
  return training.train(
    options.pop('architecture', synthetic.ARCHITECTURE),
    options.pop('schema', synthetic.SCHEMA),
    options.pop('pairs', None) or synthetic.pairs(60),
    options.pop('options', _OPTIONS),
    **{'key': _KEY, 'devices': jax.devices()[:1], **options},
  )


@pytest.fixture(scope='module')
def undisturbed():
  """(annotator, {step: metrics}) of a training that nothing disturbed."""
  seen = {}
  annotator = _train(
    held_out=synthetic.pairs(20, seed=1),
    on_progress=lambda done, total, found: seen.update({done: found}),
  )
  return annotator, seen


def test_parts_that_are_easy_to_tell_are_learnt(undisturbed):
  annotator, _ = undisturbed
  counts = predict.confusion(annotator, *synthetic.pairs(40, seed=2))
  assert metrics.pixel_accuracy(counts) > 0.95
  assert metrics.mean_iou(counts) > 0.85


def test_progress_tells_the_loss_and_what_the_pairs_held_out_say(undisturbed):
  _, seen = undisturbed
  assert list(seen) == [25, 50, 75, 100]
  assert seen[100]['loss'] < 0.5 * seen[25]['loss']
  assert [step for step, found in seen.items() if 'mean_iou' in found] == [
    50,
    100,
  ]
  assert seen[100]['accuracy'] > 0.95


def test_an_interrupted_training_goes_on_with_the_same_bits(
  undisturbed, tmp_path
):
  def interrupt(done, total, found):
    if done == 50:
      raise KeyboardInterrupt

  with (
    pytest.raises(KeyboardInterrupt),
    run_folder.RunFolder(tmp_path, {}) as folder,
  ):
    _train(folder=folder, on_progress=interrupt)
  seen = {}
  with run_folder.RunFolder(tmp_path, {}) as folder:
    again = _train(
      folder=folder,
      held_out=synthetic.pairs(20, seed=1),
      on_progress=lambda done, total, found: seen.update({done: found}),
    )
  expected, metrics_expected = undisturbed
  jax.tree.map(np.testing.assert_array_equal, again.params, expected.params)
  assert seen == {step: metrics_expected[step] for step in (75, 100)}


def test_eight_devices_take_the_step_that_one_takes(monkeypatch):
  """By plain gradient descent: Adam would blow up what is rounded."""
  images, masks = synthetic.pairs(16)
  masks[3] = 255
  batch = pairs_lib.Batch(images, masks, np.arange(16, dtype=np.int32))
  weights = pairs_lib.class_weights(masks, 3, 0.25)
  sgd = training.optax.sgd(0.1)
  monkeypatch.setattr(training.TrainConfig, 'optimizer', sgd)
  config = training.TrainConfig(synthetic.ARCHITECTURE, _OPTIONS, weights)
  results = []
  for count in (1, 8):
    step = parallel.spread_step(
      lambda state, batch, mean: training.train_step(
        config, state, batch, mean, key=_KEY
      ),
      jax.devices()[:count],
    )
    results.append(step(training.init(config, key=_KEY), batch))
  (one, found), (eight, other) = results
  np.testing.assert_allclose(other['loss'], found['loss'], rtol=1e-5)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5),
    eight.params,
    one.params,
  )


def test_a_step_lowers_the_weighted_loss_by_adam_along_a_cosine():
  images, masks = synthetic.pairs(4)
  weights = (0.5, 2.0, 3.0)
  still = augmentation.Ranges(0, 0, 0, 0, 0, 0)
  options = dataclasses.replace(_OPTIONS, augment=still)
  config = training.TrainConfig(synthetic.ARCHITECTURE, options, weights)
  batch = pairs_lib.Batch(images, masks, np.arange(4, dtype=np.int32))
  state = training.init(config, key=_KEY)
  _, metrics = jax.jit(
    lambda state: training.train_step(
      config, state, batch, lambda tree: tree, key=_KEY
    )
  )(state)
  logits = synthetic.ARCHITECTURE.label(state.params, images.astype('f'))
  logits = np.asarray(logits, np.float64)
  log_sums = np.log(np.exp(logits).sum(-1))
  right = np.take_along_axis(logits, masks[..., None], -1)[..., 0]
  expected = np.mean(np.array(weights)[masks] * (log_sums - right))
  assert metrics['loss'] == pytest.approx(expected, rel=1e-4)
  adam.assert_is(config.optimizer, adam.cosine(0.02, 100), (0.9, 0.99))


def test_the_loss_is_the_weighted_mean_over_all_pixels():
  logits = jnp.log(jnp.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [1, 1, 1]]))
  found = training.cross_entropy(
    logits, jnp.array([0, 2, 255], jnp.uint8), jnp.array([1.0, 1.0, 3.0])
  )
  assert found == pytest.approx(-(np.log(0.5) + 3 * np.log(0.8)) / 3)


def test_a_training_that_diverges_says_between_which_steps(monkeypatch):
  monkeypatch.setattr(
    training.optax, 'adam', lambda rate, b2: training.optax.sgd(np.nan)
  )
  with pytest.raises(FloatingPointError, match='between steps 0 and 25'):
    _train()


def _wrong(label):
  images, masks = synthetic.pairs(4)
  masks[2, 5, 5] = label
  return images, masks


@pytest.mark.parametrize(
  ('change', 'words'),
  [
    (
      {'pairs': _wrong(3)},
      "Mask 2 has label 3; the schema 'box_3' has classes 0 to 2, and 255",
    ),
    (
      {'held_out': _wrong(7)},
      'Mask 2 has label 7',
    ),
    (
      {'pairs': synthetic.pairs(2, (15, 16))},
      'Images of 15 x 16 .* cannot be halved 1 times; expected multiples of 2',
    ),
    (
      {'pairs': (synthetic.pairs(2)[0], synthetic.pairs(3)[1])},
      r'The masks are uint8 \[3, 16, 16\]; expected uint8 \[2, 16, 16\]',
    ),
    (
      {'pairs': (synthetic.pairs(2)[0] / 255, synthetic.pairs(2)[1])},
      r'The images are float64 \[2, 16, 16, 3\]; expected uint8',
    ),
    (
      {'pairs': (np.zeros((0, 16, 16, 3), np.uint8),) * 2},
      'There are no images',
    ),
    (
      {'architecture': unet.UNet(4, (8, 16))},
      "tells 4 classes apart; the schema 'box_3' has 3",
    ),
    (
      {
        'schema': dataclasses.replace(
          synthetic.SCHEMA, classes=('background', 'left_box', 'patch')
        ),
        'options': training.Options(augment=augmentation.Ranges(flip=True)),
      },
      "Mirrored images would have no 'left_box' where",
    ),
  ],
  ids=[
    *('label', 'held out', 'size', 'number', 'kind', 'none'),
    *('classes', 'mirror'),
  ],
)
def test_what_cannot_be_learnt_from_gets_one_line(change, words):
  with pytest.raises(errors.UserError, match=words) as caught:
    _train(**change)
  assert '\n' not in str(caught.value)


@pytest.mark.parametrize('name', ['car_20', 'face_34', 'cat_16'])
def test_the_parts_of_the_paper_may_be_mirrored(name):
  schema = schema_lib.get_schema(name)
  pairs_lib.check_schema(unet.UNet(schema.num_classes), schema, flip=True)
