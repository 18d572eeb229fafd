"""What a user got wrong, as against what we did."""


class UserError(ValueError):
    """Input that can't be used. The message is one line: what was given, what would fit, what to do.

    The command line prints it without a traceback and exits with 2; any other exception is a bug of ours.
    """
