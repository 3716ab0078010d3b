"""Whatever way of deploying: only settings, paths and ports that there are, and no secret in any file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.app import create_app
from gateway.hub.profiles import PROFILES
from gateway.settings import Settings
from tests.support.deploy_files import DEPLOY, ROOT, files, longest_stop, variables

GUIDE = ROOT / "docs" / "guides" / "production.md"
TEXTS = pytest.mark.parametrize("path", [*files(), GUIDE], ids=lambda path: path.name)


@TEXTS
def test_a_file_names_settings_that_there_are(path: Path) -> None:
    named = {name.rstrip("_") for name in re.findall(r"\bGATEWAY_[A-Z_]+", path.read_text("utf-8"))}
    assert named <= variables()


@TEXTS
def test_a_file_names_paths_that_there_are(path: Path) -> None:
    served = {*create_app(Settings.load({})).openapi()["paths"], *(profile.path for profile in PROFILES.values())}
    named = set(re.findall(r"(?<![\w.])/ws/[a-z/]*", path.read_text("utf-8")))
    assert {name.rstrip("/") for name in named} <= {*served, "/ws"}


@TEXTS
def test_a_file_holds_no_secret(path: Path) -> None:
    """Neither a long random word, nor a password in a URL, nor a key in a PEM block."""
    text = path.read_text("utf-8")
    assert "PRIVATE KEY-----" not in text
    assert not re.search(r"\b[0-9a-f]{32,}\b", text)
    assert not re.search(r"://[^\s:/@$%]*:[^\s@$%]+@", text)


def test_the_guide_says_how_long_a_stop_takes() -> None:
    assert f"at most {longest_stop(Settings()):g} s" in GUIDE.read_text("utf-8")


def test_every_folder_is_explained() -> None:
    explained = set(re.findall(r"\]\(([\w-]+)\)", (DEPLOY / "README.md").read_text("utf-8")))
    assert explained == {path.name for path in DEPLOY.iterdir() if path.is_dir()}
