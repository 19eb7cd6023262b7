"""What the known origins of checkpoints call the arrays of a StyleGAN."""

import re
from typing import Any

import numpy as np

from dgan_jax import errors
from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.checkpoints.origins import naming
from dgan_jax.generators import stylegan1, stylegan2

RELEASE_TITLE = "DatasetGAN's release"
# The clamp that StyleGAN2-ADA always trains with.
ADA_CONV_CLAMP = 256.0

_DENSE: naming.Leaves = {'kernel': ('weight', 'oi'), 'bias': ('bias', 'same')}
_CONST: naming.Leaves = {'const': ('const', '1chw'), 'bias': ('bias', 'same')}

# DatasetGAN's StyleGAN1.

_RELEASE = 'g_synthesis.blocks.{r}x{r}'
_RELEASE_CONV: naming.Leaves = {**_DENSE, 'kernel': ('weight', 'oihw')}
_RELEASE_RGB: naming.Leaves = {**_DENSE, 'kernel': ('weight', 'oi11')}
_RELEASE_EPILOGUE: naming.Leaves = {
  'noise_strength': ('top_epi.noise.weight', 'same'),
  'style.kernel': ('style_mod.lin.weight', 'oi'),
  'style.bias': ('style_mod.lin.bias', 'same'),
}

RELEASE = naming.Naming(
  title=f'StyleGAN1 of {RELEASE_TITLE}',
  kind=stylegan1.StyleGAN1,
  marker='g_synthesis.blocks.4x4.const',
  layers={
    'mapping.dense_{i}': ('g_mapping.dense{i}', _DENSE),
    'synthesis.to_rgb': ('g_synthesis.torgb', _RELEASE_RGB),
    'synthesis.block_{r}': (_RELEASE, _CONST),
    'synthesis.block_4.conv': ('g_synthesis.blocks.4x4.conv', _RELEASE_CONV),
    'synthesis.block_{r}.conv': (f'{_RELEASE}.conv1', _RELEASE_CONV),
    'synthesis.block_{r}.conv_up': (f'{_RELEASE}.conv0_up', _RELEASE_CONV),
    'synthesis.block_{r}.epilogue_{i}': (
      f'{_RELEASE}.epi{{i}}',
      _RELEASE_EPILOGUE,
    ),
  },
  blocks=r'g_synthesis\.blocks\.([0-9]{1,5})x\1\.',
  # Upsampling's, which is kept as a buffer.
  blurs=(f'{_RELEASE}.conv0_up.intermediate.kernel',),
  blur=np.outer((1, 2, 1), (1, 2, 1)).astype(np.float32)[None, None] / 16,
)

# The official TensorFlow code, whose layouts are ours. Its StyleGAN2 mirrors
# kernels of upsampling convolutions, and stores the biases of styles less one.

_SAME: naming.Leaves = {'kernel': ('weight', 'same'), 'bias': ('bias', 'same')}
_MODULATED: naming.Leaves = {
  **_SAME,
  'noise_strength': ('noise_strength', 'same'),
  'style.kernel': ('mod_weight', 'same'),
  'style.bias': ('mod_bias', 'less_one'),
}
_MIRRORED: naming.Leaves = {**_MODULATED, 'kernel': ('weight', 'hwio_mirrored')}
_RGB: naming.Leaves = {**_MODULATED, 'kernel': ('weight', '11io')}
_BLOCK = 'G_synthesis/{r}x{r}'
_EPILOGUE: naming.Leaves = {
  'noise_strength': ('Noise/weight', 'same'),
  'style.kernel': ('StyleMod/weight', 'same'),
  'style.bias': ('StyleMod/bias', 'same'),
}
_TENSORFLOW: dict[str, Any] = {
  'blocks': r'G_synthesis/([0-9]{1,5})x\1/',
  'noise_key': 'G_synthesis/noise{n}',
  'w_avg': 'dlatent_avg',
  'conditional': r'(^|/)Label(Concat|Embed)/',
}
_TENSORFLOW_STANDARD = {
  'normalize_latents': (True,),
  r'(mapping_)?nonlinearity': ('lrelu',),
  'mapping_lrmul': (0.01,),
}


def _official_options(settings: naming.Settings, source: str) -> dict[str, Any]:
  # Output resolution from which upsampling is fused, see `StyleGAN1`.
  choices = {'auto': 128, True: 8, False: 2048}
  setting = settings.get('fused_scale', 'auto')
  if setting not in choices:
    raise errors.UserError(
      f'{source} has fused_scale = {untrusted.shown(setting)}; expected auto, '
      'True or False.'
    )
  return {'fused_from': choices[setting], 'instance_norm_eps': 1e-8}


