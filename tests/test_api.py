"""The public API: its examples, the README's notebook, what it refuses."""

import dataclasses
import doctest
import os
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

import dgan_jax as dg
from dgan_jax import api, rng, schema
from dgan_jax.api import interpreters, making, reading
from dgan_jax.factory import labeller, run, source
from dgan_jax.generators import generator as generators
from dgan_jax.interpreter import ensemble, training
from tests import small

_README = pathlib.Path(__file__).parents[1] / 'README.md'


@pytest.fixture(scope='module')
def examples(tmp_path_factory):
  """The examples of the docstrings, run from top to bottom: (names made, what
  failed, functions that have some)."""
  find = doctest.DocTestFinder().find
  found = [
    test
    for module in (reading, interpreters, making)
    for test in sorted(find(module, 'api'), key=lambda test: test.lineno or 0)
    if test.examples
  ]
  names, failures = {'dg': dg}, []
  before = pathlib.Path.cwd()
  os.chdir(tmp_path_factory.mktemp('examples'))
  try:
    for test in found:
      test.globs = names
      runner = doctest.DocTestRunner()
      runner.run(test, out=failures.append, clear_globs=False)
  finally:
    os.chdir(before)
  return names, ''.join(failures), {test.name for test in found}


def test_the_examples_of_the_docstrings_give_what_they_say(examples):
  _, failures, tested = examples
  assert not failures, failures
  public = {name: getattr(dg, name) for name in dg.__all__}
  functions = {f'api.{k}' for k, v in public.items() if not isinstance(v, type)}
  assert functions == tested


def test_the_notebook_of_the_readme_runs(examples, tmp_path, monkeypatch):
  """With fewer members, steps and samples."""
  names, *_ = examples
  (notebook,) = re.findall(
    r'```python\n(import dgan_jax as dg\n.*?)```',
    _README.read_text(),
    re.DOTALL,
  )
  assert notebook.count('\n') <= 12
  shown = []
  generate = api.generate
  monkeypatch.setattr(
    api, 'train_interpreter', lambda *args, **kwargs: names['interpreter']
  )
  monkeypatch.setattr(
    api, 'generate', lambda g, i, n, **rest: generate(g, i, 10, **rest)
  )
  monkeypatch.setattr(Image.Image, 'show', lambda sheet: shown.append(sheet))
  monkeypatch.chdir(tmp_path)
  made = {}
  exec(notebook, made)
  assert len(shown) == 1
  assert made['data'][0]['image'].shape == (64, 64, 3)


@pytest.fixture(scope='module')
def toy():
  """A generator, an interpreter of it, and 3 samples that it labelled."""
  generator = small.generator()
  architecture = generator.architecture
  interpreter = small.interpreter(architecture.feature_channels)
  return generator, interpreter, dg.label(generator, interpreter, 3, seed=5)


def test_samples_by_index_are_those_of_the_factory(toy):
  generator, interpreter, _ = toy
  labelled = dg.label(generator, interpreter, indices=[6, 1], seed=5)
  drawn = source.GeneratorSource(
    generator, generators.usual_sampling(generator)
  )
  make = labeller.labeller(drawn, interpreter, 4)
  for row, one in enumerate(make(rng.root_key(5), [6, 1])):
    assert labelled.index[row] == one.index
    np.testing.assert_array_equal(labelled.image[row], one.image)
    np.testing.assert_array_equal(labelled.mask[row], one.labels['mask'])
    assert labelled.score[row] == np.float32(one.score)


@pytest.mark.parametrize('said', ['keys', 'key data', 'z', 'ws'])
def test_samples_are_the_same_however_it_is_said_which(toy, said):
  generator, interpreter, samples = toy
  usual = generators.usual_sampling(generator)
  ways = {
    'keys': {'keys': rng.key_from_data(samples.key)},
    'key data': {'keys': samples.key},
    'z': {'z': samples.latent},
    'ws': {'ws': generators.styles(generator, samples.latent, usual, 'z')},
  }
  again = dg.label(generator, interpreter, **ways[said])
  assert np.abs(again.image.astype(int) - samples.image).max() <= 1
  assert (again.mask == samples.mask).mean() > 0.99
  assert again.index is None


def test_one_w_is_that_of_every_layer(toy):
  generator, _, samples = toy
  w = generator.architecture.map(generator.params, samples.latent[:1], None)
  every = np.repeat(w[:, None], generator.architecture.num_ws, axis=1)
  one, same = dg.sample(generator, ws=w), dg.sample(generator, ws=every)
  assert np.abs(one.image.astype(int) - same.image).max() <= 1


