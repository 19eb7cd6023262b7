"""The one exception that speaks to the person at the keyboard."""


class UserError(ValueError):
  """Something the user can mend.

  The message is one line that says what was found and where, what would have
  been right, and what to do. `launch/` prints it and exits with status 2.
  """
