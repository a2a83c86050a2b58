"""The environment that a notebook's lock describes: made by uv, once per lock, and a worker's own from then on."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import strata_kernel
from strata_kernel.domain.digest import Plain, digest
from strata_kernel.errors import InvocationError
from strata_kernel.worker.runs import log

#: Part of each environment's name: another way to make them is another environment.
_FORMAT = 2
#: What a worker itself imports, of all that Strata wants: no frontend, no server of notebooks, no databases.
NEEDED = frozenset(
    {"blake3", "cloudpickle", "fsspec", "httpx", "ipykernel", "jupyter-client", "msgspec", "platformdirs", "psutil"}
    | {"traitlets", "xxhash"}
)
#: Lines of uv that the error repeats.
_LAST = 12
#: Written when all is there: what lacks it was given up half way.
_WHOLE = "strata-complete"
#: Variables through which another environment's packages would be found in there.
FOREIGN = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT")


def find_lock(place: Path) -> Path:
    """Return the lock of a notebook, a folder or a project, or the file that is one itself; raise InvocationError."""
    place = place.absolute()
    if not place.exists():
        raise InvocationError(f"--sync {place}: there is no such file or folder")
    if place.is_file() and (place.suffix == ".txt" or re.fullmatch(r"pylock(\.[^.]+)?\.toml", place.name)):
        return place
    folder = place if place.is_dir() else place.parent
    for name in ("uv.lock", "pylock.toml", "requirements.txt"):
        if (folder / name).is_file():
            return folder / name
    # A project is found from below, as uv itself does.
    for above in folder.parents:
        if (above / "uv.lock").is_file():
            return above / "uv.lock"
    project = next((f for f in (folder, *folder.parents) if (f / "pyproject.toml").is_file()), None)
    cure = "run `uv lock` there first" if project else "`uv lock`, `uv pip compile -o requirements.txt` make one"
    looked = "uv.lock, pylock.toml or requirements.txt"
    raise InvocationError(f"--sync {place}: there is no {looked} in {project or folder}: {cure}")


def _uv() -> list[str]:
    found = shutil.which("uv")
    if found:
        return [found]
    if importlib.util.find_spec("uv") is not None:
        return [sys.executable, "-m", "uv"]
    raise InvocationError("--sync needs uv, which is neither on PATH nor installed beside Strata: pip install uv")


def _read(lock: Path, seen: set[Path]) -> list[str]:
    """Return the texts that decide what is installed: a file of requirements may name others."""
    if lock in seen:
        return []
    seen.add(lock)
    try:
        texts = [lock.read_text("utf-8")]
        if lock.name == "uv.lock":
            texts.append((lock.parent / "pyproject.toml").read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InvocationError(f"--sync: cannot read {lock}: {error}") from error
    if lock.suffix == ".txt":
        for line in re.findall(r"^\s*(?:-r|-c|--requirements?|--constraints?)[ =]*(\S+)", texts[0], re.MULTILINE):
            if "://" not in line:
                texts += _read(lock.parent / line, seen)
    return texts


def name_of(lock: Path) -> str:
    """Return what the environment is called: by the lock, Python, and Strata as it is here."""
    package = Path(strata_kernel.__file__).parent
    ours: Plain = [[p.relative_to(package).as_posix(), p.read_bytes()] for p in sorted(package.rglob("*.py"))]
    python: Plain = [sys.implementation.name, *sys.version_info[:2], sys.base_prefix]
    return digest("environment", _FORMAT, lock.name, _read(lock, set()), python, strata_kernel.__version__, ours)[:24]


def synced(place: Path, work: Path) -> Path:
    """Make the environment of a lock below a worker's folder where it is not there; return its interpreter.

    Raises InvocationError with what uv said last; nothing that is made half is used later.
    """
    lock, uv = find_lock(place), _uv()
    folder = work / "environments" / name_of(lock)
    python = folder / "bin" / "python"
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(folder.with_suffix(".lock")) as held:
        if not ((folder / _WHOLE).exists() and _runs(python)):
            _tell("makes the environment", lock=lock, folder=folder)
            shutil.rmtree(folder, ignore_errors=True)
            _Making(uv, lock, folder, held).make()
            (folder / _WHOLE).touch()
        _tell("environment", lock=lock, folder=folder)
    return python


def _tell(event: str, **fields: object) -> None:
    log.info(event, extra={"fields": {name: str(value) for name, value in fields.items()}})


def _runs(python: Path) -> bool:
    try:
        return subprocess.run([python, "-c", ""], stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    except OSError:
        return False


@contextmanager
def _alone(path: Path) -> Iterator[int]:
    """Keep other workers away from an environment; the descriptor keeps them away from what a child still does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _tell("waits for another worker that makes the same environment", folder=path.with_suffix(""))
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


