"""What every connector to an API must do, each against the real server of its source on loopback.

Above all: no pull ever claims to be complete when something is missing, and one that fails yields nothing.
"""

import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from structlog.testing import capture_logs

from connectors.normalize import spool
from connectors.watch import Watch
from fixtures.api import prepare
from fixtures.layout import Spec
from models.connections import ClassLinkSettings, SourceSettings
from models.errors import (
    CancelledError,
    CredentialsRefusedError,
    ParkedError,
    SourceProtocolError,
    SourceUnavailableError,
)
from models.progress import Progress
from models.vocabulary import KINDS
from tests.conformance.rig import PEOPLE, WAYS, Pulled, Rig, rig
from tests.servers import PreparedPages, faults
from tests.servers.faults import Fault

#: The second page of people, as each API asks for it.
SECOND_PAGE = r"/users\?.*(starting_after|offset=100)"
ANY_PAGE = r"/users\?(?!.*count=)"


@pytest.fixture(scope="module")
def sound() -> dict[str, Pulled]:
    """A sound pull of each way, made when it is first asked for."""
    return {}


@pytest.fixture(params=list(WAYS))
def stand(request: pytest.FixtureRequest, tmp_path: Path, sound: dict[str, Pulled]) -> Iterator[Rig]:
    """Each connector with its server; ``sound`` then has what a sound pull of it yields."""
    with rig(request.param, tmp_path) as found:
        if request.param not in sound:
            sound[request.param] = found.pull()
            found.server.requests.clear()
        found.name = request.param
        yield found


def assert_honest(pulled: Pulled, whole: Pulled) -> None:
    """Nothing is made up, and what is said to be complete is."""
    for kind in KINDS:
        assert pulled.records(kind).keys() <= whole.records(kind).keys()
        if pulled.verdicts(kind) == {"complete"}:
            assert pulled.records(kind).keys() == whole.records(kind).keys()


def assert_same(pulled: Pulled, whole: Pulled) -> None:
    assert pulled.all_records == whole.all_records
    assert [statement.verdict for statement in pulled.coverage] == [s.verdict for s in whole.coverage]


def assert_nothing_came(stand: Rig, error: type[Exception]) -> str:
    """The pull fails before it has yielded anything, and leaves nothing behind; the sentence for the admin."""
    with stand.source() as source:
        events = source.pull()
        with pytest.raises(error) as failure:
            next(events)
    assert list(stand.scratch.iterdir()) == []
    assert failure.value.__context__ is None or failure.value.__suppress_context__
    return str(failure.value)


# --- completeness --------------------------------------------------------------------------------------------------------


def test_a_sound_pull_yields_all_once_in_order_and_proves_it(stand: Rig, sound: dict[str, Pulled]) -> None:
    pulled = sound[stand.name]
    assert {statement.verdict for statement in pulled.coverage} == {"complete"}
    assert {statement.kind for statement in pulled.coverage} == set(KINDS)
    for kind in KINDS:
        assert set(pulled.records(kind).values()) == {1}, kind
    assert sum(pulled.records("person").values()) == PEOPLE
    assert not pulled.codes
    order = [KINDS.index(event.kind) for event in pulled.events if not hasattr(event, "rows")]
    assert all(left <= right for left, right in pairwise(order))
    for statement in pulled.coverage:
        pages = [p for p in pulled.pages if (p.kind, p.listing) == (statement.kind, statement.listing)]
        assert statement.received == sum(len(page.records) for page in pages)


def test_a_second_pull_says_the_same(stand: Rig, sound: dict[str, Pulled]) -> None:
    assert_same(stand.pull(), sound[stand.name])


