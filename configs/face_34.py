"""Faces in 34 parts, 512 px, from the official 1024 px generator.

Put these files into official/face_34/ and do as `common.official` says:

- karras2019stylegan-celebahq-1024x1024.for_g_all.pt
- avg_latent_stylegan1.npy
- annotated/: 16 masks image_mask{k}.npy (face_processed), latent_stylegan1.npy

  python -m launch.generate --config=configs/face_34.py --workdir=out/face_34

To expect from a DeepLabV3 trained on 10,000 samples: Face-34 53.46 mIoU in the
paper, 54.55 after the release's fixes; CelebA-Mask-8 70.01.
"""

from configs import common


def get_config() -> common.ConfigDict:
  return common.official('face_34', 'datasetgan_face')
