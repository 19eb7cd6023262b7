"""Cars in 20 parts, 512x384, from the official generator.

Put these files of DatasetGAN's release into official/car_20/. Weights and
annotations are for non-commercial use.

- karras2019stylegan-cars-512x384.for_g_all.pt:
    the generator in the release's layout; NVIDIA's .pkl of it does as well
- avg_latent_stylegan1.npy:
    its mean latent
- annotated/:
    16 masks image_mask{k}.npy (car_processed) and their latents,
    latent_stylegan1.npy

  F=official/car_20
  python -m launch.convert \
    --input=$F/karras2019stylegan-cars-512x384.for_g_all.pt \
    --avg_latent=$F/avg_latent_stylegan1.npy --output=$F/generator
  python -m launch.train_interpreter --config=configs/car_20.py \
    --workdir=out/car_20
  python -m launch.generate --config=configs/car_20.py \
    --workdir=out/car_20

To expect from a DeepLabV3 trained on 10,000 samples: Car-20 62.33 mIoU in the
paper, 67.53 after the release's fixes; ADE-Car-12 45.64 and 47.87; ADE-Car-5
57.77.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.get_config()
  config.generator = 'official/car_20/generator'
  config.annotations = 'official/car_20/annotated'
  config.schema = 'car_20'
  config.dataset.name = 'datasetgan_car'
  config.dataset.config_name = 'car_20'
  # The network draws 512 x 512; the cars are in the middle rows.
  config.sampling.rows = (64, 448)
  config.factory.num_samples = 10_000
  return config
