"""Compare the extension's hand-written stub with the extension that is built.

mypy's stubtest says "Success" of a module whose name begins with an underscore when it finds no stub for it. So
first see that the extension imports, that its stub lies beside the package, and that the stub names something.
"""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

MODULE = "gateway._fanout_core"
PYTHON = Path(__file__).resolve().parent.parent / "python"


def main() -> int:
    """Run the checks; the exit status."""
    sys.path.insert(0, str(PYTHON))
    try:
        extension = importlib.import_module(MODULE)
    except ImportError as error:
        return fail(f"{MODULE} cannot be imported ({error}): build it with `make setup`")
    stub = PYTHON.joinpath(*MODULE.split(".")).with_suffix(".pyi")
    if not stub.is_file():
        return fail(f"the stub {stub.relative_to(PYTHON.parent)} is missing: write it beside the package")
    if extension.__file__ is None or Path(extension.__file__).parent != stub.parent:
        return fail(f"{MODULE} is imported from {extension.__file__}, not from beside its stub: run `make setup`")
    try:
        names = defined(ast.parse(stub.read_text("utf-8"), str(stub)))
    except SyntaxError as error:
        return fail(f"the stub cannot be parsed: {error}")
    missing = {name for name in dir(extension) if not name.startswith("_")} - names
    if missing:
        return fail(f"the stub does not name {', '.join(sorted(missing))}")
    return subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", MODULE],
        env={**os.environ, "MYPYPATH": str(PYTHON)},
        check=False,
    ).returncode


def defined(stub: ast.Module) -> set[str]:
    """The classes and functions that a stub defines."""
    return {node.name for node in stub.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def fail(why: str) -> int:
    """Say why not; the exit status."""
    print(why, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
