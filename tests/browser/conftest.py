"""A real JupyterLab, started on a copy of the notebooks, the site, and Debian's Chromium to look at both."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(__file__).parent / "screenshots"
SETTINGS = {
    # Every cell is on the page, so that its output can be looked at.
    "@jupyterlab/notebook-extension/tracker.jupyterlab-settings": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false", "checkForUpdates": False},
}


def chromium() -> str:
    """The browser; installed where this process may."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    if shutil.which("apt-get") and os.geteuid() == 0:
        subprocess.run(["apt-get", "update", "-qq"], check=True)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=True, stdout=subprocess.DEVNULL)
        return chromium()
    pytest.exit("The browser tests need Chromium: install it (Debian: apt-get install chromium) and run again.", 2)


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # once, before there are workers
        chromium()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a JupyterLab (loopback, token on); `{}` in it is the notebook's file name."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", home / "notebooks")
    for name, settings in SETTINGS.items():
        path = home / "settings" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1"]
    options = [f"--ServerApp.port={port}", f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={home}"]
    options += [
        "--LabApp.expose_app_in_browser=True",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    environment = {**os.environ, "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"), "JUPYTER_PREFER_ENV_PATH": "1"}
    with (home / "log").open("w") as log:
        server = subprocess.Popen([*command, *options], stdout=log, stderr=log, env=environment, cwd=home)
    try:
        for _ in range(240):
            assert server.poll() is None, (home / "log").read_text()
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={token}", timeout=5)
                break
            except OSError:
                time.sleep(0.25)
        yield f"http://127.0.0.1:{port}/lab/tree/notebooks/{{}}?token={token}&reset"
    finally:
        server.terminate()
        server.wait(30)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser; one for all tests of a process, for Playwright starts once in each."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"])
        SCREENSHOTS.mkdir(exist_ok=True)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def page(browser: Browser) -> Page:
    """A page that may speak to this machine alone."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    outside = lambda url: not url.startswith(("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:"))  # noqa: E731
    page.route(outside, lambda route: route.abort())
    return page


@pytest.fixture(scope="session")
def site(shared: Path) -> Path:
    """The site, built from what is saved: once, by the process that first asks for it."""
    out = shared / "site"
    with FileLock(shared / "site.lock"):
        if not out.exists():
            command = [sys.executable, "docs/build_site.py", str(shared / "unfinished")]
            built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            assert built.returncode == 0, built.stderr
            (shared / "unfinished").rename(out)
    return out


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, which finds what shuts readers out of a page; npm installs it into web/."""
    subprocess.run([sys.executable, ROOT / "web" / "npm.py"], check=True)
    return (ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
