"""What a user got wrong, as against what we did."""


class UserError(ValueError):
    """Input that can't be used. The message is one line: what was given, what would fit, what to do.

    The command line prints it without a traceback and exits with 2; any other exception is a bug of ours.
    """


class AbsentError(UserError, AttributeError):
    """A name that is not there, with what to use in its place: `hasattr` is false for it."""


class NotImportableError(UserError, ImportError):
    """The same for a module's name: an AttributeError's message gets lost in `from module import name`."""
