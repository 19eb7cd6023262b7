"""Bedrooms in 19 parts, 256 px, from the official generator.

Put these files into official/bedroom_19/ and do as `common.official` says:

- karras2019stylegan-bedrooms-256x256.for_g_all.pt
- avg_latent_stylegan1.npy
- annotated/: 40 masks image_mask{k}.npy (bedroom_processed),
  latent_stylegan1.npy

  python -m launch.generate --config=configs/bedroom_19.py \
    --workdir=out/bedroom_19

To expect from a DeepLabV3 trained on 10,000 samples: Bedroom-19 36.83
mIoU in the paper.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.official('bedroom_19', 'datasetgan_bedroom')
  config.sampling.truncation_layers = 7
  return config
