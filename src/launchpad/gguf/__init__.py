"""The header of GGUF model files: metadata and tensor table, read from hostile input without an engine."""

from __future__ import annotations

from launchpad.gguf.header import GGUFHeader, Skipped, TensorInfo, Truncated
from launchpad.gguf.reader import read_header
from launchpad.gguf.split import join_splits

__all__ = ["GGUFHeader", "Skipped", "TensorInfo", "Truncated", "join_splits", "read_header"]
