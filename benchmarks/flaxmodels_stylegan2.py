"""Another StyleGAN2 in JAX to compare with: flaxmodels, the forward pass.

Needs `pip install flaxmodels`. Version 0.1.3 names an argument of
`jnp.reshape` as JAX no longer does; it is given one that knows the name, and
is otherwise called as it is.
"""

import types
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from dgan_jax.generators import generator as generators
from dgan_jax.generators import stylegan2


def forward(
  generator: generators.Generator,
) -> tuple[Callable[[Any, Any], Any], Any]:
  """The same network under flaxmodels, of a StyleGAN2 of config f's channels,
  at the same or a smaller maximum, with skip connections and noise maps.

  Returns:
    (variables, z [batch, latent_size]) -> rgb, untruncated, to be compiled;
    and the variables.
  """
  import flaxmodels.stylegan2 as theirs

  reshape = {'reshape': lambda x, newshape: jnp.reshape(x, newshape)}
  theirs.ops.jnp = types.SimpleNamespace(**vars(jnp) | reshape)
  architecture = generator.architecture
  assert isinstance(architecture, stylegan2.StyleGAN2)
  last = architecture.channels[-1]
  mapping = theirs.MappingNetwork(
    z_dim=architecture.latent_size,
    w_dim=architecture.latent_size,
    layer_features=architecture.latent_size,
    num_ws=architecture.num_ws,
    num_layers=architecture.mapping_layers,
  )
  synthesis = theirs.SynthesisNetwork(
    resolution=architecture.resolution,
    w_dim=architecture.latent_size,
    fmap_base=last * architecture.resolution // 2,
    fmap_max=architecture.channels[0],
    clip_conv=architecture.conv_clamp,
  )

  def run(variables: Any, z: Any) -> Any:
    ws = mapping.apply(variables[0], z, train=False)
    return synthesis.apply(variables[1], ws, noise_mode='const')

  return run, _variables(generator)


def _variables(generator: generators.Generator) -> tuple[Any, Any]:
  """A generator's weights as flaxmodels lays them out."""
  mapping, synthesis = (generator.params[k] for k in ('mapping', 'synthesis'))
  dense = {
    f'LinearLayer_{i}': _dense(mapping[f'dense_{i}'])
    for i in range(len(mapping))
  }
  maps = iter(generator.noise or ())
  params = {'const': synthesis['block_4']['const'][None]}
  noise = {}
  for i, size in enumerate(generator.architecture.resolutions):
    block = synthesis[f'block_{size}']
    names = [name for name in ('conv_0', 'conv_1') if name in block]
    params[f'SynthesisBlock_{i}'] = {
      # Upsampling kernels are oriented as TensorFlow's.
      f'SynthesisLayer_{j}': _layer(block[name], flip=name == 'conv_0')
      for j, name in enumerate(names)
    } | {'ToRGBLayer_0': _layer(block['to_rgb'])}
    noise[f'SynthesisBlock_{i}'] = {
      f'SynthesisLayer_{j}': {'noise_const': next(maps)}
      for j in range(len(names))
    }
  return (
    {'params': dense, 'moving_stats': {'w_avg': generator.w_avg[0]}},
    {'params': params, 'noise_consts': noise},
  )


def _layer(layer: Any, flip: bool = False) -> Any:
  kernel = layer['kernel']
  if flip:
    kernel = kernel[::-1, ::-1]
  strength = layer.get('noise_strength')
  return {
    'weight': kernel if kernel.ndim == 4 else kernel[None, None],
    'bias': layer['bias'],
    # A one is added to the bias of a style.
    'LinearLayer_0': _dense(layer['style'], bias=-1),
  } | ({} if strength is None else {'noise_strength': strength})


def _dense(layer: Any, bias: float = 0) -> Any:
  return {'weight': layer['kernel'], 'bias': layer['bias'] + bias}
