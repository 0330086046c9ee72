"""Tests run torch on one thread, for several run at once; forked processes ask a model only where a test says so."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