def test_a_count_that_is_off_by_one_proves_no_absence(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults.append(Fault(r"/users\b", faults.count_off(1), times=None))
    pulled = stand.pull()
    assert "complete" not in pulled.verdicts("person") | pulled.verdicts("affiliation")
    assert pulled.all_records == sound[stand.name].all_records
    assert pulled.codes["listing_unstable"]


def test_a_record_that_a_page_lacks_is_noticed(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults.append(Fault(ANY_PAGE, faults.drop_row(3), times=None))
    try:
        pulled = stand.pull()
    except SourceProtocolError:
        return
    assert_honest(pulled, sound[stand.name])
    assert "complete" not in pulled.verdicts("person")


def test_an_unstable_listing_is_read_once_more(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, faults.drop_row(3)))
    assert_same(stand.pull(), sound[stand.name])


# --- empty ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("collection", ["users", "members"])
def test_an_empty_listing_proves_nothing(stand: Rig, collection: str) -> None:
    collection = "users" if collection == "users" else stand.way.members.removeprefix("/")
    roster = stand.server.roster if stand.way.connector == "clever" else stand.server.provider.roster
    roster[collection] = []
    pulled = stand.pull()
    kind: Any = "person" if collection == "users" else "enrollment"
    assert not pulled.records(kind)
    assert pulled.verdicts(kind) == {"none"}


def test_a_listing_that_is_empty_though_it_has_a_count_proves_nothing(stand: Rig) -> None:
    stand.server.faults.append(Fault(ANY_PAGE, faults.no_rows(), times=None))
    pulled = stand.pull()
    assert "complete" not in pulled.verdicts("person")


def test_an_empty_page_in_the_middle_is_no_end(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, faults.no_rows()))
    assert_same(stand.pull(), sound[stand.name])


# --- failures that pass, and those that stay ------------------------------------------------------------------------------

PASSING: dict[str, Any] = {
    "500": faults.status(500),
    "502": faults.status(502, body=b"<html>bad gateway</html>"),
    "503": faults.status(503),
    "504": faults.status(504),
    "torn": faults.torn(),
    "html": faults.html(),
    "empty-body": faults.empty_body(),
    "no-envelope": faults.no_envelope(),
    "cut": faults.cut(),
    "hang-up": faults.hang_up(),
    "drip": faults.drip(),
}
LASTING: dict[str, type[Exception]] = {
    "500": SourceUnavailableError,
    "502": SourceUnavailableError,
    "503": SourceUnavailableError,
    "504": SourceUnavailableError,
    "torn": SourceProtocolError,
    "html": SourceProtocolError,
    "empty-body": SourceProtocolError,
    "no-envelope": SourceProtocolError,
    "cut": SourceUnavailableError,
    "hang-up": SourceUnavailableError,
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_failed_page_is_asked_for_again(stand: Rig, sound: dict[str, Pulled], fault: str) -> None:
    stand.server.faults += [Fault(SECOND_PAGE, PASSING[fault]), Fault(stand.way.members, PASSING[fault])]
    assert_same(stand.pull(), sound[stand.name])


@pytest.mark.parametrize("fault", LASTING)
def test_a_page_that_keeps_failing_ends_the_pull(stand: Rig, fault: str) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, PASSING[fault], times=None))
    sentence = assert_nothing_came(stand, LASTING[fault])
    assert "users" in sentence
    assert "http" not in sentence


def test_refused_on_the_way_and_renewed_where_that_is_possible(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, faults.expire_token()))
    if stand.way.renews:
        assert_same(stand.pull(), sound[stand.name])
        pages = [r for r in stand.server.requests if "/users" in r.path and "count" not in r.query]
        assert len({(r.path, r.query) for r in pages}) == len(pages) - 1, "one page was asked for twice, no other"
    else:
        assert_nothing_came(stand, CredentialsRefusedError)


def test_refused_for_good(stand: Rig) -> None:
    stand.server.faults.append(Fault(r"/users\b", faults.status(401), times=None))
    sentence = assert_nothing_came(stand, CredentialsRefusedError)
    assert len([r for r in stand.server.requests if "/users" in r.path]) <= 2
    assert sentence.endswith(".")


def test_a_storm_of_429_is_waited_out(stand: Rig, sound: dict[str, Pulled]) -> None:
    told: list[Progress] = []
    stand.server.faults.append(Fault(SECOND_PAGE, faults.too_many(7), times=4))
    pulled = stand.pull(Watch(told.append))
    assert_same(pulled, sound[stand.name])
    assert 28 <= stand.clock.slept <= 40
    assert any(progress.waiting for progress in told)


