"""Bedrooms in 19 parts, 256 px, from the official generator.

Put these files of DatasetGAN's release into official/bedroom_19/. Weights and
annotations are for non-commercial use.

- karras2019stylegan-bedrooms-256x256.for_g_all.pt:
    the generator in the release's layout; NVIDIA's .pkl of it does as well
- avg_latent_stylegan1.npy:
    its mean latent
- annotated/:
    40 masks image_mask{k}.npy (bedroom_processed) and their latents,
    latent_stylegan1.npy

  F=official/bedroom_19
  python -m launch.convert \
    --input=$F/karras2019stylegan-bedrooms-256x256.for_g_all.pt \
    --avg_latent=$F/avg_latent_stylegan1.npy --output=$F/generator
  python -m launch.train_interpreter --config=configs/bedroom_19.py \
    --workdir=out/bedroom_19
  python -m launch.generate --config=configs/bedroom_19.py \
    --workdir=out/bedroom_19

To expect from a DeepLabV3 trained on 10,000 samples: Bedroom-19 36.83 mIoU in
the paper.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.get_config()
  config.generator = 'official/bedroom_19/generator'
  config.annotations = 'official/bedroom_19/annotated'
  config.schema = 'bedroom_19'
  config.dataset.name = 'datasetgan_bedroom'
  config.dataset.config_name = 'bedroom_19'
  config.sampling.truncation_layers = 7
  config.factory.num_samples = 10_000
  return config
