"""Any checkpoint file, told by its content and not by its name: what it is, and
what it holds as ours, converted and checked as a whole."""

import dataclasses
import itertools
import pathlib
from collections.abc import Mapping

import jax.numpy as jnp
import numpy as np

from dgan_jax import errors, rng, storage
from dgan_jax.checkpoints import description, generator_file, pytrees, store
from dgan_jax.checkpoints.formats import (
  byte_stream,
  safetensors_format,
  torch_format,
  untrusted,
)
from dgan_jax.checkpoints.origins import (
  arrays_to_generator,
  known_origins,
  naming,
  network_pickle,
  release_files,
)
from dgan_jax.checkpoints.origins import state_dict as state_dict_lib
from dgan_jax.generators import generator as generators

_NAMINGS = (
  known_origins.RELEASE,
  known_origins.TENSORFLOW1,
  known_origins.TENSORFLOW2,
  known_origins.ADA,
  known_origins.EDITGAN,
)
# Of several networks in a file the first of these that is there: averages.
_NETWORKS = ('Gs', 'G_ema', 'G')
_LICENCE = (
  "NVIDIA's own weights (StyleGAN, DatasetGAN, EditGAN) are for "
  'non-commercial use; other weights are under the terms of who trained them.'
)
_WITHOUT_CLAMP = (
  'The file does not say where activations were clamped; '
  f'{known_origins.ADA_CONV_CLAMP:g} is assumed, as StyleGAN2-ADA trains.'
)
_GREY = 'Its images are grey; here they have three equal channels.'

Opened = description.Opened
describe = description.describe


def open_checkpoint(path: storage.PathLike) -> Opened:
  """Opens a file or folder of any kind that we know.

  Raises:
    errors.UserError: it is of another kind, damaged, takes more to read than
      any real one, or is of a network that does something that ours does not.
  """
  path = storage.path(path)
  budget = untrusted.Budget()
  with untrusted.refusing(path):
    if torch_format.is_unpacked(path):
      return _open_torch(path, budget)
    if path.is_dir():
      return _open_folder(path, budget)
    head = bytes(byte_stream.map_file(path, budget)[:512])
    description.check_start(head, str(path))
    # A length, then JSON; no pickle has these bytes there.
    if head[6:9] == b'\0\0{' or path.suffix == '.safetensors':
      arrays, metadata = safetensors_format.read(path, budget)
      if generator_file.is_ours(metadata):
        made = generator_file.read(arrays, metadata, str(path))
        return _own(path, 'Our .safetensors file', made)
      return open_arrays(arrays, source=str(path), container='.safetensors')
    if network_pickle.is_network_pickle(head):
      return _open_networks(path, budget)
    return _open_torch(path, budget)


def load_generator(path: storage.PathLike) -> generators.Generator:
  """Reads a generator out of any file or folder that has all of it.

  Raises:
    errors.UserError: see `open_checkpoint`; or it is an interpreter, or a
      network without its mean latent, which takes converting.
  """
  opened = open_checkpoint(path)
  if opened.architecture is not None and opened.w_avg is None:
    raise errors.UserError(
      f'{path} has no mean latent; convert it first: python -m launch.convert '
      f'--input={path} --output=FOLDER (with --avg_latent=FILE.npy if there '
      'is one).'
    )
  return generator(opened)


def open_arrays(
  arrays: state_dict_lib.StateDict,
  settings: naming.Settings | None = None,
  *,
  source: str = 'The state dict',
  container: str = 'arrays',
) -> Opened:
  """Opens a state dict that has been read.

  Its keys may have any prefix, and there may be other networks under others.
  Settings are as of a `network_pickle.Network`; source and container are what
  to call it, and what it came in, for people.

  Raises:
    errors.UserError: see `open_checkpoint`.
  """
  found = [
    (key.removesuffix(origin.marker), origin)
    for key, origin in itertools.product(arrays, _NAMINGS)
    if f'.{key}'.endswith(f'.{origin.marker}')
  ]
  if not found:
    raise description.unknown_arrays(arrays, source)
  prefix, chosen = min(found, key=lambda f: ('ema' not in f[0].lower(), f[0]))
  own = [key for key in arrays if key.startswith(prefix)]
  network = {key.removeprefix(prefix): arrays[key] for key in own}
  others = {key.split('.')[0] for key in arrays if not key.startswith(prefix)}
  if chosen is known_origins.EDITGAN and 'latent_avg' in arrays:
    network['latent_avg'] = arrays['latent_avg']
    others.discard('latent_avg')
  stored = arrays_to_generator.read(chosen, network, settings, source)
  unclamped = chosen is known_origins.ADA and not settings
  return Opened(
    path=source,
    format=f'{chosen.title} ({container})',
    architecture=stored.architecture,
    params=stored.params,
    w_avg=stored.w_avg,
    noise=stored.noise,
    network=prefix.rstrip('.'),
    others=tuple(sorted(others)),
    remarks=(*[_WITHOUT_CLAMP] * unclamped, *[_GREY] * stored.grey, _LICENCE),
  )


