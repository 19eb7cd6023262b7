"""Converts a published checkpoint into a folder that the other commands read.

A generator is the state dict of DatasetGAN's release (*.for_g_all.pt) with its
mean latent; an interpreter is the release's model_0.pth, model_1.pth, ...
Nothing that the files contain is executed.

Example:
  python -m launch.convert --input=car.for_g_all.pt \\
    --avg_latent=avg_latent_stylegan1.npy --output=/tmp/car/generator
  python -m launch.convert --interpreter=release/car --schema=car_20 \\
    --rows=64,448 --generator=/tmp/car/generator --output=/tmp/car/interpreter
"""

import pathlib
from collections.abc import Sequence

import jax
from absl import flags

from dgan_jax import errors, schema
from dgan_jax.checkpoints import numpy_format, release, store, torch_format
from dgan_jax.generators import generator as generators
from launch import command

_INPUT = flags.DEFINE_string('input', None, 'Generator: a .for_g_all.pt file.')
_AVG_LATENT = flags.DEFINE_string('avg_latent', None, 'Its mean latent, .npy.')
_NOISE = flags.DEFINE_string(
  'noise',
  None,
  'Its constant noise, if it has any: .npz of noise0, noise1, ...',
)
_INTERPRETER = flags.DEFINE_string(
  'interpreter', None, 'Folder of model_0.pth, model_1.pth, ...; or a pattern.'
)
_GENERATOR = flags.DEFINE_string(
  'generator', None, 'Converted generator that the interpreter belongs to.'
)
_SCHEMA = flags.DEFINE_string(
  'schema', None, 'What the interpreter labels: a schema name or .json file.'
)
_ROWS = flags.DEFINE_list(
  'rows', None, 'First and end row of the images it labels: 64,448 for cars.'
)
_OUTPUT = flags.DEFINE_string('output', None, 'Folder to write.', required=True)


def main(argv: Sequence[str]) -> None:
  if len(argv) > 1:
    raise errors.UserError(f'Unexpected argument {argv[1]!r}; see --help.')
  if (_INPUT.value is None) == (_INTERPRETER.value is None):
    raise errors.UserError('Give either --input or --interpreter; see --help.')
  output = pathlib.Path(_OUTPUT.value)
  if output.exists() and not (output.is_dir() and not any(output.iterdir())):
    raise errors.UserError(f'{output} is not empty; give another --output.')
  if _INPUT.value is not None:
    _convert_generator(_INPUT.value, output)
  if _INTERPRETER.value is not None:
    _convert_interpreter(_INTERPRETER.value, output)
  print(f'Written to {output}.')


def _convert_generator(path: str, output: pathlib.Path) -> None:
  if _AVG_LATENT.value is None:
    raise errors.UserError('A generator needs its mean latent: --avg_latent.')
  state_dict = torch_format.read(path)
  w_avg = numpy_format.read_npy(_AVG_LATENT.value)
  noise = numpy_format.read_npz(_NOISE.value) if _NOISE.value else None
  generator = release.generator_from_release(
    state_dict, w_avg, noise, source=path
  )
  made = generator.architecture
  print(
    f'Generator: StyleGAN1, {made.resolution} px, channels {made.channels}, '
    f'latent {made.latent_size}, {_count(generator.params):,} parameters.\n'
    f'Mean latent: {w_avg.shape}, of which {made.num_ws} rows are used.\n'
    f'Noise: {len(noise) if noise else "no"} constant maps.\n'
    f'Checksum: {generators.checksum(generator)}.'
  )
  store.save_generator(output, generator)


def _convert_interpreter(pattern: str, output: pathlib.Path) -> None:
  if _GENERATOR.value is None or _SCHEMA.value is None:
    raise errors.UserError(
      'An interpreter needs its generator and schema: --generator, --schema.'
    )
  interpreter = release.interpreter_for(
    store.load_generator(_GENERATOR.value),
    schema.get_schema(_SCHEMA.value),
    release.member_files(pattern),
    rows=_rows(),
  )
  spec = interpreter.spec
  print(
    f'Interpreter: {spec.members} members, {spec.num_features} features, '
    f'hidden {spec.hidden}, {spec.num_classes} classes of {spec.schema_name}, '
    f'{_count(interpreter.params):,} parameters.'
  )
  store.save_interpreter(output, interpreter)


def _rows() -> tuple[int, int] | None:
  if _ROWS.value is None:
    return None
  try:
    first, end = map(int, _ROWS.value)
  except ValueError:
    raise errors.UserError(
      f'--rows={",".join(_ROWS.value)} is not two numbers such as 64,448.'
    ) from None
  return first, end


def _count(params: object) -> int:
  return sum(leaf.size for leaf in jax.tree.leaves(params))


if __name__ == '__main__':
  command.run(main)
