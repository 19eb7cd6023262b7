"""What DatasetGAN's release calls the arrays of its StyleGAN1."""

import numpy as np

from dgan_jax.checkpoints.origins import (
  architecture_hints,
  arrays_to_generator,
  state_dict,
)
from dgan_jax.generators import stylegan1

RELEASE_TITLE = "DatasetGAN's release"

# Upsampling's blur, which the release keeps as a buffer of its state dict.
_BLUR = np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32)[None, None] / 16


def _release_architecture(
  arrays: state_dict.StateDict,
  settings: architecture_hints.Settings,
  source: str,
) -> stylegan1.StyleGAN1:
  blocks = 'g_synthesis.blocks'
  resolutions = architecture_hints.resolutions(
    arrays,
    r'g_synthesis\.blocks\.([0-9]{1,5})x\1\.',
    source,
    f'the StyleGAN1 generator of {RELEASE_TITLE}',
  )

  def size(key: str) -> int:
    return state_dict.size_of(arrays, key, 0, source, RELEASE_TITLE)

  return architecture_hints.made(
    stylegan1.StyleGAN1,
    source,
    resolution=max(resolutions),
    channels=tuple(
      size(f'{blocks}.{r}x{r}.{"conv" if r == 4 else "conv1"}.weight')
      for r in resolutions
    ),
    latent_size=size('g_mapping.dense0.weight'),
    mapping_layers=architecture_hints.count_layers(
      arrays, r'g_mapping\.dense([0-9]+)\.'
    ),
  )


def _release_key(
  path: state_dict.Path, architecture: stylegan1.StyleGAN1
) -> tuple[str, str]:
  leaf = 'weight' if path[-1] == 'kernel' else path[-1]
  match path:
    case ('mapping', dense, _):
      name = dense.replace('_', '')
      layout = 'oi' if leaf == 'weight' else 'same'
      return f'g_mapping.{name}.{leaf}', layout
    case ('synthesis', 'to_rgb', _):
      layout = 'oi11' if leaf == 'weight' else 'same'
      return f'g_synthesis.torgb.{leaf}', layout
  _, block, *rest = path
  r = block.removeprefix('block_')
  key = f'g_synthesis.blocks.{r}x{r}'
  match rest:
    case ['const']:
      return f'{key}.const', '1chw'
    case ['bias']:
      return f'{key}.bias', 'same'
    case [conv, _] if conv in ('conv', 'conv_up'):
      second = 'conv' if r == '4' else 'conv1'
      name = 'conv0_up' if conv == 'conv_up' else second
      return f'{key}.{name}.{leaf}', 'oihw' if leaf == 'weight' else 'same'
    case [epilogue, 'noise_strength']:
      i = epilogue.removeprefix('epilogue_')
      return f'{key}.epi{i}.top_epi.noise.weight', 'same'
    case [epilogue, 'style', _]:
      i = epilogue.removeprefix('epilogue_')
      layout = 'oi' if leaf == 'weight' else 'same'
      return f'{key}.epi{i}.style_mod.lin.{leaf}', layout
  raise AssertionError(path)


def _release_blurs(architecture: stylegan1.StyleGAN1) -> state_dict.StateDict:
  return {
    f'g_synthesis.blocks.{r}x{r}.conv0_up.intermediate.kernel': _BLUR
    for r in architecture.resolutions[1:]
  }


RELEASE = arrays_to_generator.Naming(
  title=f'StyleGAN1 of {RELEASE_TITLE}',
  marker='g_synthesis.blocks.4x4.const',
  architecture=_release_architecture,
  key_of=_release_key,
  constants=_release_blurs,
)
