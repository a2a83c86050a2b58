"""Who wrote a manifest: a keyed BLAKE3 with a secret that only this user can read."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from strata_kernel.errors import StoreError, TrustError

ENVIRONMENT = "STRATA_TRUST_SECRET_FILE"
LENGTH = 32


def secret_file() -> Path:
    """Return the path of this user's secret: `STRATA_TRUST_SECRET_FILE`, else in the user's data folder."""
    if named := os.environ.get(ENVIRONMENT):
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("strata", appauthor=False)) / "secret"


class Trust:
    """Signs with the secret of one user, and tells what that user signed.

    The file is read when it is first needed, so that a broken one costs the cache and not the kernel.
    """

    def __init__(self, path: Path | None = None, *, secret: bytes | None = None) -> None:
        if secret is not None and len(secret) != LENGTH:
            raise ValueError(f"a secret has {LENGTH} bytes")
        self._path, self._secret = path, secret
        self._derived: dict[str, bytes] = {}

    def secret(self) -> bytes:
        """Return the secret, made on first use; raise StoreError."""
        if self._secret is None:
            self._secret = _load(self._path or secret_file())
        return self._secret

    def sign(self, body: bytes, purpose: str = "") -> str:
        """Return the MAC of the bytes (64 hex characters); signatures for one purpose do not serve another."""
        return str(blake3(body, key=self._key(purpose)).hexdigest())

    def valid(self, body: bytes, mac: str, purpose: str = "") -> bool:
        """Tell whether the MAC is this user's, in a time that says nothing about where they differ."""
        key = self._key(purpose)
        mine = blake3(body, key=key).hexdigest().encode()
        # Comparing keyed hashes of the two is constant-time in effect; `hmac` would load OpenSSL for it (7 ms).
        return bool(blake3(mine, key=key).digest() == blake3(mac.encode("utf-8", "replace"), key=key).digest())

    def verify(self, body: bytes, mac: str, purpose: str = "") -> None:
        """Raise TrustError unless the MAC is this user's."""
        if not self.valid(body, mac, purpose):
            raise TrustError("not signed by this user")

    def _key(self, purpose: str) -> bytes:
        if not purpose:
            return self.secret()
        if purpose not in self._derived:
            self._derived[purpose] = blake3(self.secret(), derive_key_context=f"strata 1 {purpose}").digest()
        return self._derived[purpose]


def _load(path: Path) -> bytes:
    try:
        if not path.exists():
            _create(path)
        for attempt in range(50):
            secret = _read(path)
            if len(secret) == LENGTH:
                return secret
            # Without hard links another process can be seen between creating the file and filling it.
            time.sleep(0.002 * attempt)
    except OSError as error:
        raise StoreError(f"cannot use the secret {path}: {error.strerror or error}") from error
    raise StoreError(f"{path} is not a Strata secret ({LENGTH} bytes): delete it to start with a new one")


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = f"{path}.{os.getpid()}.{os.urandom(6).hex()}"
    _write(temporary, os.urandom(LENGTH))
    try:
        # A link, unlike a rename, never replaces the secret that another process has just made.
        os.link(temporary, path)
    except FileExistsError:
        pass
    except OSError:
        with suppress(FileExistsError):
            _write(str(path), os.urandom(LENGTH))
    finally:
        os.unlink(temporary)


def _write(path: str, secret: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secret)
    finally:
        os.close(descriptor)


def _read(path: Path) -> bytes:
    with open(path, "rb") as file:
        if os.name == "posix":
            _guard(path, file.fileno())
        return file.read(LENGTH + 1)


def _guard(path: Path, descriptor: int) -> None:
    """Refuse a secret that others can set, tighten one that others can read."""
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(f"the secret {path} is not a regular file")
    if status.st_uid not in (os.geteuid(), 0):
        raise StoreError(f"the secret {path} belongs to another user: set {ENVIRONMENT} to a file of your own")
    if status.st_mode & 0o022:
        raise StoreError(f"the secret {path} can be written by others: delete it, or chmod 600 it if it is yours")
    if status.st_mode & 0o044:
        try:
            os.fchmod(descriptor, 0o600)
        except OSError as error:
            raise StoreError(f"the secret {path} can be read by others: chmod 600 {path}") from error
