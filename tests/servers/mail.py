"""Where messages arrive on loopback: a mail server and a webhook, that remember what came and refuse where a test wants it."""

import base64
import threading
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any, NamedTuple, Self, cast

import msgspec


class Mail(NamedTuple):
    """An e-mail that was taken: whom it was for by the envelope, who logged in to send it, and the message."""

    to: list[str]
    login: str
    message: EmailMessage

    @property
    def subject(self) -> str:
        return str(self.message["Subject"])

    @property
    def text(self) -> str:
        part = self.message.get_body(("plain",))
        assert part
        return str(part.get_content())


class MailServer:
    """An SMTP server between ``with`` and its end. ``mails`` is what it took; while ``refuses`` it takes no recipient."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.refuses = False
        self._server = _TCPServer(("127.0.0.1", 0), _Smtp)
        self._server.owner = self

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _TCPServer(ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    owner: Any


class _Smtp(StreamRequestHandler):
    """As much of RFC 5321 as a sender needs."""

    def handle(self) -> None:
        owner = cast(MailServer, cast(_TCPServer, self.server).owner)
        to: list[str] = []
        login = ""
        self._say("220 loopback")
        while line := self.rfile.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            match verb.upper():
                case "EHLO":
                    self._say("250-loopback", "250 AUTH PLAIN")
                case "AUTH":
                    login = base64.b64decode(rest.split()[-1]).decode().split("\0")[1]
                    self._say("235 welcome")
                case "RCPT" if owner.refuses:
                    self._say("550 no such box")
                case "RCPT":
                    to.append(rest.partition("<")[2].rstrip(">"))
                    self._say("250 ok")
                case "DATA":
                    self._say("354 go on")
                    message = message_from_bytes(self._data(), policy=policy.default)
                    owner.mails.append(Mail(to, login, cast(EmailMessage, message)))
                    to = []
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 ok")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def _data(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)


class Hooked(NamedTuple):
    """A message that came to a webhook: the path it was sent to, its title and its text."""

    path: str
    title: str
    text: str


class Webhook:
    """A webhook for apprise's json:// addresses. ``posts`` is what it took; ``refuses`` names paths that answer with 500."""

    def __init__(self) -> None:
        self.posts: list[Hooked] = []
        self.tried: list[str] = []
        self.refuses: set[str] = set()
        self._http = _HTTPServer(("127.0.0.1", 0), _Hook)
        self._http.owner = self

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Any


class _Hook(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        owner = cast(Webhook, cast(_HTTPServer, self.server).owner)
        body = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))
        owner.tried.append(self.path)
        refused = self.path in owner.refuses
        if not refused:
            owner.posts.append(Hooked(self.path, body["title"], body["message"]))
        self.send_response(500 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's name)
        return
