"""What a checkpoint holds, as data and in lines for people."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from dgan_jax.checkpoints.formats import untrusted
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble


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
