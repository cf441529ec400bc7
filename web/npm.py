"""Install what package-lock.json names, for the explainer, the slides and the tests of the site.

python web/npm.py
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from filelock import FileLock

from hvqlib.errors import InputError

WEB = Path(__file__).parent
BUILD = WEB.parent / "build"


def install() -> None:
    """Install what package-lock.json names, where it is not there yet; raises InputError where that fails."""
    BUILD.mkdir(exist_ok=True)
    with FileLock(BUILD / "npm.lock"):
        lock, done = WEB / "package-lock.json", WEB / "node_modules" / ".lock"  # what was installed
        if done.exists() and done.read_bytes() == lock.read_bytes():
            return
        npm = shutil.which("npm")
        if not npm:
            raise InputError("Explainer and slides are built with npm: install Node.js (Debian: apt-get install npm).")
        ran = subprocess.run([npm, "ci", "--ignore-scripts"], cwd=WEB, capture_output=True, text=True)
        if ran.returncode:
            raise InputError(f"npm ci failed in {WEB}:\n{ran.stderr}")
        done.write_bytes(lock.read_bytes())


if __name__ == "__main__":
    install()
