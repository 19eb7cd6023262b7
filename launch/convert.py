"""Converts checkpoints into folders that the other commands read, and back.

A generator is any published StyleGAN1 or StyleGAN2: an official .pkl
(TensorFlow, or StyleGAN2-ADA in PyTorch), a .pt of EditGAN's port, the
.for_g_all.pt of DatasetGAN's release, a .safetensors of ours or of any of
those. An interpreter is the release's model_0.pth, model_1.pth, ... Nothing
that a file contains is executed.

An --output that ends in .safetensors gets one file instead of a folder; an
interpreter of ours is written as the release's files.

Example:
  python -m launch.convert --input=network.pkl --describe
  python -m launch.convert --input=network.pkl --output=mine/generator
  python -m launch.convert --interpreter=release/car --schema=car_20 \\
    --rows=64,448 --generator=mine/generator --output=mine/interpreter
  python -m launch.convert --interpreter=mine/interpreter --output=as_release
"""

import contextlib
import pathlib
import time

import numpy as np
from absl import flags

from dgan_jax import api, errors, rng, storage, workdir
from dgan_jax.checkpoints import opening, pytrees, store
from dgan_jax.checkpoints.formats import npy
from dgan_jax.checkpoints.origins import release_files
from dgan_jax.generators import generator as generators
from dgan_jax.visualize import sheets
from launch import command, terminal

_SHEET = 'contact_sheet.png'

_INPUT = flags.DEFINE_string('input', None, 'Generator: a file or a folder.')
_DESCRIBE = flags.DEFINE_bool(
  'describe', False, 'Say what --input or --interpreter holds; write nothing.'
)
_AVG_LATENT = flags.DEFINE_string(
  'avg_latent', None, 'Mean latent, .npy, in place of what --input has.'
)
_NOISE = flags.DEFINE_string(
  'noise', None, 'Constant noise, .npz of noise0, noise1, ..., likewise.'
)
_NUM_IMAGES = flags.DEFINE_integer(
  'num_images', 8, 'Images on the sheet.', lower_bound=0, upper_bound=1000
)
_INTERPRETER = flags.DEFINE_string(
  'interpreter',
  None,
  'Folder of model_0.pth, model_1.pth, ... (or a pattern); or one of ours.',
)
_GENERATOR = flags.DEFINE_string(
  'generator', None, 'The generator that the interpreter belongs to.'
)
_SCHEMA = flags.DEFINE_string(
  'schema', None, 'What the interpreter labels: a schema name or .json file.'
)
_ROWS = flags.DEFINE_list(
  'rows', None, 'First and end row of the images it labels: 64,448 for cars.'
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'Folder to write, or a .safetensors file for a generator.'
)
flags.mark_flags_as_mutual_exclusive(['input', 'interpreter'], required=True)


def main() -> None:
  generator, interpreter = _INPUT.value, _INTERPRETER.value or ''
  if _DESCRIBE.value:
    print(opening.describe(opening.open_checkpoint(generator or interpreter)))
    return
  if _OUTPUT.value is None:
    raise errors.UserError('Say where to write: --output=FOLDER.')
  output = storage.path(_OUTPUT.value)
  if output.is_file() or (output.is_dir() and any(output.iterdir())):
    raise errors.UserError(f'{output} is not empty; give another --output.')
  # One file is written at once, a folder is not.
  single = output.suffix == '.safetensors'
  with contextlib.nullcontext() if single else workdir.use(output):
    if generator:
      _convert_generator(generator, output)
    elif pytrees.is_saved(storage.path(interpreter)):
      release_files.write_members(output, store.load_interpreter(interpreter))
      print(f"Written to {output}, in the layout of DatasetGAN's release.")
    else:
      _convert_interpreter(interpreter, output)


def _convert_generator(path: str, output: pathlib.Path) -> None:
  start = time.monotonic()
  avg_latent, noise = _AVG_LATENT.value, _NOISE.value
  opened = opening.open_checkpoint(path)
  generator = opening.generator(
    opened,
    avg_latent=npy.read_npy(avg_latent) if avg_latent else None,
    noise=npy.read_npz(noise) if noise else None,
  )
  print(opening.describe(opened))
  if avg_latent is None and opened.w_avg is None:
    print('The mean latent was computed, from 8,000 latents.')
  single = output.suffix == '.safetensors'
  api.save(output, generator)
  print(
    f'Checksum: {generators.checksum(generator)}\n'
    f'Written to {output} in {time.monotonic() - start:.1f} s.',
    flush=True,
  )
  if _NUM_IMAGES.value:
    sheet = output.with_suffix('.png') if single else output / _SHEET
    _draw_sheet(generator, sheet, _NUM_IMAGES.value)
    print(f'Look at {sheet}.')
  if not single:
    print(
      f'Next: {terminal.spoken("python -m launch.sample")} --workdir=paint '
      f'--config.generator={output} --config.schema=SCHEMA'
    )


def _draw_sheet(
  generator: generators.Generator, path: pathlib.Path, count: int
) -> None:
  """Samples 0, 1, ... as `launch.sample` draws them, on one picture."""
  with terminal.progress_line('images') as on_progress:
    drawn = api.sample(generator, count, on_progress=on_progress)
  keys = rng.key_from_data(drawn.key)
  sampling = generators.usual_sampling(generator)
  labels = generators.labels_of(generator, count, keys, sampling)
  classes = () if labels is None else np.asarray(labels)
  captions = [f'class {label}' for label in classes]
  sheet = sheets.contact_sheet(drawn.image, captions=captions)
  storage.write_bytes(path, sheets.png(sheet))


def _convert_interpreter(pattern: str, output: pathlib.Path) -> None:
  if _GENERATOR.value is None or _SCHEMA.value is None:
    raise errors.UserError(
      'An interpreter needs its generator and schema: --generator, --schema.'
    )
  generator = opening.load_generator(_GENERATOR.value)
  schema = api.load_schema(_SCHEMA.value)
  interpreter = api.load_interpreter(
    pattern, generator, schema=schema, rows=_rows()
  )
  api.save(output, interpreter)
  print(opening.describe(opening.open_checkpoint(output)))


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


if __name__ == '__main__':
  command.run(main)
