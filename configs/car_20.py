"""Cars in 20 parts, 512x384, from the official generator.

Put these files into official/car_20/ and do as `common.official` says:

- karras2019stylegan-cars-512x384.for_g_all.pt
- avg_latent_stylegan1.npy
- annotated/: 16 masks image_mask{k}.npy (car_processed), latent_stylegan1.npy

  python -m launch.generate --config=configs/car_20.py --workdir=out/car_20

To expect from a DeepLabV3 trained on 10,000 samples: Car-20 62.33 mIoU in the
paper, 67.53 after the release's fixes; ADE-Car-12 45.64 and 47.87; ADE-Car-5
57.77.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.official('car_20', 'datasetgan_car')
  # The network draws 512 x 512; the cars are in the middle rows.
  config.sampling.rows = (64, 448)
  return config
