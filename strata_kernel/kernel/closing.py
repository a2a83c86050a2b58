"""What a kernel does at its end: let the store take in what is under way, and collect what is over the limit."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from strata_kernel.store import Opened
from strata_kernel.store.gc import collect
