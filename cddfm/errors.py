"""The one exception that reaches a user as a sentence."""


class UserError(Exception):
    """Something the user can mend: the message says what was wrong, with the value, and what to do next."""
