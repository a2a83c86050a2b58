"""How a manifest becomes a signed file, and back."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from strata_kernel.domain.manifest import FORMAT, Blob, Manifest
from strata_kernel.errors import StoreError, TrustError
from strata_kernel.store.trust import Trust


class Envelope(msgspec.Struct, frozen=True):
    """The file: `mac` is over the very bytes of `body`."""

    mac: str
    body: msgspec.Raw


class _Version(msgspec.Struct, frozen=True):
    format: int = FORMAT


_encoder = msgspec.json.Encoder()
_envelope = msgspec.json.Decoder(Envelope)
_version = msgspec.json.Decoder(_Version)
_manifest = msgspec.json.Decoder(Manifest)


def pack(manifest: Manifest, trust: Trust) -> bytes:
    """Return the signed file; raise StoreError when the manifest holds what JSON cannot."""
    try:
        body = _encoder.encode(manifest)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise StoreError(f"the manifest {manifest.key} cannot be written: {error}") from error
    return b'{"mac":"%b","body":%b}' % (trust.sign(body).encode(), body)


def unpack(raw: bytes, trust: Trust | None) -> Manifest:
    """Return the manifest; raise TrustError for another signer, StoreError for a torn file or another format.

    Nothing but the envelope is looked at before the signature holds. Without `trust` the signature is not asked for,
    which is for counting what a file names and never for using it.
    """
    try:
        envelope = _envelope.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(f"not a manifest: {error}") from error
    body = bytes(envelope.body)
    if trust is not None and not trust.valid(body, envelope.mac):
        raise TrustError("not signed by this user")
    try:
        if (found := _version.decode(body).format) != FORMAT:
            raise StoreError(f"manifest format {found}, not {FORMAT}")
        return _manifest.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(f"not a manifest of format {FORMAT}: {error}") from error


def blobs_of(manifest: Manifest) -> Iterator[Blob]:
    """Yield every blob that the manifest names, those named twice twice."""
    for unit in manifest.units:
        if unit.artifact is not None:
            if unit.artifact.stream is not None:
                yield unit.artifact.stream
            yield from unit.artifact.buffers
    for file in manifest.files:
        if file.blob is not None:
            yield file.blob
    if isinstance(manifest.outputs, Blob):
        yield manifest.outputs
