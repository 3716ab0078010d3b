"""Runs a module that dies with its parent: `python -m tests.faults.tied PARENT MODULE ARGUMENT…`.

So a test run that is killed leaves no gateway behind. By prctl(2), PR_SET_PDEATHSIG, asked for by the child itself.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """See the module."""
    _, parent, module, *arguments = sys.argv
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != int(parent):
        sys.exit("the test run ended before its gateway began")
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
