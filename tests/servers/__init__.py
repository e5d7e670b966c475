"""The sources as real HTTP servers on loopback: for the connectors' tests, the conformance suite and the fault matrix.

    with CleverServer(render(Spec(people=300), "clever")) as server:
        open_source("clever", server.settings(), server.credentials(), Access(HttpClient(server.rules(), watch), …))
        server.faults.append(Fault(r"/users", status(502)))
        assert server.requests[0].path == "/oauth/tokens"

Each server's ``settings(**changes)`` and ``credentials()`` fit ``models.connections``; pages are small (100). What can go wrong
stands in ``tests.servers.faults``.
"""

from tests.servers.classlink import ClassLinkServer
from tests.servers.clever import CleverServer
from tests.servers.faults import Fault
from tests.servers.oneroster import OneRosterServer
from tests.servers.prepared import PreparedPages

__all__ = ["ClassLinkServer", "CleverServer", "Fault", "OneRosterServer", "PreparedPages"]
