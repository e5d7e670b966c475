"""Through ClassLink's proxy: the address on the wire, which path answers, bearers and permissions that change."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from connectors.classlink import ClassLinkSource
from connectors.classlink.source import PermissionRevision
from connectors.http.client import Answer
from connectors.oneroster.endpoint import SourceChangedError
from models.connections import Memory
from models.errors import (
    CredentialsRefusedError,
    DisconnectedError,
    RosterSyncError,
    SettingsError,
    SourceProtocolError,
    SourceUnavailableError,
)
from models.pages import PullEvent
from tests.connectors.classlink.classlink_cases import (
    BEARER,
    PROXY,
    VERBATIM,
    Asked,
    FakeClassLink,
    Reply,
    application,
    client_of,
    host_of,
    over_the_wire,
    records,
    settings,
    source_of,
    verdicts,
)


def pulled(fake: FakeClassLink, scratch: Path, **changes: object) -> tuple[ClassLinkSource, list[PullEvent]]:
    source = source_of(client_of(fake), scratch, settings(**changes))
    return source, list(source.pull())


def bearer_changes(fake: FakeClassLink, listing: str, new: str | None, **changes: object) -> None:
    """The bearer is another (or the application changes) just before the second page of a listing."""
    pages = count(1)

    def on_page(asked: Asked) -> None:
        if f"/{listing}?" in asked.target and next(pages) == 2:
            fake.applications = [application(bearer=new, **changes)]

    fake.on_page = on_page


def test_a_district_is_read_whole(tmp_path: Path) -> None:
    source, events = pulled(FakeClassLink(students=7).behind_proxy(), tmp_path, page_size=3)
    assert [person.source_id for person in records(events, "person")] == [*(f"P{n}" for n in range(7)), "T1"]
    assert [school.source_id for school in records(events, "school")] == ["S1"]
    assert len(records(events, "enrollment")) == 8
    assert verdicts(events, "person") == verdicts(events, "enrollment") == {"complete"}
    assert (source.facts.district_id, source.facts.district_name) == ("2222", "Springfield Schools")


def test_nothing_is_asked_before_the_pull(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    source_of(client_of(fake), tmp_path)
    assert fake.asked == []


def test_addresses_within_the_data_are_never_followed(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    pulled(fake, tmp_path)
    assert {host_of(asked) for asked in fake.asked} == {PROXY.removeprefix("https://")}


def test_only_the_list_of_districts_gets_the_partner_key(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    pulled(fake, tmp_path)
    bearers = {asked.authorization for asked in fake.asked if not asked.target.startswith("/applications")}
    assert bearers == {f"Bearer {BEARER}"}


@pytest.mark.parametrize("prefix", ["", "/proxy/v1p0"])
def test_the_id_is_on_the_wire_as_it_came(prefix: str, tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy(prefix)
    with over_the_wire(fake) as (client, address):
        list(source_of(client, tmp_path, settings(proxy_url=f"{address}/")).pull())
    paths = {asked.target.partition("?")[0].rpartition("/")[0] for asked in fake.pages_asked("users")}
    assert paths == {f"{prefix}/%2FgVa0ed75Gs%3D/ims/oneroster/v1p1"}


# --- which of the two paths ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prefix", "path"), [("", "plain"), ("/proxy/v1p0", "v1p0")])
def test_the_path_that_answers_is_found_and_remembered(prefix: str, path: str, tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy(prefix)
    source, events = pulled(fake, tmp_path)
    assert records(events, "person")
    assert source.memory.proxy_path == path
    first = [asked.target for asked in fake.asked[1:]][: 1 if path == "plain" else 2]
    both = [f"{one}/{VERBATIM}/ims/oneroster/v1p1/orgs?limit=1" for one in ("", "/proxy/v1p0")]
    assert first == both[: len(first)]


def test_the_remembered_path_is_asked_first(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy("", "/proxy/v1p0")
    source = source_of(client_of(fake), tmp_path, memory=Memory(proxy_path="v1p0"))
    list(source.pull())
    assert fake.targets[1] == f"/proxy/v1p0/{VERBATIM}/ims/oneroster/v1p1/orgs?limit=1"
    assert source.memory.proxy_path == "v1p0"


def test_a_remembered_path_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy("")
    source = source_of(client_of(fake), tmp_path, memory=Memory(proxy_path="v1p0"))
    assert records(list(source.pull()), "person")
    assert source.memory.proxy_path == "plain"


@pytest.mark.parametrize(("prefix", "path"), [("", "plain"), ("/proxy/v1p0", "v1p0")])
def test_a_path_that_is_set_is_not_tried_out(prefix: str, path: str, tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy(prefix)
    pulled(fake, tmp_path, proxy_path=path)
    assert not [target for target in fake.targets if target.endswith("orgs?limit=1")]
    assert all(target.startswith(f"{prefix}/%2F") for target in fake.targets[1:])


def test_no_path_that_answers_is_a_wrong_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="version_path"):
        pulled(FakeClassLink().behind_proxy(), tmp_path, version_path="ims/oneroster/v9p9")


def test_a_gateway_that_answers_403_for_a_path_that_it_does_not_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeClassLink().behind_proxy("/proxy/v1p0")
    answer = fake.reply

    def gateway(asked: Asked) -> Reply:
        reply = answer(asked)
        return Reply(403, {"message": "Missing Authentication Token"}) if reply.status == 404 else reply

    monkeypatch.setattr(fake, "reply", gateway)
    source = source_of(client_of(fake), tmp_path)
    assert records(list(source.pull()), "person")
    assert source.memory.proxy_path == "v1p0"
    with pytest.raises(CredentialsRefusedError, match="version_path"):
        pulled(fake, tmp_path, version_path="ims/oneroster/v9p9")


@pytest.mark.parametrize("body", [b"", b"<html>Welcome</html>", b"[" * 100_000], ids=["empty", "HTML", "deep"])
def test_a_page_in_place_of_data_does_not_find_the_path(
    body: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeClassLink().behind_proxy()
    answer = fake.reply
    monkeypatch.setattr(fake, "reply", lambda asked: Reply(200, body) if "/orgs" in asked.target else answer(asked))
    source = source_of(client_of(fake), tmp_path)
    with pytest.raises(SourceProtocolError):
        next(source.pull())
    assert source.memory.proxy_path is None


# --- bearers that change ---------------------------------------------------------------------------------------------


def test_a_new_bearer_is_fetched_and_the_page_is_asked_once_more(tmp_path: Path) -> None:
    fake = FakeClassLink(students=5).behind_proxy()
    bearer_changes(fake, "users", "bearer-of-today")
    _, events = pulled(fake, tmp_path, page_size=2)
    assert len(records(events, "person")) == 6
    pages = fake.pages_asked("users")
    assert pages[1].target == pages[2].target
    assert [one.authorization.removeprefix("Bearer ") for one in pages[:3]] == [BEARER, BEARER, "bearer-of-today"]
    assert len([target for target in fake.targets if target.startswith("/applications")]) == 2


def test_the_same_bearer_is_not_tried_again(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    prefix = next(iter(fake.mounts))
    fake.mounts[prefix] = lambda asked: "/users?" not in asked.target
    with pytest.raises(CredentialsRefusedError, match="access was probably revoked"):
        pulled(fake, tmp_path)
    assert len(fake.pages_asked("users")) == 1
    assert len([target for target in fake.targets if target.startswith("/applications")]) == 2


def test_a_new_bearer_that_is_refused_too_is_not_tried_forever(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    numbers = count()

    def on_page(asked: Asked) -> None:
        if "/users?" in asked.target:
            fake.applications = [application(bearer=f"bearer-{next(numbers)}")]

    fake.on_page = on_page
    with pytest.raises(CredentialsRefusedError):
        pulled(fake, tmp_path)
    assert len(fake.pages_asked("users")) == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"tenant_id": 3333}, "revoked"), ({"enabled": "false"}, "switched"), ({"tenant_status": "Inactive"}, "active")],
    ids=repr,
)
def test_a_district_that_leaves_while_it_is_read_is_disconnected(
    changes: dict[str, object], reason: str, tmp_path: Path
) -> None:
    fake = FakeClassLink(students=5).behind_proxy()
    bearer_changes(fake, "users", None, **changes)
    source = source_of(client_of(fake), tmp_path, settings(page_size=2))
    events = source.pull()
    with pytest.raises(DisconnectedError, match=reason):
        next(events)  # nothing of it has come before


def test_no_secret_is_in_an_error(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    fake.mounts = {prefix: lambda _asked: False for prefix in fake.mounts}
    with pytest.raises(RosterSyncError) as caught:
        pulled(fake, tmp_path)
    for text in (caught.value.for_admin, caught.value.for_engineer, repr(caught.value)):
        assert BEARER not in text
        assert "partner-key-of-ours" not in text


# --- permissions that change -----------------------------------------------------------------------------------------


def revisions(*first: str, then: str) -> Iterator[str]:
    yield from first
    while True:
        yield then


def answer(revision: str | None) -> Answer:
    return Answer(200, {} if revision is None else {"x-perm-rev": revision}, b"{}")


def test_the_same_permissions_are_nothing_to_tell(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    fake.revisions = revisions(then="7")
    source, _ = pulled(fake, tmp_path)
    assert source.facts.notes == []


def test_permissions_that_change_once_begin_the_pull_anew(tmp_path: Path) -> None:
    fake = FakeClassLink(students=5).behind_proxy()
    fake.revisions = revisions("7", "7", "7", "", then="8")
    source, events = pulled(fake, tmp_path, page_size=2)
    assert len(records(events, "person")) == 6
    assert len({person.source_id for person in records(events, "person")}) == 6
    assert verdicts(events, "person") == {"complete"}
    firsts = [asked.target.split("?")[0] for asked in fake.asked if "offset=0" in asked.target]
    assert [sum(target.endswith(name) for target in firsts) for name in ("/orgs", "/users")] == [2, 1]
    assert len(source.facts.notes) == 1


def test_permissions_that_never_rest_end_the_pull(tmp_path: Path) -> None:
    fake = FakeClassLink().behind_proxy()
    fake.revisions = map(str, count())
    source = source_of(client_of(fake), tmp_path)
    with pytest.raises(SourceUnavailableError):
        next(source.pull())
    assert len([asked for asked in fake.pages_asked("orgs") if "offset=0" in asked.target]) == 4
    assert len(source.facts.notes) == 1


def test_a_revision_is_compared_with_the_first_of_its_pull() -> None:
    inspect = PermissionRevision([])
    for same in ("7", None, "", "  ", " 7 "):
        inspect(answer(same))
    with pytest.raises(SourceChangedError):
        inspect(answer("8"))
    inspect(answer("9"))  # the pull begins anew
    inspect(answer("9"))
    with pytest.raises(SourceChangedError):
        inspect(answer("8"))
