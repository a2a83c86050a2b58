"""A worker's values: bounded, and never those that someone may be about to use."""

import os
import time

from strata_kernel.store import LocalStore
from strata_kernel.store.layout import blob_path
from strata_kernel.worker.keeping import FRESH, Keeping


def test_what_was_used_the_longest_ago_goes(tmp_path):
    store = LocalStore(tmp_path / "store")
    blobs = [store.put([bytes([n]) * 1000]) for n in range(4)]
    keeping = Keeping(store, 2000)
    assert keeping.collect() == 0, "all of them are in use"
    old = time.time() - FRESH - 10
    for age, blob in enumerate(blobs):
        os.utime(tmp_path / "store" / blob_path(blob.hash), (old - age, old - age))
    keeping.used([blobs[3]])
    assert keeping.collect() == 2000
    assert [store.has(blob) for blob in blobs] == [True, False, False, True]
    assert keeping.collect() == 0
    assert Keeping(store, 0).collect(now=time.time() + 2 * FRESH) == 2000
    assert bytes(store.get(store.put([b"again"]))) == b"again"
