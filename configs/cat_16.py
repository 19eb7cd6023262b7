"""Cats in 16 parts, 256 px, from the official generator.

Put these files into official/cat_16/ and do as `common.official` says:

- karras2019stylegan-cats-256x256.for_g_all.pt
- avg_latent_cat.npy
- annotated/: 30 masks image_mask{k}.npy (cat_processed), latent_stylegan1.npy

  python -m launch.generate --config=configs/cat_16.py --workdir=out/cat_16

To expect from a DeepLabV3 trained on 10,000 samples: Cat-16 31.26 mIoU in the
paper, 32.63 after the release's fixes.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.official('cat_16', 'datasetgan_cat')
  config.sampling.truncation_layers = 7
  return config
