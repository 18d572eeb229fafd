"""What a user got wrong, as against what we did."""


def printable(text: str) -> str:
    r"""The text on one line, with every character that a terminal might obey written out.

    >>> printable("two\nlines \x1b[31m")
    'two\\nlines \\x1b[31m'
    """
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)


class UserError(ValueError):
    """Input that can't be used. The message is one line: what was given, what would fit, what to do.

    The command line prints it without a traceback and exits with 2; any other exception is a bug of ours.
    Names out of a file may be put into it as they are.
    """

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class AbsentError(UserError, AttributeError):
    """A name that is not there, with what to use in its place: `hasattr` is false for it."""


class NotImportableError(UserError, ImportError):
    """The same for a module's name: an AttributeError's message gets lost in `from module import name`."""
