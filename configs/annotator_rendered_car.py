"""The simulated annotator of rendered cars, 64 px.

It learns from pictures of the range 'annotated' and is measured on those of
the range 'test'; generators train on neither. For 128 px:
--config.domain.resolution=128 --config.network.channels='(16,32,64,96,192)'.

Time on 2 CPU cores: two minutes to draw the pictures, and about 40 to train
by the rate of the first steps.

  python -m launch.train_annotator --config=configs/annotator_rendered_car.py \
    --workdir=out/annotator
"""

from ml_collections.config_dict import ConfigDict


def get_config() -> ConfigDict:
  """Every field that a config of launch/train_annotator.py may set."""
  config = ConfigDict()

  # Of weights, order and perturbations.
  config.seed = 0
  config.num_pairs = 6000  # pictures to learn from
  config.num_held_out = 1000  # others, to measure on
  # Of the weights in the folder: 'float16' or 'float32', twice the size.
  config.stored_dtype = 'float16'

  config.domain = domain = ConfigDict()
  domain.name = 'rendered_car'
  domain.setting = 'three_quarter'  # or 'frontal', easier; 'all_views', harder
  domain.resolution = 64  # width in pixels
  domain.aspect = 'square'  # or '4:3'
  domain.supersampling = 2  # samples per pixel along each axis

  config.network = network = ConfigDict()
  # At full size, half of it, a quarter ...
  network.channels = (32, 64, 96, 192)
  network.groups = 8  # that channels are normalised in

  config.training = training = ConfigDict()
  training.steps = 4000
  training.batch_size = 32  # of all devices together
  training.learning_rate = 0.002  # at the start; falls to 0 as a cosine
  training.balance = 0.25  # 0: all pixels count alike, 1: all classes
  training.steps_per_evaluation = 500

  # How far pictures are changed in training, at most; 0: not at all.
  config.augment = augment = ConfigDict()
  augment.brightness = 0.2  # share of the range
  augment.contrast = 0.3  # factor 1 +- this
  augment.saturation = 0.5  # factor 1 +- this
  augment.blur = 1.0  # share of a 3x3 filter applied twice
  augment.noise = 0.06  # standard deviation, share of the range
  augment.shift = 4  # pixels along each axis
  augment.flip = True  # cars have no part that is a left or a right one

  return config.lock()
