"""Birds in 11 parts.

There is no official generator of birds: the paper's authors trained one, on
NABirds. Put yours, in the release's layout, into official/bird_11/ with the
annotations of DatasetGAN's release, which are for non-commercial use and fit
only the generator they were painted on. Networks of 256 px truncate 7 rows of
w, not 8.

- bird.for_g_all.pt:
    the generator in the release's layout
- avg_latent_stylegan1.npy:
    its mean latent
- annotated/:
    30 masks image_mask{k}.npy (bird_processed) and their latents,
    latent_stylegan1.npy

  F=official/bird_11
  python -m launch.convert \
    --input=$F/bird.for_g_all.pt \
    --avg_latent=$F/avg_latent_stylegan1.npy --output=$F/generator
  python -m launch.train_interpreter --config=configs/bird_11.py \
    --workdir=out/bird_11
  python -m launch.generate --config=configs/bird_11.py \
    --workdir=out/bird_11

To expect from a DeepLabV3 trained on 10,000 samples: Bird-11 36.76 mIoU in the
paper.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.get_config()
  config.generator = 'official/bird_11/generator'
  config.annotations = 'official/bird_11/annotated'
  config.schema = 'bird_11'
  config.dataset.name = 'datasetgan_bird'
  config.dataset.config_name = 'bird_11'
  config.factory.num_samples = 10_000
  return config
