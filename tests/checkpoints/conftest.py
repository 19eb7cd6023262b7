import pytest

from dgan_jax import errors


@pytest.fixture
def refusal(read):
  """The one line that a file is refused with; `read` is the test's own, and
  writes bytes to a file `made` to read it."""

  def refuse(data):
    with pytest.raises(errors.UserError) as error:
      read(data)
    message = str(error.value)
    assert 'made.' in message
    assert message.isprintable()
    return message

  return refuse
