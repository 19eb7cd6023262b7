"""Birds in 11 parts.

There is no official generator of birds: the paper's authors trained one, on
NABirds. The release's annotations fit only that one. Networks of 256 px
truncate 7 rows of w, not 8.

Put these files into official/bird_11/ and do as `common.official` says:

- bird.for_g_all.pt
- avg_latent_stylegan1.npy
- annotated/: 30 masks image_mask{k}.npy (bird_processed), latent_stylegan1.npy

  python -m launch.generate --config=configs/bird_11.py --workdir=out/bird_11

To expect from a DeepLabV3 trained on 10,000 samples: Bird-11 36.76 mIoU in the
paper.
"""

from configs import common


def get_config() -> common.ConfigDict:
  return common.official('bird_11', 'datasetgan_bird')
