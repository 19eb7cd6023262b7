"""How good the labels are: interpreters against the simulated annotator.

Time for images of 64 px: 130 CPU seconds for an interpreter in default mode, 86
of them to measure it; 3 more for every annotated sample in the release's mode.

  python -m launch.evaluate_labels --config=configs/label_quality.py \
    --workdir=out/label_quality
"""

from configs import common


def get_config() -> common.ConfigDict:
  """Every field that a config of launch/evaluate_labels.py may set."""
  fields = common.get_config()
  config = common.ConfigDict()

  # A folder written by launch/convert.py, or 'bundled'.
  config.generator = fields.generator
  # A folder written by launch/train_annotator.py, or 'bundled'.
  config.annotator = 'bundled'
  # A built-in part schema or the path of a .json file; the annotator's.
  config.schema = fields.schema
  # Of the samples to measure on.
  config.seed = 0
  config.num_samples = 2000

  # Of the annotated samples and of training; everything is run with each.
  config.seeds = (0,)
  # Numbers of annotated samples, for every mode.
  config.annotated = (1, 4, 8, 16, 32)
  # A number that nobody would paint, to see what more could bring, for the mode
  # of the reference; 0: none.
  config.ceiling = 200
  config.modes = ('default', 'release')
  # The number of annotated samples for what follows, in interpreter.mode.
  config.reference = 16
  config.dropouts = (0.0, 0.1)
  # The annotated samples are chosen from so many, as launch.sample does; the
  # reference is also run with the first that come. 0: these only.
  config.candidates = 500

  # See configs/common.py: how images are drawn, and the reference that is
  # varied.
  config.sampling = fields.sampling
  config.interpreter = fields.interpreter

  # Locked here: a config that overrides a field of another name is an error.
  return config.lock()
