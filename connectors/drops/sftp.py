"""A folder on an SFTP server that files are dropped into.

Nothing of the account's own ssh set-up is read: no agent, no configuration, no known hosts, no default keys.
"""

import asyncio
import posixpath
import socket
from collections.abc import AsyncIterator, Awaitable, Generator, Iterator
from contextlib import aclosing, contextmanager, suppress
from typing import Final, NamedTuple, TypeVar, cast

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_REGULAR, FILEXFER_TYPE_UNKNOWN

from connectors.drops import failures, host_keys
from connectors.drops.listing import Entry, shown
from connectors.drops.login import read_key
from connectors.drops.place import MOST_ENTRIES, PIECE, CannotMoveError, GoneError, free_name, too_many
from connectors.http.guard import Guard
from models.connections import SftpCredentials, SftpSettings
from models.errors import (
    DistrictActionError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)

_T = TypeVar("_T")
_MOST_NAMES: Final = 1_000
#: Seconds for a server to confirm that we leave.
_GOODBYE: Final = 5.0


class Timeouts(NamedTuple):
    """In seconds: until we are logged in, and for one answer (a listing, a piece of a file)."""

    connect: float = 30.0
    answer: float = 120.0


class Sftp:
    """A ``Place`` on an SFTP server. ``allowed_hosts`` are those that may have private addresses."""

    def __init__(
        self,
        settings: SftpSettings,
        credentials: SftpCredentials,
        allowed_hosts: frozenset[str],
        timeouts: Timeouts = Timeouts(),  # noqa: B008 (it is frozen)
    ) -> None:
        """Raises SettingsError for a host key or private key that cannot be read."""
        self.shown = f"folder {settings.path} at {settings.host}"
        self._settings = settings
        self._credentials = credentials
        self._guard = Guard(allowed_hosts)
        self._timeouts = timeouts
        self._pinned = host_keys.pinned(settings.host_key) if settings.host_key else None
        self._key = read_key(credentials)

    @contextmanager
    def visit(self) -> Iterator["SftpVisit"]:
        """As ``Place.visit``. Raises SettingsError (the host key is not pinned, the address is not public),
        DistrictActionError (another host key), CredentialsRefusedError, SourceUnavailableError, SourceProtocolError."""
        with asyncio.Runner() as runner:
            with self._told():
                connection = runner.run(self._connect())
            try:
                with self._told():
                    client = runner.run(self._start(connection))
                yield SftpVisit(self, runner, client)
            finally:
                with suppress(OSError, asyncssh.Error):
                    runner.run(self._leave(connection))

    @property
    def path(self) -> str:
        return self._settings.path

    def run(self, runner: asyncio.Runner, work: Awaitable[_T]) -> _T:
        """What comes of ``work`` on the server, in time. Raises RosterSyncError when the connection breaks, SFTPError for
        what the server answers to the request itself."""

        async def in_time() -> _T:
            async with asyncio.timeout(self._timeouts.answer):
                return await work

        with self._told():
            return runner.run(in_time())

    # --- connecting -----------------------------------------------------------------------------------------------------

    async def _connect(self) -> asyncssh.SSHClientConnection:
        """A connection to the server that has the pinned key."""
        shown: _Client | None = None
        # A server has keys of several sorts, and the pinned one need not be of the sort that it shows first.
        every = tuple(name for family in host_keys.FAMILIES for name in family)
        for algorithms in (every, *host_keys.FAMILIES) if self._pinned else (every,):
            client = _Client(self._pinned)
            try:
                return await self._connect_with(client, algorithms)
            except asyncssh.PermissionDenied:  # so the key was the right one
                raise
            except asyncssh.HostKeyNotVerifiable:
                shown = shown or client
            except (asyncssh.DisconnectError, ConnectionError):
                if shown is None:  # else the server has no key of that sort, and may just hang up
                    raise
        assert shown is not None
        if self._pinned:
            raise host_keys.changed(self._settings.host, self._pinned, shown.fingerprint)
        raise host_keys.unknown(self._settings.host, shown.sort, shown.fingerprint)

    async def _connect_with(self, client: "_Client", algorithms: tuple[str, ...]) -> asyncssh.SSHClientConnection:
        """A connection to the first of the server's addresses that answers."""
        failure: OSError | None = None
        for address in await self._addresses():
            try:
                return await self._connect_to(address, client, algorithms)
            except OSError as error:
                failure = error
            except ValueError as error:
                raise SettingsError(
                    "The account that rostersync runs in has no name, and SFTP needs one: set the environment variable "
                    "LOGNAME.",
                    type(error).__name__,
                ) from None
        raise failure or OSError("the host has no address")

    async def _addresses(self) -> list[str]:
        """The server's addresses, all of which may be connected to."""
        host, port = self._settings.host, self._settings.port
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
        for address in addresses:
            try:
                self._guard.check_address(host, port, address)
            except SettingsError:
                raise SettingsError(
                    f"The address of {host} is not public, and only public ones are connected to. Correct the connection's "
                    f"setting host; if this address is meant, the operator has to name {host} in ROSTERSYNC_ALLOW_HOSTS."
                ) from None
        return addresses

    async def _connect_to(
        self, address: str, client: "_Client", algorithms: tuple[str, ...]
    ) -> asyncssh.SSHClientConnection:
        return await asyncssh.connect(
            address,
            self._settings.port,
            client_factory=lambda: client,
            server_host_key_algs=algorithms,
            # Lists with nothing in them: without any, the account's own known_hosts would be read. ``client`` decides.
            known_hosts=([], [], []),
            x509_trusted_certs=None,
            x509_trusted_cert_paths=[],
            config=None,
            username=self._settings.user,
            password=self._credentials.password or None,
            client_keys=[self._key] if self._key else None,
            agent_path=None,
            preferred_auth="publickey,keyboard-interactive,password",
            gss_host=None,
            connect_timeout=self._timeouts.connect,
            keepalive_interval=15,
            keepalive_count_max=4,
        )

    async def _start(self, connection: asyncssh.SSHClientConnection) -> asyncssh.SFTPClient:
        async with asyncio.timeout(self._timeouts.connect):
            try:
                # Names that are no UTF-8 go back to the server as they came.
                return await connection.start_sftp_client(path_errors="surrogateescape")
            except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection):
                raise
            except (asyncssh.SFTPError, asyncssh.ChannelOpenError):
                raise SourceProtocolError(
                    f"The server {self._settings.host} lets us in, but offers no SFTP. Ask the district to allow SFTP for "
                    f"the user {self._settings.user}.",
                    "no sftp subsystem",
                ) from None

    async def _leave(self, connection: asyncssh.SSHClientConnection) -> None:
        connection.close()
        async with asyncio.timeout(_GOODBYE):
            await connection.wait_closed()

    # --- what goes wrong, in words --------------------------------------------------------------------------------------

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors of the connection as RosterSyncError."""
        try:
            yield
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncssh.DisconnectError, OSError) as error:
            raise failures.of_connection(error, self._settings) from None


class SftpVisit:
    """A ``Visit`` over a connection that stands."""

    def __init__(self, place: Sftp, runner: asyncio.Runner, client: asyncssh.SFTPClient) -> None:
        self._place = place
        self._runner = runner
        self._client = client

    def entries(self) -> list[Entry]:
        """As ``Visit.entries``."""
        try:
            return self._run(self._list())
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPNotADirectory):
            why, kind = "does not exist", "no such folder"
        except asyncssh.SFTPPermissionDenied:
            why, kind = "may not be read by us", "permission denied"
        except asyncssh.SFTPError as error:
            raise self._refused(error) from None
        raise DistrictActionError(
            f"The {self._place.shown} {why}. Check the connection's setting path; if it is right, ask the district.",
            kind,
        )

    async def _list(self) -> list[Entry]:
        found: list[Entry] = []
        listing: AsyncIterator[asyncssh.SFTPName] = self._client.scandir(self._place.path)
        async with aclosing(listing) as names:  # type: ignore[type-var]
            count = 0
            async for name in names:
                count += 1
                if count > MOST_ENTRIES:
                    raise too_many(self._place.shown, MOST_ENTRIES)
                if entry := _entry(name):
                    found.append(entry)
        return found

    def pieces(self, entry: Entry) -> Generator[bytes, None, None]:
        """As ``Visit.pieces``."""
        try:
            file = self._run(self._client.open(self._path_of(entry), "rb"))
            while piece := self._run(cast(Awaitable[bytes], file.read(PIECE))):
                yield piece
            self._run(file.close())  # in trouble it is closed with the connection, without waiting for that, too
        except asyncssh.SFTPNoSuchFile:
            raise GoneError(entry.name) from None
        except asyncssh.SFTPPermissionDenied:
            raise DistrictActionError(
                f"{shown(entry.name)} in the {self._place.shown} may not be read by us; ask the district to allow it.",
                "permission denied",
            ) from None
        except asyncssh.SFTPError as error:
            raise self._refused(error) from None

    def move(self, entry: Entry, folder: str) -> None:
        """As ``Visit.move``."""
        try:
            self._run(self._move(entry, posixpath.join(self._place.path, folder)))
        except asyncssh.SFTPNoSuchFile:
            raise CannotMoveError("the file, or the folder above the one it goes to, is not there") from None
        except asyncssh.SFTPPermissionDenied:
            raise CannotMoveError("the server does not allow it") from None
        except asyncssh.SFTPError as error:
            raise CannotMoveError(f"the server refuses it ({type(error).__name__})") from None

    async def _move(self, entry: Entry, target: str) -> None:
        seen = await self._client.lstat(self._path_of(entry))
        if (seen.size, float(seen.mtime or 0)) != (entry.size, entry.mtime):
            raise CannotMoveError("it has changed since it was read")
        if not await self._client.exists(target):
            await self._client.mkdir(target)
        for number in range(1, _MOST_NAMES):
            name = posixpath.join(target, free_name(entry.name, number))
            if not await self._client.lexists(name):
                await self._client.rename(self._path_of(entry), name)
                return
        raise CannotMoveError("too many files of that name are there")

    def _run(self, work: Awaitable[_T]) -> _T:
        return self._place.run(self._runner, work)

    def _path_of(self, entry: Entry) -> str:
        return posixpath.join(self._place.path, entry.name)

    def _refused(self, error: asyncssh.SFTPError) -> SourceUnavailableError:
        return SourceUnavailableError(
            f"The server could not read the {self._place.shown}. Try again later; if this goes on, ask the district.",
            type(error).__name__,
        )


def _entry(name: asyncssh.SFTPName) -> Entry | None:
    """A regular file of a listing. A server that does not say what its entries are has files only, for all we know."""
    called, attrs = str(name.filename), name.attrs
    if attrs.type not in (FILEXFER_TYPE_REGULAR, FILEXFER_TYPE_UNKNOWN) or attrs.size is None:
        return None
    if called in (".", "..") or any(sign in called for sign in "/\\\0"):
        return None
    return Entry(called, attrs.size, float(attrs.mtime or 0))


class _Client(asyncssh.SSHClient):
    """Says whether the server's key is the pinned one, and remembers what it showed."""

    def __init__(self, pinned: str | None) -> None:
        self._pinned = pinned
        self.fingerprint = ""
        self.sort = ""

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.fingerprint, self.sort = key.get_fingerprint("sha256"), key.get_algorithm()
        return self.fingerprint == self._pinned
