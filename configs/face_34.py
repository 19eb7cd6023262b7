"""Faces in 34 parts, 512 px, from the official 1024 px generator.

Put these files of DatasetGAN's release into official/face_34/. Weights and
annotations are for non-commercial use.

- karras2019stylegan-celebahq-1024x1024.for_g_all.pt:
    the generator in the release's layout; NVIDIA's .pkl of it does as well
- avg_latent_stylegan1.npy:
    its mean latent
- annotated/:
    16 masks image_mask{k}.npy (face_processed) and their latents,
    latent_stylegan1.npy

  F=official/face_34
  python -m launch.convert \
    --input=$F/karras2019stylegan-celebahq-1024x1024.for_g_all.pt \
    --avg_latent=$F/avg_latent_stylegan1.npy --output=$F/generator
  python -m launch.train_interpreter --config=configs/face_34.py \
    --workdir=out/face_34
  python -m launch.generate --config=configs/face_34.py \
    --workdir=out/face_34

To expect from a DeepLabV3 trained on 10,000 samples: Face-34 53.46 mIoU in the
paper, 54.55 after the release's fixes; CelebA-Mask-8 70.01.
"""

from configs import common


def get_config() -> common.ConfigDict:
  config = common.get_config()
  config.generator = 'official/face_34/generator'
  config.annotations = 'official/face_34/annotated'
  config.schema = 'face_34'
  config.dataset.name = 'datasetgan_face'
  config.dataset.config_name = 'face_34'
  config.factory.num_samples = 10_000
  return config
