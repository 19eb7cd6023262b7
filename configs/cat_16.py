"""Cats in 16 parts, 256 px, from the official generator.

Put these files of DatasetGAN's release into official/cat_16/. Weights and
annotations are for non-commercial use.

- karras2019stylegan-cats-256x256.for_g_all.pt:
    the generator in the release's layout; NVIDIA's .pkl of it does as well
- avg_latent_cat.npy:
    its mean latent
- annotated/:
    30 masks image_mask{k}.npy (cat_processed) and their latents,
    latent_stylegan1.npy

  F=official/cat_16
  python -m launch.convert \
    --input=$F/karras2019stylegan-cats-256x256.for_g_all.pt \
    --avg_latent=$F/avg_latent_cat.npy --output=$F/generator
  python -m launch.train_interpreter --config=configs/cat_16.py \
    --workdir=out/cat_16
  python -m launch.generate --config=configs/cat_16.py \
    --workdir=out/cat_16

To expect from a DeepLabV3 trained on 10,000 samples: Cat-16 31.26 mIoU in the
paper, 32.63 after the release's fixes.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.get_config()
  config.generator = 'official/cat_16/generator'
  config.annotations = 'official/cat_16/annotated'
  config.schema = 'cat_16'
  config.dataset.name = 'datasetgan_cat'
  config.dataset.config_name = 'cat_16'
  config.sampling.truncation_layers = 7
  config.factory.num_samples = 10_000
  return config