TENSORFLOW1 = naming.Naming(
  title='StyleGAN1 in the official TensorFlow code',
  kind=stylegan1.StyleGAN1,
  marker='G_synthesis/4x4/Const/StyleMod/weight',
  layers={
    'mapping.dense_{i}': ('G_mapping/Dense{i}', _SAME),
    'synthesis.to_rgb': ('G_synthesis/ToRGB_lod0', _RGB),
    'synthesis.block_4': ('G_synthesis/4x4/Const', _CONST),
    'synthesis.block_{r}': (f'{_BLOCK}/Conv0_up', _SAME),
    'synthesis.block_4.conv': ('G_synthesis/4x4/Conv', _SAME),
    'synthesis.block_{r}.conv': (f'{_BLOCK}/Conv1', _SAME),
    'synthesis.block_{r}.conv_up': (f'{_BLOCK}/Conv0_up', _SAME),
    'synthesis.block_4.epilogue_1': ('G_synthesis/4x4/Const', _EPILOGUE),
    'synthesis.block_4.epilogue_2': ('G_synthesis/4x4/Conv', _EPILOGUE),
    'synthesis.block_{r}.epilogue_1': (f'{_BLOCK}/Conv0_up', _EPILOGUE),
    'synthesis.block_{r}.epilogue_2': (f'{_BLOCK}/Conv1', _EPILOGUE),
  },
  # Of the resolutions that training passed through.
  unused=r'lod|G_synthesis/(lod|ToRGB_lod[1-9][0-9]*/(weight|bias))',
  standard={
    **_TENSORFLOW_STANDARD,
    'label_size': (0,),
    r'(mapping_)?use_wscale': (True,),
    'const_input_layer': (True,),
    r'use_(styles|noise|instance_norm)': (True,),
    'use_pixel_norm': (False,),
  },
  options=_official_options,
  **_TENSORFLOW,
)


def _stated(block: Any, clamp: Any) -> dict[str, Any]:
  """What settings say of a StyleGAN2; arrays show the block without them."""
  fields = {'conv_clamp': float(clamp) if type(clamp) is int else clamp}
  return {**fields, 'block': block} if block else fields


TENSORFLOW2 = naming.Naming(
  title='StyleGAN2 in the official TensorFlow code',
  kind=stylegan2.StyleGAN2,
  marker='G_synthesis/4x4/Conv/mod_weight',
  layers={
    'mapping.dense_{i}': ('G_mapping/Dense{i}', _SAME),
    'synthesis.block_4': ('G_synthesis/4x4/Const', _CONST),
    'synthesis.block_4.conv_1': ('G_synthesis/4x4/Conv', _MODULATED),
    'synthesis.block_{r}.conv_0': (f'{_BLOCK}/Conv0_up', _MIRRORED),
    'synthesis.block_{r}.conv_1': (f'{_BLOCK}/Conv1', _MODULATED),
    'synthesis.block_{r}.to_rgb': (f'{_BLOCK}/ToRGB', _RGB),
    'synthesis.block_{r}.skip': (f'{_BLOCK}/Skip', _RGB),
  },
  unused=r'(G_synthesis/)?lod',
  standard={
    **_TENSORFLOW_STANDARD,
    # of the original, and of StyleGAN2-ADA in TensorFlow
    r'synthesis\.build_func_name': ('G_synthesis_stylegan2', 'G_synthesis'),
    'num_channels': (1, 3),
  },
  options=lambda settings, _: _stated(
    settings.get('architecture'), settings.get('conv_clamp')
  ),
  **_TENSORFLOW,
)

# StyleGAN2-ADA in PyTorch.

_FILTER = np.outer((1, 3, 3, 1), (1, 3, 3, 1)).astype(np.float32) / 64
_ADA_CONV: naming.Leaves = {
  'kernel': ('weight', 'oihw'),
  'bias': ('bias', 'same'),
  'noise_strength': ('noise_strength', 'same'),
  'style.kernel': ('affine.weight', 'oi'),
  'style.bias': ('affine.bias', 'same'),
}
_ADA_FILTERED = ('4', '4.conv1', '{r}', '{r}.conv0', '{r}.conv1', '{r}.skip')
_ADA_RGB: naming.Leaves = {**_ADA_CONV, 'kernel': ('weight', 'oi11')}


