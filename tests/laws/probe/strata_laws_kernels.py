"""A warm process that forks kernels: the libraries below every kernel, and the modules in its arguments, are imported once.

One JSON request a line on stdin ({module, connection, cwd, env, log}), one JSON answer ({pid}) a line on stdout.
"""

import ctypes
import faulthandler
import gc
import json
import os
import runpy
import signal
import sys


def end_with_parent():
    """Leave no kernel behind where the process that asked for it is killed (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def become_kernel(request):
    os.setsid()
    end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.path[0] = request["cwd"]
    # What the user's own shell remembers is none of the programs' business, and shared by all kernels.
    sys.argv = [request["module"], "-f", request["connection"], "--HistoryManager.hist_file=:memory:"]
    __import__("random").seed()
    faulthandler.register(signal.SIGUSR1, all_threads=True)
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def warm_tracebacks():
    """Read the shell's own source for tracebacks, and where all modules are, which every kernel would do at its first error."""
    import inspect

    import executing
    import stack_data
    from IPython.core import interactiveshell
    from pygments.formatters.terminal256 import Terminal256Formatter
    from pygments.styles import get_style_by_name

    try:
        inspect.getmodule(compile("", "nowhere.py", "exec"))
        executing.Source.for_filename(interactiveshell.__file__).text
        Terminal256Formatter(style=get_style_by_name("default"))
        stack_data.style_with_executing_node("default", "bg:ansiyellow")
    except Exception:
        return


def main():
    end_with_parent()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for name in (
        "ipykernel.kernelapp",
        "ipykernel.ipkernel",
        "ipykernel.debugger",
        "ipykernel.zmqshell",
        "IPython",
        "IPython.core.completerlib",
        "IPython.core.logger",
        "IPython.extensions.storemagic",
        "tornado.platform.asyncio",
        "sqlite3",
        "zmq.eventloop.zmqstream",
        "debugpy",
        "jedi",
        "comm",
    ):
        __import__(name)
    for name in sys.argv[1:]:
        __import__(name)
    warm_tracebacks()
    gc.freeze()
    for line in iter(sys.stdin.readline, ""):
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            answers.close()
            become_kernel(request)
            return  # through the interpreter's own end: a kernel drains its store in atexit hooks
        answers.write(json.dumps({"pid": pid}) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
