import re

import pytest

from tests import mutations


@pytest.mark.parametrize('path', sorted({x.path for x in mutations.MUTATIONS}))
def test_every_mutation_changes_a_line_that_is_there_and_has_its_test(path):
  for mutation in mutations.MUTATIONS:
    if mutation.path == path:
      _, wrong = mutations.mutated(mutations.ROOT, mutation)
      assert mutation.wrong in wrong
      file, _, name = mutation.test.partition('::')
      tests = (mutations.ROOT / 'tests' / file).read_text()
      assert re.search(rf'^def {name}\(', tests, re.MULTILINE), mutation


def test_a_line_that_is_not_there_once_is_named():
  mutation = mutations.Mutation('rng.py', 'key', 'keys', '')
  with pytest.raises(ValueError, match=r"rng.py has 'key' \d+ times"):
    mutations.mutated(mutations.ROOT, mutation)
