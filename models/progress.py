"""Where a run stands, for a person who watches it."""

from collections.abc import Callable

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """``step`` is one of the six verbs; ``records`` counts what the step has handled of ``kind`` so far."""

    step: str
    file: str = ""
    kind: str | None = None
    records: int = 0


ProgressCallback = Callable[[Progress], None]
