"""Every field that a config of launch/train_gan.py may set, each declared once.

The other configs call `get_config` and override. From a command line:
`--config=configs/gan_photos.py --config.images=photos`. Tuples are written
`--config.network.channels='(128,128,128,64,32)'`.
"""

from ml_collections.config_dict import ConfigDict


def get_config() -> ConfigDict:
  """A generator of 64 px for two CPU cores."""
  config = ConfigDict()

  # 'domain': pictures that a program draws, see below; or a folder of photos,
  # whose transparent pixels become grey (128, 128, 128); a .npy file (uint8
  # [n, size, size, 3]); or tfds:NAME/SPLIT.
  config.images = 'domain'
  # Of weights, latents and the order of images.
  config.seed = 0
  # Where TensorFlow datasets are; '': where they are by default.
  config.data_dir = ''

  config.domain = domain = ConfigDict()
  domain.name = 'rendered_car'
  domain.setting = 'three_quarter'  # or 'frontal', easier; 'all_views', harder
  domain.supersampling = 2  # samples per pixel along each axis
  domain.count = 50_000  # pictures in all
  # Pictures of the first epoch; later ones are drawn meanwhile.
  domain.at_first = 2_000

  config.network = network = ConfigDict()
  network.kind = 'StyleGAN1'  # or 'StyleGAN2'
  network.resolution = 64  # a power of two, 8 to 1024
  # Of every resolution from 4x4 up, for generator and discriminator.
  network.channels = (128, 128, 128, 64, 32)
  network.latent_size = 128
  network.mapping_layers = 8
  # Images of a minibatch standard deviation; divides the batch.
  network.group_size = 4

  config.training = training = ConfigDict()
  training.images = 1_000_000  # shown in all, epochs or not
  training.batch_size = 32  # of all devices together
  training.learning_rate = 0.0025
  # Share of the training, at its end, in which it falls linearly to zero.
  training.decay = 0.25
  training.r1_gamma = 1.0  # weight of the penalty on a steep discriminator
  training.r1_interval = 16  # steps between two of them
  training.r1_batch = 16  # images of a batch that it is taken on
  training.mixing = 0.5  # share of samples of two latents
  # Half-life of the averaged weights in images, and at most this share of
  # those shown so far.
  training.ema_images = 10_000
  training.ema_rampup = 0.05
  training.flip = False  # mirrored images are as good
  # Adaptive discriminator augmentation: for less than about 10,000 images.
  training.augment = False
  training.augment_target = 0.6  # how much may be learnt by heart
  training.augment_images = 500_000  # after which it may be at its strongest
  training.dtype = 'float32'  # or 'bfloat16', on accelerators

  config.schedule = schedule = ConfigDict()
  schedule.steps_per_report = 25
  # Besides, early on: after a half of that, a quarter, ... a 32nd.
  schedule.images_per_evaluation = 20_000
  schedule.seconds_per_save = 120.0
  schedule.seconds_per_grid = 180.0
  schedule.grid_images = 40
  # Images on either side of the Frechet distance; 0: none is measured.
  config.evaluation_images = 2_000
  # What it compares. 'pixels': images reduced to 8x8, for any; the features of
  # an annotator that knows such images: 'bundled' (rendered cars of 64 px), or
  # the folder of one (see launch/train_annotator.py); or those of the FID's
  # Inception: a path of pt_inception-2015-12-05-6726825d.pth of pytorch-fid.
  config.features = 'pixels'

  # Locked here: a config that overrides a field of another name is an error.
  return config.lock()
