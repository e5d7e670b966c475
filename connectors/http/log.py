"""What is logged of a request: enough to see what happened, never an id, a query, a header or a body."""

import logging
import re
from typing import Final
from urllib.parse import urlsplit

#: A version ("v1p1", "v3.0"), or a word that is no id.
_PLAIN: Final = re.compile(r"v\d+(?:[.p]\d+)*|[^\d%@]{0,24}")


def shown_path(url: str) -> str:
    """The path of an address, with "…" for every segment that may be an id."""
    return "/".join(part if _PLAIN.fullmatch(part) else "…" for part in urlsplit(url).path.split("/"))


def _mute_urllib3() -> None:
    """urllib3 logs whole addresses, and a query may hold a secret (reference/oneroster-classlink.md, 2.6 c)."""
    logging.getLogger("urllib3.connectionpool").addFilter(lambda record: record.levelno > logging.DEBUG)
    logging.getLogger("urllib3.connection").addFilter(lambda record: False)


_mute_urllib3()
