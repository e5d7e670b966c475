"""Requests that several processes may make together."""

from typing import NamedTuple


class Grant(NamedTuple):
    """Leave to make so many ``requests`` now. It takes ``wait`` seconds until there may be another one."""

    requests: int
    wait: float
