"""Every field that a config may set, each declared once.

The other configs call `get_config` and override. From a command line:
`--config=configs/tiny.py --config.factory.num_samples=64`. Tuples are written
`--config.sampling.rows='(64,448)'`.
"""

from ml_collections.config_dict import ConfigDict


def get_config() -> ConfigDict:
  """The rendered cars that come with the package, in full."""
  config = ConfigDict()

  # A folder written by launch/convert.py, or 'bundled': the rendered cars.
  config.generator = 'bundled'
  # A folder of masks and their manifest (see launch/sample.py), or 'bundled':
  # 16 rendered cars with a simulated annotator's masks.
  config.annotations = 'bundled'
  # What the labels mean: a built-in part schema (car_20, face_34, ...) or the
  # path of a .json file; '': as schema.json in the annotations says.
  config.schema = ''
  # What the labels are: 'part_segmentation', or 'keypoints', which are read
  # from keypoints.json in the annotations.
  config.task = 'part_segmentation'
  # The dataset is a function of this seed, the generator, the interpreter and
  # the fields below.
  config.seed = 0
  # Where the dataset goes, as the data_dir of tfds.load; '': WORKDIR/data.
  config.data_dir = ''

  config.dataset = dataset = ConfigDict()
  dataset.name = 'datasetgan_car'
  dataset.config_name = 'rendered_64'
  # What tfds.load and what tfds.data_source reads. Both in one place are read
  # by tensorflow-datasets 4.9.7 or newer; one of them by older ones too.
  dataset.formats = ('tfrecord', 'array_record')

  config.sampling = sampling = ConfigDict()
  sampling.truncation_psi = 0.7  # 1: no truncation, 0: the mean image
  # Rows of w that truncation acts on, of two per resolution. 0: what is usual,
  # the first 8 of a StyleGAN1 and all of a StyleGAN2.
  sampling.truncation_layers = 0
  # 'const': the generator's own maps; 'random': from each sample's key;
  # 'none'; 'auto': its own if it has any, else random.
  sampling.noise = 'auto'
  # (first, end) of the image rows kept; (0, 0): all of them.
  sampling.rows = (0, 0)
  sampling.dtype = 'float32'  # or 'bfloat16', on accelerators
  # Class of a conditional generator's images; -1: drawn for every sample.
  sampling.label = -1

  config.interpreter = interpreter = ConfigDict()
  # 'default': quick; 'release': the published procedure, which reads only
  # members, hidden, soft_voting, dropout, class_weights and max_epochs.
  interpreter.mode = 'default'
  interpreter.members = 10
  # Widths of the two hidden layers; (0, 0): the paper's for the class count.
  interpreter.hidden = (0, 0)
  # Labels by the mean softmax instead of a majority vote.
  interpreter.soft_voting = False
  interpreter.dropout = 0.0  # share of hidden units dropped in training
  interpreter.class_weights = ()  # one per class or keypoint; (): all alike
  interpreter.steps = 600  # batches for each member, at most
  interpreter.batch_size = 512  # pixels in a batch of one member
  interpreter.learning_rate = 0.01  # at the start; falls to 0 as a cosine
  interpreter.weight_decay = 0.0
  # 0: all pixels are drawn alike, 1: all regions, however small.
  interpreter.balance = 0.5
  interpreter.bootstrap = False  # each member resamples the images
  interpreter.held_out = 0.02  # share of the pixels that decides when to stop
  # Evaluations without a new best before a member stops.
  interpreter.patience = 8
  interpreter.steps_per_evaluation = 25
  interpreter.feature_dtype = 'float16'  # or 'float32': twice the memory
  interpreter.max_epochs = 100  # of the release's procedure

  config.factory = factory = ConfigDict()
  factory.num_samples = 1000
  factory.first_index = 0  # samples first_index, first_index + 1, ...
  factory.samples_per_shard = 256  # what is lost at most by a kill
  # Samples that a device computes in one go; part of what the bits depend on.
  # 0: what suits the devices and the size of the images.
  factory.block_size = 0
  # The share of samples that goes to the split 'uncertain'.
  factory.uncertain_fraction = 0.1

  # Locked here: a config that overrides a field of another name is an error.
  return config.lock()


def official(name: str, dataset: str) -> ConfigDict:
  """Samples of a published StyleGAN1, by the annotations of DatasetGAN's
  release; weights and annotations are for non-commercial use.

  The release has the generator (NVIDIA's .pkl of it does as well), its mean
  latent, the masks and their latents. Where they are:

    F=official/NAME
    python -m launch.convert --input=$F/GENERATOR.for_g_all.pt \\
      --avg_latent=$F/AVG_LATENT.npy --output=$F/generator
    python -m launch.train_interpreter --config=configs/NAME.py \\
      --workdir=out/NAME
    python -m launch.generate --config=configs/NAME.py --workdir=out/NAME
  """
  config = get_config()
  config.generator = f'official/{name}/generator'
  config.annotations = f'official/{name}/annotated'
  config.schema = config.dataset.config_name = name
  config.dataset.name = dataset
  config.factory.num_samples = 10_000
  return config
