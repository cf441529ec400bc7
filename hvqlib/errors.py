"""What goes wrong, said to the person at the keyboard."""

from __future__ import annotations


class InputError(ValueError):
    """Bad input, told to the person at the keyboard: what was wrong, where, what to do."""


class RunError(RuntimeError):
    """A run that cannot go on through no fault of its input: what happened, what is kept, what to do."""
