"""What to say of files that hold nothing of ours."""

import itertools
import pathlib
import re

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted, zip_entries
from dgan_jax.checkpoints.origins import state_dict

EXPECTED = (
  'expected a generator (.for_g_all.pt, .pkl, .pt, .safetensors or a converted '
  'folder) or an interpreter (model_0.pth or a folder)'
)
# Starts of what people have at hand by mistake.
_MISTAKES = {
  rb'\Z': 'empty',
  rb'\x93NUMPY': 'a NumPy array',
  rb'PK\x03\x04.{26}[ -~]{1,40}\.npy': 'a NumPy archive',
  rb'\x89PNG': 'a PNG image',
  rb'\xff\xd8\xff': 'a JPEG image',
  rb'\x1f\x8b': 'compressed by gzip: unpack it first',
  rb'BZh|\xfd7zXZ|7z\xbc\xaf|Rar!|\x28\xb5\x2f\xfd': 'packed: unpack it first',
  rb'.{257}ustar': 'an archive (tar): unpack it and give the network in it',
  rb'\x89HDF': 'an HDF5 file',
  rb'\s*<': 'a web page or XML, as failed downloads leave',
  rb'version https://git-lfs': 'a Git LFS pointer, not the file itself',
  # Old protocols of pickle are text too, but start otherwise.
  rb'(?![(c}])[\t\n\r -~]{16}': 'text',
}


def check_start(head: bytes, source: str) -> None:
  """Raises `errors.UserError` for files whose first 500 bytes tell that they
  are something else."""
  for start, found in _MISTAKES.items():
    if re.match(start, head, re.DOTALL):
      raise errors.UserError(f'{source} is {found}; {EXPECTED}.')


def folder(path: pathlib.Path) -> str:
  """What to say of a folder that is no checkpoint; reads on from its name."""
  names = sorted(p.name for p in itertools.islice(path.iterdir(), 1000))
  inside = [name for name in names if zip_entries.is_checkpoint(name)]
  if inside:
    return (
      f'holds no checkpoint of ours; give {untrusted.shown(inside[0])} in it.'
    )
  return f'holds no checkpoint (no checkpoint.json); {EXPECTED}.'


def unknown(arrays: state_dict.StateDict, source: str) -> errors.UserError:
  """What to say of a state dict that is no generator."""
  keys = '\n'.join(arrays)
  if re.search(r'(?m)(^|\.)synthesis\.(L0_|input\.(affine|freqs))', keys):
    found = 'holds a StyleGAN3 network'
  elif re.search(
    r'(?m)(^|[./])(b[0-9]+\.fromrgb|final_linear|FromRGB(_lod[0-9]+)?)\b', keys
  ):
    found = 'holds a discriminator and no generator'
  elif arrays:
    found = f'holds {len(arrays)} arrays ({state_dict.listed(arrays)})'
  else:
    found = 'holds no arrays'
  return errors.UserError(
    f'{source} {found}; {EXPECTED}, of a StyleGAN1 or StyleGAN2.'
  )
