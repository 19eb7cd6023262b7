"""A generator of 16 px for a moment. For tests.

python -m launch.train_gan --config=configs/gan_tiny.py --workdir=out/tiny
"""

from configs import gan_common


def get_config() -> gan_common.ConfigDict:
  config = gan_common.get_config()
  config.domain.setting = 'frontal'
  config.domain.count = 40
  config.domain.at_first = 20
  config.network.resolution = 16
  config.network.channels = (6, 5, 4)
  config.network.latent_size = 8
  config.network.mapping_layers = 2
  config.network.group_size = 2
  config.training.images = 96
  config.training.batch_size = 8
  config.training.r1_batch = 4
  config.training.r1_interval = 4
  config.schedule.steps_per_report = 2
  config.schedule.images_per_evaluation = 48
  config.schedule.grid_images = 4
  config.evaluation_images = 20
  return config
