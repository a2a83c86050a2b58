"""What a run showed, from its record or, where that was long, from the store."""

from __future__ import annotations

from typing import Any

import msgspec

from strata_kernel.domain.manifest import Manifest
from strata_kernel.ports import Blobs

#: Messages as a frontend got them, in their final state.
Outputs = list[dict[str, Any]]


def outputs_of(manifest: Manifest, blobs: Blobs) -> Outputs:
    """Return what the run showed; raise StoreError when it cannot be read."""
    if isinstance(manifest.outputs, list):
        return manifest.outputs
    return msgspec.json.decode(bytes(blobs.get(manifest.outputs)), type=Outputs)
