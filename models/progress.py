"""Where a run stands, for a person who watches it."""

from collections.abc import Callable

import msgspec


class Progress(msgspec.Struct, frozen=True):
    """``step`` is one of the six verbs, or "fetch" while dropped files are copied; ``records`` counts what the step has handled
    of ``kind`` so far.

    While an API is pulled, ``file`` is the listing, ``pages`` counts its pages so far, ``expected`` is how many records it
    says it has (0: not known), and ``waiting`` is for how many seconds nothing will be asked, ``why`` the reason in words.
    """

    step: str
    file: str = ""
    kind: str | None = None
    records: int = 0
    pages: int = 0
    expected: int = 0
    waiting: float = 0.0
    why: str = ""


ProgressCallback = Callable[[Progress], None]
