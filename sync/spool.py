"""Temporary files of one run."""

import tempfile
from pathlib import Path

from models.plan import ChunkFile


def chunk_file(scratch: Path) -> ChunkFile:
    """An empty plan file in the run's scratch directory; it has no name and vanishes with the process."""
    return ChunkFile(tempfile.TemporaryFile(dir=scratch, buffering=1 << 20))
