"""guardians.csv, the product's own file for guardians that the main source lacks: one row per student and guardian."""

import unicodedata
from collections.abc import Iterator
from hashlib import blake2b

from connectors.csvfiles.records import Fault
from connectors.csvfiles.table import Table
from connectors.normalize import people
from connectors.normalize.listing import Listing, Part
from models.pages import Page
from models.records import Guardianship, Person, fingerprint


def contact_id(given: str, family: str, email: str | None, sms: str | None) -> str:
    """The id of a guardian whom the SIS gives none: ``contact:`` and a digest of name and e-mail (else mobile).

    The same name and address on several rows are the same guardian, whatever their case and spacing; the telephone does
    not count beside an e-mail, so a new number does not make a new guardian.
    """
    name = " ".join(unicodedata.normalize("NFKC", f"{given} {family}").casefold().split())
    digest = blake2b("\0".join((name, email or sms or "")).encode(), digest_size=12)
    return f"contact:{digest.hexdigest()}"


def read_guardians(table: Table, listing: Listing, links: Part) -> Iterator[Page]:
    """The pages of people, each guardian once (again only where a later row says something else of them); the
    guardianships go to ``links`` meanwhile."""
    pick = table.getter(
        "studentSourcedId", "guardianSourcedId", "givenName", "familyName", "email", "sms", "phone", "language",
        "relationship",
    )  # fmt: skip
    seen: set[int] = set()
    for line, cells, fault in table.rows(listing):
        if listing.is_full():
            yield from listing.take()
        if fault is not None:
            _refuse_faulty(table, listing, links, line, cells, fault)
            continue
        student, given_id, given, family, email_text, sms_text, phone_text, language_text, relationship = pick(cells)
        email, sms, phone = people.contact(listing, line, given_id or None, email_text, sms_text, phone_text)
        guardian = given_id
        if not guardian and (email or sms):
            guardian = contact_id(given, family, email, sms)
        if not student or (email is None and sms is None):
            code = "guardian_no_contact" if student else "id_missing"
            listing.tell(code, line, guardian or None, "" if student else "studentSourcedId")
            listing.protect(line, (guardian,) if guardian else None)
            links.listing.protect(line, (student, guardian) if student and guardian else None)
            continue
        language = people.language(listing, line, guardian, language_text) if language_text else people.DEFAULT_LANGUAGE
        person = Person(
            guardian, given or None, None, family or None, email=email, sms=sms, phone=phone, language=language
        )
        mark = fingerprint(person)
        if mark not in seen:
            seen.add(mark)
            listing.add(person, line)
        links.listing.add(Guardianship(student, guardian, relationship or None), line)
        links.keep_full()
    yield from listing.take()
    links.keep_all()


def _refuse_faulty(table: Table, listing: Listing, links: Part, line: int, cells: list[str], fault: Fault) -> None:
    listing.tell(fault.code, line, detail=fault.detail)
    student, guardian = (table.trusted_id(cells, name, fault) for name in ("studentSourcedId", "guardianSourcedId"))
    listing.protect(line, (guardian,) if guardian else None)
    links.listing.protect(line, (student, guardian) if student and guardian else None)