def generator(
  opened: Opened,
  *,
  avg_latent: np.ndarray | None = None,
  noise: Mapping[str, np.ndarray] | None = None,
) -> generators.Generator:
  """The generator that was opened.

  Args:
    opened: by `open_checkpoint`.
    avg_latent: mean w, see `arrays_to_generator.w_avg_rows`; None takes the
      stored one, or else the mean over 8,000 latents.
    noise: maps, see `arrays_to_generator.noise_maps`; None takes those stored.

  Raises:
    errors.UserError: it is an interpreter, or one of these is of another
      network.
  """
  architecture = opened.architecture
  if architecture is None:
    raise errors.UserError(f'{opened.path} holds an interpreter, no generator.')
  if avg_latent is not None:
    w_avg = arrays_to_generator.w_avg_rows(avg_latent, architecture)
  elif opened.w_avg is not None:
    w_avg = opened.w_avg
  else:
    key = rng.stream(rng.root_key(0), 'w_avg')
    w_avg = generators.mean_w(architecture, opened.params, key=key)
  maps = opened.noise
  if noise is not None:
    maps = arrays_to_generator.noise_maps(noise, architecture)
  arrays = opened.params, jnp.asarray(w_avg), maps
  return generators.Generator(architecture, *arrays)


def _open_folder(path: pathlib.Path, budget: untrusted.Budget) -> Opened:
  if not pytrees.is_saved(path):
    paths = release_files.members_in(path)
    if not paths:
      raise untrusted.FormatError(description.unknown_folder(path))
    first = torch_format.read_checkpoint(paths[0], budget).state_dict
    return _open_members(first, str(path), len(paths))
  kind = pytrees.load_metadata(path).get('kind')
  if kind == 'generator':
    return _own(path, 'Our folder of a generator', store.load_generator(path))
  if kind == 'interpreter':
    return Opened(
      path=str(path),
      format='Our folder of an interpreter',
      interpreter=store.load_interpreter(path).spec,
    )
  raise untrusted.FormatError(
    f'holds a checkpoint of kind {untrusted.shown(kind)!r}; '
    f'{description.EXPECTED}.'
  )


def _own(path: pathlib.Path, kind: str, made: generators.Generator) -> Opened:
  arrays = {**made.arrays(), 'w_avg': np.asarray(made.w_avg)}
  return Opened(str(path), kind, made.architecture, **arrays)


def _open_networks(path: pathlib.Path, budget: untrusted.Budget) -> Opened:
  networks = network_pickle.read(path, budget)
  alone = list(networks)[:1] if len(networks) == 1 else []
  name = next((n for n in (*_NETWORKS, *alone) if n in networks), None)
  if name is None:
    held = ', '.join(f'{n} ({v.kind})' for n, v in networks.items())
    raise errors.UserError(
      f'{path} holds the networks {untrusted.shown(held, 160)}; expected one '
      f'of {", ".join(_NETWORKS)}.'
    )
  chosen = networks[name]
  opened = open_arrays(
    chosen.arrays,
    {**chosen.settings} or None,
    source=f'{path} ({untrusted.shown(name)})',
    container='pickled networks',
  )
  return dataclasses.replace(
    opened,
    path=str(path),
    network=name,
    others=tuple(n for n in networks if n != name),
  )


def _open_torch(path: pathlib.Path, budget: untrusted.Budget) -> Opened:
  checkpoint = torch_format.read_checkpoint(path, budget)
  arrays = dict(checkpoint.state_dict)
  if 'layers.0.weight' in state_dict_lib.without_prefix(arrays):
    return _open_members(arrays, str(path), 1)
  others = {key.split('.')[0] for key in checkpoint.beside}
  if 'latent_avg' in checkpoint.beside:
    arrays['latent_avg'] = checkpoint.beside['latent_avg']
    others.discard('latent_avg')
  settings = checkpoint.settings or None
  opened = open_arrays(
    arrays, settings, source=str(path), container='PyTorch file'
  )
  return dataclasses.replace(
    opened,
    network=opened.network or checkpoint.wrapper or '',
    others=tuple(sorted({*opened.others, *others})),
  )


def _open_members(
  state_dict: state_dict_lib.StateDict, source: str, members: int
) -> Opened:
  read = release_files.interpreter_from_release
  spec = read([state_dict], sources=[source]).spec
  return Opened(
    path=source,
    format=f'Interpreter of {known_origins.RELEASE_TITLE} (PyTorch)',
    interpreter=dataclasses.replace(spec, members=members),
  )