def test_a_storm_without_end_ends_the_pull_within_its_patience(stand: Rig) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, faults.too_many(200), times=None))
    assert_nothing_came(stand, SourceUnavailableError)
    assert stand.clock.slept <= stand.server.rules().patience


# --- pages that are not what they should be --------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, None])
def test_a_page_that_comes_twice_loses_nothing(stand: Rig, sound: dict[str, Pulled], times: int | None) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, faults.repeat_page(), times=times))
    try:
        pulled = stand.pull()
    except SourceProtocolError:
        assert times is None, "a single repeated page can be mended by reading once more"
        return
    assert_honest(pulled, sound[stand.name])
    if times is None:
        assert "complete" not in pulled.verdicts("person")


def test_records_in_another_order_are_the_same_records(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults.append(Fault(ANY_PAGE, faults.reverse_rows(), times=None))
    assert_same(stand.pull(), sound[stand.name])


def test_a_record_that_stands_twice_on_a_page(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, faults.repeat_row(0), times=None))
    assert_honest(stand.pull(), sound[stand.name])


# --- things that nobody knows ------------------------------------------------------------------------------------------------


def test_unknown_fields_change_nothing(stand: Rig, sound: dict[str, Pulled]) -> None:
    unknown = faults.set_fields(brandNew={"a": [1, None]}, zzz=None, password="hunter2", **{"weird key": 1.5})
    stand.server.faults.append(Fault("", unknown, times=None))
    pulled = stand.pull()
    assert_same(pulled, sound[stand.name])
    assert "hunter2" not in repr(pulled.events)


def test_unknown_words_are_told_and_remove_nothing(stand: Rig, sound: dict[str, Pulled]) -> None:
    """A role that nobody knows, on every person: whoever has no other role is refused, and so protected."""

    def other_role(record: dict[str, Any]) -> dict[str, Any]:
        roles = record.get("roles")
        if isinstance(roles, dict):
            return record | {"roles": roles | {"wizard": {"level": 9}}}
        if isinstance(roles, list):
            return record | {"roles": [role | {"role": "wizard"} for role in roles]}
        return record | {"role": "wizard"}

    stand.server.faults.append(Fault(ANY_PAGE, faults.each_record(other_role), times=None))
    pulled = stand.pull()
    if stand.way.connector == "clever":
        assert_same(pulled, sound[stand.name])
        return
    protected = _protected(pulled)
    listed = {record.source_id for record in sound[stand.name].records("person")}
    assert protected | {record.source_id for record in pulled.records("person")} == listed
    assert pulled.codes["unknown_role"] == len(listed)


@pytest.mark.parametrize("value", [None, 17, "text", [], {}, [None], {"sourcedId": None}, True])
def test_any_shape_in_any_field_is_a_problem_and_no_crash(stand: Rig, value: object) -> None:
    def scrambled(record: dict[str, Any]) -> dict[str, Any]:
        return {name: old if name in ("id", "sourcedId") else value for name, old in record.items()}

    stand.server.faults.append(Fault("", faults.each_record(scrambled), first=8, times=None))
    try:
        pulled = stand.pull()
    except (SourceProtocolError, CredentialsRefusedError, SourceUnavailableError):
        return
    people = {record.source_id for record in pulled.records("person")}
    protected = _protected(pulled)
    if "complete" in pulled.verdicts("person"):
        assert len(people | protected) == PEOPLE


def _protected(pulled: Pulled) -> set[str]:
    """People who were listed and could not be taken."""
    pages = [page for page in pulled.pages if page.kind == "person"]
    return {ids[0] for page in pages for refusal in page.refusals if (ids := refusal.source_ids)}


# --- stopping --------------------------------------------------------------------------------------------------------------


def test_a_run_that_is_stopped_ends_at_the_next_page(stand: Rig) -> None:
    pages: list[Progress] = []
    watch = Watch(pages.append, lambda: len(pages) >= 3)
    with stand.source(watch) as source, pytest.raises(CancelledError):
        next(source.pull())
    asked = len(stand.server.requests)
    stand.server.no_more()
    assert not stand.server.late
    assert asked < 12
    assert list(stand.scratch.iterdir()) == []


