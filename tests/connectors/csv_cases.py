"""What the tests of the CSV connector share: an upload from texts, and its events sorted."""

import tempfile
from pathlib import Path
from typing import Any

from connectors.csvfiles import CsvUpload
from models.pages import Arrival, Coverage, Page, PullEvent, Refusal
from models.problems import Problem
from models.settings import UploadOptions

USERS = "sourceId,orgSourcedIds,role,givenName,familyName,email,sms,phone,agentSourcedIds,grades,language\n"
CLASSES = "sourcedId,title,grades,location,schoolSourcedID,periods\n"
ENROLLMENTS = "classSourcedId,schoolSourcedID,userSourcedId,role\n"
GUARDIANS = "studentSourcedId,guardianSourcedId,givenName,familyName,email,sms,phone,language,relationship\n"

ANN = "001,S1,student,Ann,Abel,ann@example.org,,,,5,\n"
BOB = "002,S1,teacher,Bob,Brown,bob@example.org,,,,,\n"


class Pulled:
    """All events of one pull."""

    def __init__(self, upload: CsvUpload, events: list[PullEvent]) -> None:
        self.upload = upload
        self.events = events
        self.pages = [event for event in events if isinstance(event, Page)]
        self.arrivals = {event.file: event for event in events if isinstance(event, Arrival)}
        self.coverage = {(event.kind, event.listing): event for event in events if isinstance(event, Coverage)}

    def records(self, kind: str) -> list[Any]:
        return [record for page in self.pages if page.kind == kind and not page.tombstones for record in page.records]

    def gone(self, kind: str) -> list[Any]:
        return [record for page in self.pages if page.kind == kind and page.tombstones for record in page.records]

    def lines(self, kind: str) -> list[int]:
        return [line for page in self.pages if page.kind == kind and not page.tombstones for line in page.lines]

    @property
    def problems(self) -> list[Problem]:
        found = [problem for arrival in self.arrivals.values() for problem in arrival.problems]
        return found + [problem for page in self.pages for problem in page.problems]

    @property
    def codes(self) -> list[str]:
        return sorted(problem.code for problem in self.problems)

    def refusals(self, kind: str) -> list[Refusal]:
        return [refusal for page in self.pages if page.kind == kind for refusal in page.refusals]

    def verdict(self, kind: str, listing: str) -> str:
        return next(event.verdict for key, event in self.coverage.items() if key == (kind, listing))


def pull_paths(*paths: Path, options: UploadOptions | None = None) -> Pulled:
    upload = CsvUpload(paths, options or UploadOptions(), Path(tempfile.mkdtemp(dir=paths[0].parent)))
    return Pulled(upload, list(upload.pull()))


def pull(folder: Path, files: dict[str, str | bytes], options: UploadOptions | None = None) -> Pulled:
    """Write the files into a folder and pull it."""
    top = folder / "upload"
    for name, content in files.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return pull_paths(top, options=options)
