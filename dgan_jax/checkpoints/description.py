"""What to say of files: what a checkpoint holds, or that it is none of ours."""

import dataclasses
import itertools
import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted, zip_entries
from dgan_jax.checkpoints.origins import state_dict
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble

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


@dataclasses.dataclass(frozen=True)
class Opened:
  """What a checkpoint holds, converted."""

  path: str  # of the file or folder
  format: str  # what it is, for people
  # Of the generator; None for an interpreter.
  architecture: generators.Architecture | None = None
  params: Any = None  # its weights as ours
  w_avg: np.ndarray | None = None  # mean w [num_ws, latent_size], if stored
  # Constant maps [1, r, r, 1], if stored.
  noise: tuple[jnp.ndarray, ...] | None = None
  # What it was made for, as far as the file says, if it is one.
  interpreter: ensemble.InterpreterSpec | None = None
  network: str = ''  # name of the network within the file, '' if it has none
  others: tuple[str, ...] = ()  # names of what else the file holds
  # Sentences about what had to be assumed and what to mind.
  remarks: tuple[str, ...] = ()


def describe(opened: Opened) -> str:
  """What was opened, in lines for people."""
  lines = {'File': opened.path, 'Format': opened.format}
  if opened.network:
    lines['Network'] = untrusted.shown(opened.network)
  if opened.others:
    others = ', '.join(map(untrusted.shown, opened.others[:20]))
    more = ', ...' if len(opened.others) > 20 else ''
    lines['Also in the file'] = f'{others}{more}'
  if opened.architecture is not None:
    lines |= _generator_lines(opened, opened.architecture)
  if opened.interpreter is not None:
    spec = opened.interpreter
    lines |= {
      'Members': f'{spec.members}',
      'Features': f'{spec.num_features} of every pixel',
      'Hidden': f'{spec.hidden[0]}, {spec.hidden[1]}',
      'Classes': f'{spec.num_outputs}',
    }
  width = max(map(len, lines)) + 1
  described = [f'{name + ":":{width}} {text}' for name, text in lines.items()]
  return '\n'.join([*described, *opened.remarks])


def _generator_lines(
  opened: Opened, made: generators.Architecture
) -> dict[str, str]:
  kind = type(made).__name__
  block = getattr(made, 'block', None)
  clamp = getattr(made, 'conv_clamp', None)
  count = sum(leaf.size for leaf in jax.tree.leaves(opened.params))
  maps = len(opened.noise or ())
  return {
    'Architecture': kind
    + (f', blocks {block!r}' if block else '')
    + (f', clamped at {clamp:g}' if clamp else ''),
    'Resolution': f'{made.resolution} px',
    'Channels': f'{", ".join(map(str, made.channels))} from 4 px up',
    'Latent': f'{made.latent_size}, {made.mapping_layers} mapping layers',
    'Conditional': f'{made.num_labels} classes' if made.num_labels else 'no',
    'Parameters': f'{count:,}',
    'Mean latent': 'not in the file' if opened.w_avg is None else 'stored',
    'Noise maps': f'{maps} stored' if maps else 'none in the file',
  }


def check_start(head: bytes, source: str) -> None:
  """Raises `errors.UserError` for files whose first 500 bytes tell that they
  are something else."""
  for start, found in _MISTAKES.items():
    if re.match(start, head, re.DOTALL):
      raise errors.UserError(f'{source} is {found}; {EXPECTED}.')


def unknown_folder(path: pathlib.Path) -> str:
  """What to say of a folder that is no checkpoint; reads on from its name."""
  names = sorted(p.name for p in itertools.islice(path.iterdir(), 1000))
  inside = [name for name in names if zip_entries.is_checkpoint(name)]
  if inside:
    return f'holds no checkpoint; give {untrusted.shown(inside[0])} in it.'
  return f'holds no checkpoint (no checkpoint.json); {EXPECTED}.'


def unknown_arrays(
  arrays: state_dict.StateDict, source: str
) -> errors.UserError:
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