def test_what_a_run_is_to_end_with_goes_through_as_it_is(stand: Rig) -> None:
    pages: list[Progress] = []

    def parked() -> bool:
        if len(pages) >= 3:
            raise ParkedError("The worker was told to stop.", "parked")
        return False

    with stand.source(Watch(pages.append, parked)) as source, pytest.raises(ParkedError, match="told to stop"):
        next(source.pull())
    assert list(stand.scratch.iterdir()) == []


def test_whoever_stops_listening_leaves_nothing_open(stand: Rig) -> None:
    with stand.source() as source:
        with closing(source.pull()) as events:  # type: ignore[type-var]
            next(events)
            stand.server.no_more()
        assert not stand.server.late


# --- secrets, memory -------------------------------------------------------------------------------------------------------


def test_nothing_secret_or_personal_is_logged(stand: Rig, sound: dict[str, Pulled]) -> None:
    stand.server.faults += [Fault(SECOND_PAGE, faults.status(503)), Fault(stand.way.members, faults.torn())]
    with capture_logs() as lines:
        stand.pull()
    text = repr(lines)
    assert lines
    assert "starting_after" not in text
    assert "offset" not in text
    credentials = stand.way.credentials(stand.server)
    for secret in (getattr(credentials, name) for name in credentials.__struct_fields__):
        assert not secret or secret not in text
    people = list(sound[stand.name].records("person"))
    assert not [p for p in people if p.source_id in text or (p.email or "\0") in text]


def test_memory_is_flat_over_a_large_listing(stand: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four times the records, some ten bytes more for each, where a record itself has hundreds."""
    monkeypatch.setattr(spool, "_IN_MEMORY", 1)
    peaks = []
    for people in (600, 2_400):
        folder = tmp_path / str(people)
        prepare(folder, Spec(people=people), stand.way.form, 100)
        with stand.way.start(None) as server:
            holder = server if stand.way.connector == "clever" else server.provider
            holder.prepared = PreparedPages(folder)
            settings = stand.way.settings(server)
            if isinstance(settings, ClassLinkSettings):  # finding the path out asks for a page of one record
                settings = structs.replace(settings, proxy_path="plain")
            peaks.append(_peak(Rig(stand.way, server, tmp_path), settings))
    records = 1_800 * 6  # people, their affiliations, enrollments, guardianships
    assert (peaks[1] - peaks[0]) / records < 60


def _peak(stand: Rig, settings: SourceSettings) -> int:
    """Most bytes that were held at once during a pull."""
    with stand.source(settings=settings) as source:
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in source.pull():
            pass
        peak = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
    return peak


# --- what a review has found -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b'{"data":' + b"[" * 100_000, b'{"users":' + b"[" * 100_000])
def test_json_that_is_nested_without_end_is_torn(stand: Rig, body: bytes) -> None:
    stand.server.faults.append(Fault(SECOND_PAGE, faults.status(200, body), times=None))
    assert_nothing_came(stand, SourceProtocolError)


def test_half_a_character_in_one_name_costs_no_page(stand: Rig, sound: dict[str, Pulled]) -> None:
    def halved(call: Any) -> Any:
        payload = call.reply.payload()
        return call.reply.but(document=None, body=payload.replace(b'"email":"', b'"email":"\\ud83d', 1))

    stand.server.faults.append(Fault(SECOND_PAGE, halved, times=None))
    pulled = stand.pull()
    assert sum(pulled.records("person").values()) == PEOPLE


def test_courses_that_cannot_be_read_say_nothing_of_their_classes(stand: Rig) -> None:
    stand.server.faults.append(Fault(r"/courses", faults.status(403), times=None))
    (classes,) = [statement for statement in stand.pull().coverage if statement.kind == "class"]
    assert {"course_title", "course_number"} <= set(classes.untold)


def test_one_passing_400_teaches_nothing(stand: Rig) -> None:
    if stand.way.connector == "clever":
        pytest.skip("Clever has no option that could be refused")
    stand.server.faults.append(Fault(r"/orgs\?.*sort", faults.status(400)))
    with stand.source() as source:
        for _ in source.pull():
            pass
        assert "sort" not in source.memory.refused
