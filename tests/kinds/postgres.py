"""A real PostgreSQL for the tests: on loopback, in a folder of its own, as a user without privileges."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

PLACES = "/usr/lib/postgresql/*/bin/initdb"


def programs():
    """Return the folder of PostgreSQL's programs, None when the machine has none."""
    found = sorted(Path("/").glob(PLACES.removeprefix("/")))
    return found[-1].parent if found else None


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def server():
    """Run a server and yield its port."""
    home = Path(tempfile.mkdtemp(dir="/tmp", prefix="strata-pg-"))
    data, log, port = home / "db", home / "log", free_port()
    as_user = []
    if os.geteuid() == 0:
        name = pwd.getpwnam("postgres").pw_name
        shutil.chown(home, name)
        as_user = ["runuser", "-u", name, "--"]
    bin = programs()

    def run(program, *arguments):
        done = subprocess.run(
            [*as_user, str(bin / program), *arguments],
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr + (log.read_text() if log.exists() else "")

    run("initdb", "-D", str(data), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8", "--locale=C")
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    run("pg_ctl", "-w", "-D", str(data), "-l", str(log), "-o", options, "start")
    try:
        yield port
    finally:
        run("pg_ctl", "-w", "-m", "immediate", "-D", str(data), "stop")
        shutil.rmtree(home, ignore_errors=True)
