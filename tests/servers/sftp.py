"""A district's SFTP server on loopback, which does what a test tells it to while somebody lists and reads.

with SftpServer(folder) as server:
    Sftp(server.settings(), server.credentials(), server.allowed)
    server.before_read = lambda name, offset: server.break_off()
    assert ("rename", "users.csv") not in server.requests
"""

import asyncio
import inspect
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncssh

from models.connections import SftpCredentials, SftpSettings

USER, PASSWORD = "springfield", "correct horse battery staple"

Hook = Callable[..., Awaitable[None] | None]


class SftpServer:
    """Serves ``folder`` as its root directory to one user, by password or by a key of ``authorized``.

    ``requests`` are (operation, file's name) in their order, ``logins`` the sorts of credentials that were shown to it.
    ``before_list`` (how many listings came before) and ``before_read`` (name, offset) are called, or awaited, in the server's
    own thread. With ``writable`` False nothing can be changed.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host_keys: list[asyncssh.SSHKey] | None = None,
        authorized: asyncssh.SSHKey | None = None,
        writable: bool = True,
    ) -> None:
        self.folder = folder
        self.host_keys = host_keys or [asyncssh.generate_private_key("ssh-ed25519")]
        self.authorized = authorized
        self.writable = writable
        self.password_by_question = False
        self.requests: list[tuple[str, str]] = []
        self.logins: list[str] = []
        self.before_list: Hook = lambda _count: None
        self.before_read: Hook = lambda _name, _offset: None
        self.connections: set[asyncssh.SSHServerConnection] = set()
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._acceptor: asyncssh.SSHAcceptor | None = None

    def __enter__(self) -> "SftpServer":
        self._thread.start()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def start(self) -> None:
        """Listen, at the port that it had before if there was one."""
        self._run(self._listen())

    def stop(self) -> None:
        """Listen no more, and break off what goes on."""
        self._run(self._close())

    def settings(self, **changes: Any) -> SftpSettings:
        """Settings that fit, with the right host key."""
        fitting = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": USER,
            "host_key": self.fingerprint,
            "path": ".",
        }
        return SftpSettings(**(fitting | changes))

    def credentials(self) -> SftpCredentials:
        return SftpCredentials(password=PASSWORD)

    @property
    def allowed(self) -> frozenset[str]:
        return frozenset({"127.0.0.1"})

    @property
    def fingerprint(self) -> str:
        return self.host_keys[0].get_fingerprint("sha256")

    def break_off(self) -> None:
        """Close all connections without a word; for the hooks, which run in the server's thread."""
        for connection in list(self.connections):
            connection.abort()

    def listings(self) -> int:
        return sum(operation == "list" for operation, _ in self.requests)

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self) -> None:
        self._acceptor = await asyncssh.create_server(
            lambda: _Door(self),
            "127.0.0.1",
            self.port,
            server_host_keys=self.host_keys,
            sftp_factory=lambda channel: _Files(channel, self),
        )
        self.port = self._acceptor.get_port()

    async def _close(self) -> None:
        assert self._acceptor is not None
        self._acceptor.close()
        self.break_off()
        await self._acceptor.wait_closed()


class _Door(asyncssh.SSHServer):
    """Lets in the one user."""

    def __init__(self, server: SftpServer) -> None:
        self._server = server
        self._connection: asyncssh.SSHServerConnection | None = None

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._server.connections.add(conn)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connection:
            self._server.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return not self._server.password_by_question

    def validate_password(self, username: str, password: str) -> bool:
        self._server.logins.append("password")
        return (username, password) == (USER, PASSWORD)

    def kbdint_auth_supported(self) -> bool:
        return self._server.password_by_question

    def get_kbdint_challenge(self, username: str, lang: str, submethods: str) -> Any:
        return "", "", "", [("Password: ", False)]

    def validate_kbdint_response(self, username: str, responses: Any) -> bool:
        self._server.logins.append("question")
        return (username, list(responses)) == (USER, [PASSWORD])

    def public_key_auth_supported(self) -> bool:
        return self._server.authorized is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        self._server.logins.append("key")
        authorized = self._server.authorized
        return authorized is not None and key.public_data == authorized.public_data


class _Files(asyncssh.SFTPServer):
    """The files under the server's folder."""

    def __init__(self, channel: Any, server: SftpServer) -> None:
        super().__init__(channel, chroot=str(server.folder).encode())
        self._server = server
        self._names: dict[Any, str] = {}

    async def scandir(self, path: bytes) -> Any:
        count = self._server.listings()
        self._note("list", path)
        await _call(self._server.before_list, count)
        async for name in super().scandir(path):
            yield name

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        self._note("open", path)
        if pflags != asyncssh.FXF_READ:
            self._check_writable()
        file = super().open(path, pflags, attrs)
        self._names[file] = _name(path)
        return file

    async def read(self, file_obj: Any, offset: int, size: int) -> bytes:
        await _call(self._server.before_read, self._names[file_obj], offset)
        data: bytes = super().read(file_obj, offset, size)  # type: ignore[assignment]
        return data

    def rename(self, oldpath: bytes, newpath: bytes) -> Any:
        self._note("rename", oldpath)
        self._check_writable()
        return super().rename(oldpath, newpath)

    def mkdir(self, path: bytes, attrs: asyncssh.SFTPAttrs) -> Any:
        self._note("mkdir", path)
        self._check_writable()
        return super().mkdir(path, attrs)

    def _refuse(self, path: bytes, *_: Any) -> Any:
        self._note("change", path)
        raise asyncssh.SFTPPermissionDenied("nobody needs that")

    remove = rmdir = setstat = lsetstat = symlink = link = posix_rename = _refuse

    def _check_writable(self) -> None:
        if not self._server.writable:
            raise asyncssh.SFTPPermissionDenied("read-only")

    def _note(self, operation: str, path: bytes) -> None:
        self._server.requests.append((operation, _name(path)))


def _name(path: bytes) -> str:
    return Path(os.fsdecode(path)).name


async def _call(hook: Hook, *arguments: object) -> None:
    came = hook(*arguments)
    if inspect.isawaitable(came):
        await came