def test_images_alone_are_those_that_are_labelled(toy):
  generator, _, samples = toy
  drawn = dg.sample(generator, range(3), seed=5)
  difference = drawn.image.astype(int) - samples.image
  assert np.abs(difference).max() <= 1
  np.testing.assert_array_equal(drawn.key, samples.key)
  assert not drawn.labels
  assert drawn.sheet().size[0] < samples.sheet().size[0]


def test_random_noise_comes_from_the_keys(toy):
  generator, _, samples = toy
  noisy = dg.sampling(generator, noise='random')
  first = dg.sample(generator, 2, sampling=noisy)
  by_z = {'z': first.latent, 'sampling': noisy}
  same = dg.sample(generator, keys=first.key, **by_z)
  other = dg.sample(generator, keys=samples.key[1:], **by_z)
  np.testing.assert_array_equal(same.image, first.image)
  assert (other.image != first.image).any()


def test_some_of_the_samples_keep_all_that_is_known_of_them(toy):
  *_, samples = toy
  for rows in (1, -2, slice(1, 2), np.array([False, True, False])):
    one = samples[rows]
    assert len(one) == 1
    assert one.index.tolist() == [1]
    np.testing.assert_array_equal(one.mask[0], samples.mask[1])
  assert samples[:2]._repr_png_().startswith(b'\x89PNG')


@pytest.mark.parametrize(
  ('said', 'complaint'),
  [
    ({}, r"drawn is \[\]; expected one of 'indices', 'keys', 'z', 'ws'"),
    ({'indices': 2, 'z': np.zeros((2, 8))}, r"drawn is \['indices', 'z'\]"),
    ({'indices': 0}, 'indices is 0; expected whole numbers from 0'),
    ({'indices': [1, -1]}, r'indices is \[1, -1\]'),
    ({'indices': [2**32]}, 'below 2'),
    ({'z': np.zeros(8)}, r'the shape of z is \[8\]; expected \[n, 8\]'),
    ({'z': np.zeros((2, 6, 8))}, r'is \[2, 6, 8\]; expected \[n, 8\]'),
    ({'ws': np.zeros((2, 5, 8))}, r'expected \[n, 8\] or \[n, 6, 8\]'),
    ({'keys': np.zeros((2, 2))}, r'keys is .float64 \[2, 2\]'),
    ({'keys': np.zeros((2, 2), np.uint32), 'z': np.zeros((3, 8))}, 'keys is'),
  ],
)
def test_what_cannot_be_drawn_is_refused(toy, said, complaint):
  generator, interpreter, _ = toy
  for draw in (dg.sample, lambda g, **x: dg.label(g, interpreter, **x)):
    with pytest.raises(dg.UserError, match=complaint):
      draw(generator, **said)


def test_an_interpreter_of_another_generator_is_refused(toy):
  _, interpreter, _ = toy
  other = small.generator(channels=(6, 5, 5))
  with pytest.raises(dg.UserError, match='feature channels'):
    dg.label(other, interpreter, 1)


@pytest.mark.parametrize(
  ('call', 'complaint'),
  [
    (lambda g, i: dg.sampling(g, truncation_psi=9), r'truncation_psi is 9'),
    (lambda g, i: dg.sampling(g, psi=1), 'psi'),
    (lambda g, i: dg.train_interpreter(g, i, steps=0), 'steps is 0'),
    (lambda g, i: dg.load_annotations('x', g, task='boxes'), "'boxes'"),
    (lambda g, i: dg.load_interpreter('nowhere'), 'nowhere'),
    (lambda g, i: dg.save('x', g.w_avg), 'expected a generator'),
    (
      lambda g, i: dg.generate(g, i, 0, name='a/b', data_dir='x'),
      'num_samples is 0',
    ),
    (
      lambda g, i: dg.generate(g, i, 1, name='cars', data_dir='x'),
      "name is 'cars'; expected NAME/CONFIG",
    ),
  ],
)
def test_what_makes_no_sense_is_refused(toy, call, complaint):
  generator, interpreter, _ = toy
  with pytest.raises(dg.UserError, match=complaint):
    call(generator, interpreter)


def test_a_saved_generator_is_read_from_a_folder_and_from_a_file(toy, tmp_path):
  generator, *_ = toy
  for name in ('folder', 'file.safetensors'):
    dg.save(tmp_path / name, generator)
    found = dg.load_generator(tmp_path / name)
    assert generators.checksum(found) == generators.checksum(generator)


@pytest.mark.parametrize(
  'kind',
  [
    *(dg.Samples, generators.Generator, generators.Sampling, schema.Schema),
    *(ensemble.Interpreter, ensemble.InterpreterSpec),
    *(training.TrainingOptions, run.FactoryOptions),
  ],
)
def test_help_says_what_every_field_is(kind):
  described = (kind.__doc__ or '').partition('Attributes:')[2]
  for field in dataclasses.fields(kind):
    assert f'    {field.name}: ' in described, field.name