def _ada_options(settings: naming.Settings, source: str) -> dict[str, Any]:
  """Settings of every block, or the same as an argument of the network."""

  def only(pattern: str) -> Any:
    name = pattern.rpartition('.')[2]
    key = (
      rf'synthesis\.b[0-9]+\.{pattern}|_init_kwargs\.synthesis_kwargs\.{name}'
    )
    found = {v for k, v in settings.items() if re.fullmatch(key, k)}
    if len(found) > 1:
      shown = ', '.join(sorted(map(untrusted.shown, found)))
      raise errors.UserError(
        f'{source} has a network whose layers differ in {name} ({shown}); '
        'expected one for all.'
      )
    return found.pop() if found else None

  clamp = only(r'(conv[01]|torgb)\.conv_clamp') if settings else ADA_CONV_CLAMP
  return _stated(only('architecture'), clamp)


ADA = naming.Naming(
  title='StyleGAN2-ADA in PyTorch',
  kind=stylegan2.StyleGAN2,
  marker='synthesis.b4.const',
  layers={
    'mapping.dense_{i}': ('mapping.fc{i}', _DENSE),
    'mapping.embed': ('mapping.embed', _DENSE),
    'synthesis.block_4': ('synthesis.b4', {'const': ('const', 'chw')}),
    'synthesis.block_{r}.conv_{i}': ('synthesis.b{r}.conv{i}', _ADA_CONV),
    'synthesis.block_{r}.to_rgb': ('synthesis.b{r}.torgb', _ADA_RGB),
    'synthesis.block_{r}.skip': ('synthesis.b{r}.skip', _ADA_RGB),
  },
  blocks=r'synthesis\.b([0-9]{1,5})\.',
  noise_key='synthesis.b{r}.conv{i}.noise_const',
  noise_layout='1hw1',
  w_avg='mapping.w_avg',
  blurs=[f'synthesis.b{layer}.resample_filter' for layer in _ADA_FILTERED],
  blur=_FILTER,
  standard={
    r'mapping\.fc[0-9]+\.activation': ('lrelu',),
    r'mapping\.fc[0-9]+\.bias_gain': (0.01,),
    r'mapping\.embed\.activation': ('linear',),
    r'mapping\.embed\.bias_gain': (1,),
    r'synthesis\.b[0-9]+\.conv[01]\.activation': ('lrelu',),
    r'synthesis\.b[0-9]+\.conv[01]\.use_noise': (True,),
    r'synthesis\.b[0-9]+\.conv0\.up': (2,),
    r'synthesis\.b[0-9]+\.conv1\.up': (1,),
  },
  options=_ada_options,
)

# The community's port that EditGAN uses.

_PORT_CONV: naming.Leaves = {
  'kernel': ('conv.weight', '1oihw'),
  'bias': ('activate.bias', 'same'),
  'noise_strength': ('noise.weight', '1'),
  'style.kernel': ('conv.modulation.weight', 'oi'),
  'style.bias': ('conv.modulation.bias', 'same'),
}
_PORT_RGB: naming.Leaves = {
  **_PORT_CONV,
  'kernel': ('conv.weight', '1oi11'),
  'bias': ('bias', '1c11'),
}

EDITGAN = naming.Naming(
  title='StyleGAN2 of EditGAN and rosinality',
  kind=stylegan2.StyleGAN2,
  marker='input.input',
  layers={
    'mapping.dense_{i}': ('style.{next}', _DENSE),  # style.0: the pixel norm
    'synthesis.block_4': ('input', {'const': ('input', '1chw')}),
    'synthesis.block_4.conv_1': ('conv1', _PORT_CONV),
    'synthesis.block_{r}.conv_{i}': ('convs.{conv}', _PORT_CONV),
    'synthesis.block_4.to_rgb': ('to_rgb1', _PORT_RGB),
    'synthesis.block_{r}.to_rgb': ('to_rgbs.{up}', _PORT_RGB),
  },
  blocks=r'convs\.([0-9]{1,3})\.',
  counted=True,
  noise_key='noises.noise_{n}',
  w_avg='latent_avg',  # beside the state dict in the file
  blurs=('convs.{conv}.conv.blur.kernel', 'to_rgbs.{up}.upsample.kernel'),
  blur=4 * _FILTER,  # with the gain of twice upsampling
)
