"""The two ways in which something fails, each told in a sentence to the person at the keyboard."""


class InputError(ValueError):
    """Report bad input: what was wrong, in which file or argument, what to do."""


class RunError(RuntimeError):
    """Report a run that cannot continue, although its input is fine: what happened, what is kept, what to do."""
