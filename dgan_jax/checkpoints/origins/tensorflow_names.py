"""What the official TensorFlow code calls the arrays of a StyleGAN.

Layouts are ours. In StyleGAN2 kernels of upsampling convolutions are mirrored
against those of PyTorch, and the biases of styles are stored less one.
"""

import re

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.origins import (
  architecture_hints,
  arrays_to_generator,
  state_dict,
)
from dgan_jax.generators import stylegan1, stylegan2

STYLEGAN1_TITLE = 'StyleGAN1 in the official TensorFlow code'
STYLEGAN2_TITLE = 'StyleGAN2 in the official TensorFlow code'

# Where it is set, it is set to this, or our network is another.
_STYLEGAN1_STANDARD = {
  'label_size': (0,),
  'normalize_latents': (True,),
  r'(mapping_)?nonlinearity': ('lrelu',),
  'mapping_lrmul': (0.01,),
  r'(mapping_)?use_wscale': (True,),
  'const_input_layer': (True,),
  r'use_(styles|noise|instance_norm)': (True,),
  'use_pixel_norm': (False,),
}


def _check_unconditional(arrays: state_dict.StateDict, source: str) -> None:
  """Refuses conditional networks of TensorFlow.

  Raises:
    errors.UserError: it is one.
  """
  for key in arrays:
    if re.search(r'(^|/)Label(Concat|Embed)/', key):
      raise errors.UserError(
        f'{source} has a conditional network ({untrusted.shown(key)} of shape '
        f'{arrays[key].shape}); only unconditional ones of TensorFlow are '
        'supported.'
      )


def _stylegan1_architecture(
  arrays: state_dict.StateDict,
  settings: architecture_hints.Settings,
  source: str,
) -> stylegan1.StyleGAN1:
  _check_unconditional(arrays, source)
  architecture_hints.check_settings(settings, _STYLEGAN1_STANDARD, source)
  resolutions = architecture_hints.resolutions(
    arrays, r'G_synthesis/([0-9]{1,5})x\1/', source, STYLEGAN1_TITLE
  )

  def size(key: str, axis: int) -> int:
    return state_dict.size_of(arrays, key, axis, source, STYLEGAN1_TITLE)

  synthesis = 'G_synthesis'
  return architecture_hints.made(
    stylegan1.StyleGAN1,
    source,
    resolution=max(resolutions),
    channels=tuple(
      size(f'{synthesis}/{r}x{r}/{"Conv" if r == 4 else "Conv1"}/weight', 3)
      for r in resolutions
    ),
    latent_size=architecture_hints.check_latent(
      size('G_mapping/Dense0/weight', 0),
      size(f'{synthesis}/4x4/Const/StyleMod/weight', 0),
      source,
    ),
    mapping_layers=architecture_hints.count_layers(
      arrays, r'G_mapping/Dense([0-9]+)/'
    ),
    instance_norm_eps=1e-8,
    fused_from=_fused_from(settings, source),
  )


def _fused_from(settings: architecture_hints.Settings, source: str) -> int:
  """Output resolution from which upsampling is fused, see `StyleGAN1`."""
  choices = {'auto': 128, True: 8, False: 2048}
  setting = settings.get('fused_scale', 'auto')
  if setting not in choices:
    raise errors.UserError(
      f'{source} has fused_scale = {untrusted.shown(setting)}; expected auto, '
      'True or False.'
    )
  return choices[setting]


def _stylegan1_key(
  path: state_dict.Path, architecture: stylegan1.StyleGAN1
) -> tuple[str, str]:
  leaf = 'weight' if path[-1] == 'kernel' else path[-1]
  match path:
    case ('mapping', dense, _):
      return f'G_mapping/Dense{dense.removeprefix("dense_")}/{leaf}', 'same'
    case ('synthesis', 'to_rgb', _):
      layout = '11io' if leaf == 'weight' else 'same'
      return f'G_synthesis/ToRGB_lod0/{leaf}', layout
  _, block, *rest = path
  r = block.removeprefix('block_')
  key = f'G_synthesis/{r}x{r}'
  first, second = ('Const', 'Conv') if r == '4' else ('Conv0_up', 'Conv1')
  match rest:
    case ['const']:
      return f'{key}/{first}/const', '1chw'
    case ['bias']:
      return f'{key}/{first}/bias', 'same'
    case [conv, _] if conv in ('conv', 'conv_up'):
      name = first if conv == 'conv_up' else second
      return f'{key}/{name}/{leaf}', 'same'
    case [epilogue, *inner]:
      name = first if epilogue == 'epilogue_1' else second
      if inner == ['noise_strength']:
        return f'{key}/{name}/Noise/weight', 'same'
      return f'{key}/{name}/StyleMod/{leaf}', 'same'
  raise AssertionError(path)


