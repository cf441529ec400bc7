"""The two ways in which something fails, each told in a sentence to the person at the keyboard."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # as typing's, which takes longer to import than all of this
if TYPE_CHECKING:
    from collections.abc import Callable


# What torch and its libraries say where memory is short.
NO_MEMORY = ("out of memory", "not enough memory", "allocate memory", "could not allocate")


class InputError(ValueError):
    """Report bad input: what was wrong, in which file or argument, what to do."""


class RunError(RuntimeError):
    """Report a run that cannot continue, although its input is fine: what happened, what is kept, what to do."""


def exit_status(command: str, action: Callable[[], object], stopped: str) -> int:
    """Run the action of a command and return its exit status; an error is told in one sentence."""
    try:
        action()
        sys.stdout.flush()
        return 0
    except (InputError, RunError) as error:
        sentence, status = str(error), 2 if isinstance(error, InputError) else 1
    except BrokenPipeError:  # the reader, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        where = f" at '{error.filename}'" if error.filename else ""
        sentence, status = f"The system refused{where} ({error.strerror or error}): check that place, and try again.", 1
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not any(words in str(error).lower() for words in NO_MEMORY):
            raise
        why = str(error).strip().splitlines()[-1:] or ["MemoryError"]
        mend = "train with fewer --codes, or judge smaller images"
        sentence, status = f"This needs more memory than is free ({why[0]}): {mend}.", 1
    except KeyboardInterrupt:
        sentence, status = stopped, 1
    print(f"{command}: {sentence}", file=sys.stderr)
    return status
