"""A generator of rendered cars, 64 px, for two CPU cores.

The cars are drawn while it trains. Cars can be recognised after about 50,000
images, wheels and windows after 100,000.

  python -m launch.train_gan --config=configs/gan_rendered_car.py \
    --workdir=out/cars
"""

from configs import gan_common


def get_config() -> gan_common.ConfigDict:
  config = gan_common.get_config()
  config.features = 'bundled'
  return config