STYLEGAN1 = arrays_to_generator.Naming(
  title=STYLEGAN1_TITLE,
  marker='G_synthesis/4x4/Const/StyleMod/weight',
  architecture=_stylegan1_architecture,
  key_of=_stylegan1_key,
  noise=lambda architecture: arrays_to_generator.noise_entries(
    architecture, 'G_synthesis/noise{}'
  ),
  w_avg='dlatent_avg',
  # Of the resolutions that training passed through.
  unused=r'lod|G_synthesis/(lod|ToRGB_lod[1-9][0-9]*/(weight|bias))',
)


_STYLEGAN2_CONV: arrays_to_generator.Leaves = {
  ('kernel',): ('weight', 'same'),
  ('bias',): ('bias', 'same'),
  ('noise_strength',): ('noise_strength', 'same'),
  ('style', 'kernel'): ('mod_weight', 'same'),
  ('style', 'bias'): ('mod_bias', 'less_one'),
}
_STYLEGAN2_UP: arrays_to_generator.Leaves = {
  **_STYLEGAN2_CONV,
  ('kernel',): ('weight', 'hwio_mirrored'),
}
_STYLEGAN2_RGB: arrays_to_generator.Leaves = {
  **_STYLEGAN2_CONV,
  ('kernel',): ('weight', '11io'),
}
_STYLEGAN2_STANDARD = {
  'normalize_latents': (True,),
  r'(mapping_)?nonlinearity': ('lrelu',),
  'mapping_lrmul': (0.01,),
  # of the original, and of StyleGAN2-ADA in TensorFlow
  r'synthesis\.build_func_name': ('G_synthesis_stylegan2', 'G_synthesis'),
  'num_channels': (1, 3),
}


def _stylegan2_architecture(
  arrays: state_dict.StateDict,
  settings: architecture_hints.Settings,
  source: str,
) -> stylegan2.StyleGAN2:
  _check_unconditional(arrays, source)
  architecture_hints.check_settings(settings, _STYLEGAN2_STANDARD, source)
  synthesis = 'G_synthesis'
  resolutions = architecture_hints.resolutions(
    arrays, rf'{synthesis}/([0-9]{{1,5}})x\1/', source, STYLEGAN2_TITLE
  )

  def size(key: str, axis: int) -> int:
    return state_dict.size_of(arrays, key, axis, source, STYLEGAN2_TITLE)

  return architecture_hints.made(
    stylegan2.StyleGAN2,
    source,
    resolution=max(resolutions),
    channels=tuple(
      size(f'{synthesis}/{r}x{r}/{"Conv" if r == 4 else "Conv1"}/weight', 3)
      for r in resolutions
    ),
    latent_size=architecture_hints.check_latent(
      size('G_mapping/Dense0/weight', 0),
      size(f'{synthesis}/4x4/Conv/mod_weight', 0),
      source,
    ),
    mapping_layers=architecture_hints.count_layers(
      arrays, r'G_mapping/Dense([0-9]+)/'
    ),
    block=settings.get('architecture')
    or architecture_hints.block(
      arrays, f'{synthesis}/4x4/ToRGB/weight', f'{synthesis}/8x8/Skip/weight'
    ),
    conv_clamp=architecture_hints.clamp(settings.get('conv_clamp')),
  )


def _stylegan2_key(
  path: state_dict.Path, architecture: stylegan2.StyleGAN2
) -> tuple[str, str]:
  match path:
    case ('mapping', layer, *leaf):
      name = layer.replace('dense_', 'Dense')
      return arrays_to_generator.joined(
        f'G_mapping/{name}', leaf, _STYLEGAN2_CONV, '/'
      )
    case ('synthesis', _, 'const'):
      return 'G_synthesis/4x4/Const/const', '1chw'
  _, block, layer, *leaf = path
  r = block.removeprefix('block_')
  first = 'Conv' if r == '4' else 'Conv1'
  name, leaves = {
    'conv_0': ('Conv0_up', _STYLEGAN2_UP),
    'conv_1': (first, _STYLEGAN2_CONV),
    'to_rgb': ('ToRGB', _STYLEGAN2_RGB),
    'skip': ('Skip', _STYLEGAN2_RGB),
  }[layer]
  return arrays_to_generator.joined(
    f'G_synthesis/{r}x{r}/{name}', leaf, leaves, '/'
  )


STYLEGAN2 = arrays_to_generator.Naming(
  title=STYLEGAN2_TITLE,
  marker='G_synthesis/4x4/Conv/mod_weight',
  architecture=_stylegan2_architecture,
  key_of=_stylegan2_key,
  noise=lambda architecture: arrays_to_generator.noise_entries(
    architecture, 'G_synthesis/noise{}'
  ),
  w_avg='dlatent_avg',
  unused=r'(G_synthesis/)?lod',
)
