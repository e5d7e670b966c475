"""Temporary files of one run."""

import tempfile
from contextlib import ExitStack
from pathlib import Path

from models.plan import ChunkFile


class Spools:
    """Makes a run's plan files; they have no name, vanish with the process, and are closed with ``files``."""

    def __init__(self, scratch: Path, files: ExitStack) -> None:
        self._scratch = scratch
        self._files = files

    def chunk_file(self) -> ChunkFile:
        """An empty plan file."""
        return ChunkFile(self._files.enter_context(tempfile.TemporaryFile(dir=self._scratch, buffering=1 << 20)))
