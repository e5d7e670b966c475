"""Page bodies that ``fixtures.api.prepare`` wrote, answered as they lie on the disk: for large districts."""

from pathlib import Path

import msgspec

from fixtures.api import Prepared
from tests.servers.messages import Reply


class PreparedPages:
    """The pages under one directory. Only the page size that they were made with can be asked for; faults that change lists
    do not reach them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.index = msgspec.json.decode((directory / "index.json").read_bytes(), type=Prepared)
        self._after = {
            name: {last_id: number + 1 for number, last_id in enumerate(pages.last_ids)}
            for name, pages in self.index.collections.items()
        }

    def total(self, collection: str) -> int:
        return self.index.collections[collection].total

    def after(self, collection: str, last_id: str) -> Reply:
        """Clever's page that follows an id ("" for the first)."""
        return self._page(collection, self._after[collection].get(last_id, 0) if last_id else 0)

    def at(self, collection: str, offset: int, limit: int) -> Reply:
        """OneRoster's page at an offset."""
        if limit != self.index.page_size or offset % limit:
            return Reply(400, {"description": f"pages of {self.index.page_size} are prepared"})
        return self._page(collection, offset // limit)

    def _page(self, collection: str, number: int) -> Reply:
        path = self._directory / collection / f"{number:06d}.json"
        return Reply(body=path.read_bytes() if path.exists() else msgspec.json.encode({collection: []}))
