"""Starts the kernel: `python -m strata_kernel.kernel -f connection.json`."""

import os
import sys

if __name__ == "__main__":
    # As ipykernel does: the shell puts the current folder on the path itself, where it moves with the process.
    if sys.path[0] in ("", os.getcwd()):
        del sys.path[0]

    from strata_kernel.kernel.app import StrataKernelApp

    StrataKernelApp.launch_instance()
