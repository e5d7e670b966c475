"""What all tenants of a night read, in a process of its own: ``python -m benchmarks.night_source FOLDER``.

A OneRoster provider with a static token hands out the prepared pages of one district. Each line of its standard input is a
day; from then on it shows ``FOLDER/day{N}``.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.api_server import Address
from benchmarks.databases import cpu_of
from fixtures.api import prepare
from fixtures.layout import Spec
from tests.servers import OneRosterServer, PreparedPages

_FORM = "oneroster11"
#: Pages of the size that a connection asks for by default.
_PAGE_SIZE = 1_000


class Source:
    """The running source. ``address`` is what a connection to it is made of."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdin
        assert process.stdout
        self._pid, self._day, self._answer = process.pid, process.stdin, process.stdout
        self.address = msgspec.json.decode(self._answer.readline(), type=Address)

    def show(self, day: int) -> None:
        """From now on it is that day."""
        self._day.write(f"{day}\n")
        self._day.flush()
        if self._answer.readline().strip() != str(day):
            raise RuntimeError(f"the source cannot show day {day}")

    def cpu(self) -> float:
        """CPU seconds used so far."""
        return cpu_of(self._pid)


def make_days(folder: Path, people: int, days: int) -> None:
    """The district's pages on each day; from one day to the next 1 % of the records change."""
    for day in range(days):
        prepare(_place(folder, day), Spec(people=people, day=day), _FORM, _PAGE_SIZE)


def _place(folder: Path, day: int) -> Path:
    return folder / f"day{day}"


@contextmanager
def serving_days(folder: Path) -> Iterator[Source]:
    """Run the source; it shows day 0."""
    command = [sys.executable, "-m", "benchmarks.night_source", str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Source(process)
        finally:
            process.kill()


def main(folder: str) -> None:
    """Serve until nobody listens any more; every day is answered with its number as soon as it is shown."""
    with OneRosterServer(prepared=PreparedPages(_place(Path(folder), 0)), auth="bearer") as server:
        settings = {"base_url": server.url + server.place, "auth": "bearer", "page_size": str(_PAGE_SIZE)}
        address = Address(server.host, "oneroster", settings, msgspec.to_builtins(server.credentials()))
        sys.stdout.write(msgspec.json.encode(address).decode() + "\n")
        sys.stdout.flush()
        for day in sys.stdin:
            server.provider.prepared = PreparedPages(_place(Path(folder), int(day)))
            server.requests.clear()  # nobody asks for them here, and they would grow all night
            sys.stdout.write(day)
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