class _Making:
    """One environment under way."""

    def __init__(self, uv: list[str], lock: Path, folder: Path, held: int) -> None:
        self._command, self._lock, self._folder, self._held = uv, lock, folder, held
        self._python = folder / "bin" / "python"
        environ = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        self._environ = {**environ, "UV_PROJECT_ENVIRONMENT": str(folder), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}

    def make(self) -> None:
        """Install what the lock says, what a worker needs besides, and Strata as it is here."""
        self._uv("venv", "--python", sys.executable, str(self._folder))
        into = ("--python", str(self._python))
        if self._lock.name == "uv.lock":
            # The project's own modules travel with the cells that import them.
            self._uv("sync", "--frozen", "--no-install-project", *into, "--project", str(self._lock.parent))
        elif self._lock.suffix == ".txt":
            self._uv("pip", "install", *into, "-r", str(self._lock))
        else:
            self._uv("pip", "sync", *into, str(self._lock))
        site = next(self._folder.glob("lib/python*/site-packages"))
        if (site / "strata_kernel").exists():
            return  # the lock names Strata itself
        # What the lock says stays: where a worker cannot live with it, uv tells why.
        locked = [line for line in self._uv("pip", "freeze", *into) if re.match(r"[\w.-]+==", line)]
        constraints = self._folder / "strata-constraints.txt"
        constraints.write_text("".join(f"{line}\n" for line in locked), "utf-8")
        self._uv("pip", "install", *into, "--constraint", str(constraints), *_needed())
        _bring_strata(site)

    def _uv(self, *words: str) -> list[str]:
        """Run uv, pass on to the log what it says, and return it; raise InvocationError."""
        said: list[str] = []
        last: deque[str] = deque(maxlen=_LAST)
        with subprocess.Popen(
            [*self._command, *words],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
            env=self._environ, cwd=self._lock.parent, pass_fds=[self._held],
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    if line := line.rstrip():
                        said.append(line)
                        last.append(line)
                        if words[:2] != ("pip", "freeze"):
                            _tell("uv", text=line)
            except BaseException:
                process.terminate()
                raise
        if process.returncode:
            text = "\n".join(last)
            raise InvocationError(f"uv cannot make the environment of {self._lock} (`uv {words[0]}`):\n{text}")
        return said


def _needed() -> list[str]:
    """Return the requirements of a worker, with the bounds that Strata's own metadata has."""
    found = []
    for requirement in metadata.requires("strata-jupyter") or []:
        name = re.split(r"[^\w.-]", requirement, maxsplit=1)[0]
        if name in NEEDED and "extra ==" not in requirement:
            found.append(requirement)
    return found


def _bring_strata(site: Path) -> None:
    """Copy this Strata, which is Python alone: from no index, and the same as here also where it is being developed."""
    package = Path(strata_kernel.__file__).parent
    shutil.copytree(package, site / "strata_kernel", ignore=shutil.ignore_patterns("__pycache__"))
    about = site / f"strata_jupyter-{strata_kernel.__version__}.dist-info"
    about.mkdir(exist_ok=True)
    (about / "METADATA").write_text(metadata.distribution("strata-jupyter").read_text("METADATA") or "", "utf-8")
