"""A generator of your own photos, 64 px: a folder of a few hundred or more.

Photos may have any size; their central squares are used. Few photos are no
hindrance, as the discriminator sees them in ever new ways (ADA).

  python -m launch.train_gan --config=configs/gan_photos.py \
    --config.images=photos --workdir=out/photos
"""

from configs import gan_common


def get_config() -> gan_common.ConfigDict:
  config = gan_common.get_config()
  config.images = 'photos'
  config.training.flip = True
  config.training.augment = True
  return config
