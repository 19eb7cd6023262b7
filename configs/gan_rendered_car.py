"""A generator of rendered cars, 64 px, for two CPU cores: an hour and a half.

The cars are drawn while it trains; they can be recognised after 60,000 images.
Batches are small and latents unmixed, for 200,000 images are few for a GAN.

  python -m launch.train_gan --config=configs/gan_rendered_car.py \
    --workdir=out/cars
"""

from configs import gan_common


def get_config() -> gan_common.ConfigDict:
  config = gan_common.get_config()
  config.features = 'bundled'
  config.domain.count = 20_000
  config.training.images = 200_000
  config.training.batch_size = 16
  config.training.r1_batch = 8
  config.training.mixing = 0.0
  return config
