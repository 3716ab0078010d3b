"""The wheel and the source distribution hold what they should, and the second builds the first."""

from __future__ import annotations

import os
import re
import sys
import tarfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from tests.support.deploy_files import ROOT
from tests.support.installed import SECONDS, Distributions, run

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]

KINDS = (".py", ".pyi", ".lua", ".html", ".css", ".js", ".svg")
"""Files that the package is made of, its pages' among them."""

pytestmark = pytest.mark.timeout(2 * SECONDS)


def members(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def wanted(lines: list[str]) -> set[tuple[str, str, bool]]:
    """Requirements as they are compared: builders write names and markers in a form of their own."""
    found = map(Requirement, lines)
    return {(canonicalize_name(one.name), str(one.specifier), one.marker is not None) for one in found}


def sources(suffix: str) -> set[str]:
    """Files of the package in the checkout, named as in a wheel."""
    python = ROOT / "python"
    return {path.relative_to(python).as_posix() for path in python.rglob(f"*{suffix}")}


def test_one_wheel_is_for_every_interpreter_from_3_11_up(distributions: Distributions) -> None:
    name, version, _build, tags = parse_wheel_filename(distributions.wheel.name)
    assert (name, str(version)) == (PROJECT["name"], PROJECT["version"])
    for tag in tags:
        assert (tag.interpreter, tag.abi) == ("cp311", "abi3")
        assert re.search("linux", tag.platform)
    assert "gateway/_fanout_core.abi3.so" in members(distributions.wheel)


def test_the_wheel_holds_the_package_and_nothing_else(distributions: Distributions) -> None:
    held = members(distributions.wheel)
    package = {name for name in held if name.startswith("gateway/")}
    expected = {name for kind in KINDS for name in sources(kind)} | {"gateway/py.typed"}
    assert package == expected | {"gateway/_fanout_core.abi3.so"}
    information = f"fanout_gateway-{PROJECT['version']}.dist-info/"
    assert all(name.startswith(information) for name in held - package)
    assert f"{information}licenses/LICENSE" in held


def test_the_wheel_says_what_it_depends_on(distributions: Distributions) -> None:
    with zipfile.ZipFile(distributions.wheel) as archive:
        text = archive.read(f"fanout_gateway-{PROJECT['version']}.dist-info/METADATA").decode()
    metadata = HeaderParser().parsestr(text)
    extras = [
        f"{line}; extra == '{extra}'" for extra, lines in PROJECT["optional-dependencies"].items() for line in lines
    ]
    assert wanted(metadata.get_all("Requires-Dist", [])) == wanted([*PROJECT["dependencies"], *extras])
    assert metadata["Requires-Python"] == PROJECT["requires-python"]
    assert metadata["License-Expression"] == PROJECT["license"]


def test_the_source_distribution_holds_all_that_it_is_built_from(distributions: Distributions) -> None:
    with tarfile.open(distributions.sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    rust = ROOT / "rust" / "fanout_core"
    needed = {path.relative_to(ROOT).as_posix() for path in (rust / "src").rglob("*.rs")}
    needed |= {f"python/{name}" for kind in KINDS for name in sources(kind)}
    needed |= {"Cargo.toml", "Cargo.lock", "pyproject.toml", "README.md", "LICENSE", "rust/fanout_core/Cargo.toml"}
    assert needed <= held
    assert not [name for name in held if name.endswith((".so", ".pyc"))]


def test_the_source_distribution_builds_the_same_wheel(distributions: Distributions, tmp_path: Path) -> None:
    """From nothing: an archive's files are older than anything that was built before, and cargo would build nothing.

    Without optimizing, which takes most of a release build's time and leaves out no file.
    """
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps")
    run(
        *pip,
        "--no-build-isolation",
        "--wheel-dir",
        tmp_path,
        distributions.sdist,
        cwd=tmp_path,
        CARGO_TARGET_DIR=str(tmp_path / "target"),
        CARGO_PROFILE_RELEASE_LTO="off",
        CARGO_PROFILE_RELEASE_OPT_LEVEL="0",
        CARGO_PROFILE_RELEASE_CODEGEN_UNITS="16",
        CARGO_PROFILE_RELEASE_DEBUG="0",
        PATH=f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert members(wheel) == members(distributions.wheel)
