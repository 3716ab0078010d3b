"""What `make wheel` makes, and a virtual environment in which the wheel alone is installed."""

from __future__ import annotations

import re
import sys

import pytest

from tests.support.deploy_files import ROOT
from tests.support.installed import Distributions, Installed, run


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """One release build, in the checkout's own target folder, where set-up has left most of it."""
    folder = tmp_path_factory.mktemp("dist")
    run("make", "wheel", f"DIST={folder}", cwd=ROOT)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    assert len(list(folder.iterdir())) == 2
    return Distributions(wheel, sdist)


@pytest.fixture(scope="session")
def installed(distributions: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel and, from the index, what it depends on, in the versions that the project is tested with."""
    home = tmp_path_factory.mktemp("bare")
    run(sys.executable, "-m", "venv", home / "venv", cwd=home)
    binaries = home / "venv" / "bin"
    # As the image does it: a lock's hashes would ask for one of our own wheel, too.
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    constraints = home / "constraints.txt"
    constraints.write_text(re.sub(r"^ +--hash.*\n| *\\$", "", lock, flags=re.MULTILINE), "utf-8")
    pip = (binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, "--constraint", constraints, distributions.wheel, cwd=home)
    return Installed(binaries, home)
