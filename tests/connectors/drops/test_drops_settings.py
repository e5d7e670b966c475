"""Which settings and credentials of a way to drop files fit together, and what is said of those that do not."""

from typing import Any

import asyncssh
import pytest

from connectors import check
from connectors.drops.check import expected_roles
from connectors.drops.host_keys import pinned
from models.connections import FolderSettings, NoCredentials, SftpCredentials, SftpSettings
from models.errors import SettingsError

KEY = asyncssh.generate_private_key("ssh-ed25519")
FINGERPRINT = KEY.get_fingerprint("sha256")
PASSWORD = SftpCredentials(password="very secret")


def sftp(**changes: Any) -> SftpSettings:
    return SftpSettings(**({"host": "sftp.example.org", "user": "springfield"} | changes))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"host": "sftp://sftp.example.org"}, "host"),
        ({"host": "springfield@sftp.example.org"}, "host"),
        ({"host": "sftp.example.org/roster"}, "host"),
        ({"host": "a, b"}, "host"),
        ({"user": "spring\nfield"}, "user"),
        ({"user": "spring\ufffdfield"}, "user"),
        ({"path": ""}, "path"),
        ({"path": "a\0"}, "path"),
        ({"host_key": "SHA256:abc"}, "host_key"),
        ({"host_key": "MD5:16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"}, "host_key"),
        ({"host_key": "whatever"}, "host_key"),
        ({"host_key": KEY.export_private_key().decode()}, "host_key"),
        ({"expected_files": ("users.csv", "menu.csv")}, "'menu.csv'"),
        ({"done_folder": "."}, "done_folder"),
        ({"path": "/in", "done_folder": "/in/"}, "done_folder"),
        ({"path": "in", "done_folder": "done/.."}, "done_folder"),
    ],
)
def test_settings_that_cannot_be(changes: dict[str, Any], word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check("sftp", sftp(**changes), PASSWORD)
    assert word in caught.value.for_admin


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"host_key": FINGERPRINT},
        {"host_key": f"{FINGERPRINT}="},
        {"host_key": KEY.export_public_key().decode()},
        {"host_key": f"|1|abc=|def= {KEY.export_public_key().decode()}"},
        {"done_folder": "done"},
        {"done_folder": "/elsewhere"},
        {"expected_files": ("users.csv", "Classes", "student_enrollments.csv")},
        {"host": "10.1.2.3"},
    ],
)
def test_settings_that_fit(changes: dict[str, Any]) -> None:
    check("sftp", sftp(**changes), PASSWORD)
    if "host_key" in changes:
        assert pinned(changes["host_key"]) == FINGERPRINT


def locked(passphrase: str, form: str = "openssh") -> str:
    return KEY.export_private_key(form, passphrase).decode()


@pytest.mark.parametrize(
    ("credentials", "word"),
    [
        (SftpCredentials(), "password or a private_key"),
        (SftpCredentials(password="two\nlines"), "password"),
        (SftpCredentials(password="odd \ufffd"), "password"),
        (SftpCredentials(password="x", passphrase="y"), "passphrase"),
        (SftpCredentials(private_key="given"), "private_key"),
        (SftpCredentials(private_key=KEY.export_public_key().decode()), "private_key"),
        (SftpCredentials(private_key=KEY.export_private_key().decode()[:-50]), "private_key"),
        (SftpCredentials(private_key=locked("open sesame")), "passphrase is needed"),
        (SftpCredentials(private_key=locked("open sesame"), passphrase="open says me"), "with this passphrase"),
        (
            SftpCredentials(private_key=locked("open sesame", "pkcs8-pem"), passphrase="open says me"),
            "with this passphrase",
        ),
    ],
)
def test_credentials_that_cannot_be(credentials: SftpCredentials, word: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check("sftp", sftp(), credentials)
    told = caught.value.for_admin + caught.value.for_engineer
    assert word in told
    for secret in (credentials.password, credentials.passphrase, credentials.private_key[40:60]):
        assert not secret or len(secret) < 2 or secret not in told


def test_credentials_that_fit() -> None:
    check("sftp", sftp(), SftpCredentials(private_key=KEY.export_private_key().decode().strip()))
    for form in ("openssh", "pkcs8-pem"):
        check("sftp", sftp(), SftpCredentials(private_key=locked("open sesame", form), passphrase="open sesame"))


@pytest.mark.parametrize("path", ["drops", "", "~/drops", "../drops", "/drops\n"])
def test_folder_is_named_from_the_root(path: str) -> None:
    with pytest.raises(SettingsError, match="path must be a folder from the root"):
        check("folder", FolderSettings(path=path), NoCredentials())


def test_folder_that_is_its_own_done_folder() -> None:
    check("folder", FolderSettings(path="/srv/drops", done_folder="done"), NoCredentials())
    with pytest.raises(SettingsError, match="done_folder"):
        check("folder", FolderSettings(path="/srv/drops", done_folder="../drops"), NoCredentials())


def test_expected_files_are_what_they_hold() -> None:
    assert expected_roles(sftp()) is None
    assert expected_roles(sftp(expected_files=())) == frozenset()
    assert expected_roles(sftp(expected_files=("Users.csv", "classes_20261122.csv"))) == {"users", "classes"}
