"""Bad rows are data: a ``Problem`` says where, what, and what to do, in words that a registrar understands.

The catalog below is the whole list of codes; ``docs/problems.md`` is checked against it. A message never holds a
cell's value: ids and field names only.
"""

from typing import Literal

import msgspec

from models.vocabulary import Kind

#: error: the row (or file) was refused, what is stored stays. warning: the row was taken, a value was dropped or
#: changed. notice: nothing is wrong with a row, but a person should know.
Severity = Literal["error", "warning", "notice"]


class ProblemType(msgspec.Struct, frozen=True):
    """One entry of the catalog. ``sentence`` and ``advice`` may use {field} and {detail}; a {detail} that ends the sentence
    is an aside, which may be left out."""

    code: str
    severity: Severity
    sentence: str
    advice: str


class Problem(msgspec.Struct, frozen=True, gc=False):
    """One thing that is wrong with one row (``line`` 1-based; 0 means the whole file).

    ``detail`` may hold ids, header names, counts and codes, never a person's data.
    """

    code: str
    file: str
    line: int = 0
    kind: Kind | None = None
    source_id: str | None = None
    field: str = ""
    detail: str = ""

    @property
    def severity(self) -> Severity:
        return CATALOG[self.code].severity

    @property
    def message(self) -> str:
        """The whole sentence with its advice, for a registrar."""
        return sentence(self.code, self.field, self.detail)


def sentence(code: str, field: str = "", detail: str = "") -> str:
    """The catalog's sentence and advice for a code, filled in."""
    entry = CATALOG[code]
    text = f"{entry.sentence} {entry.advice}".format(field=field or "a field", detail=detail)
    return " ".join(text.split()).replace(" .", ".").replace(" ;", ";")


def sentence_of_many(code: str) -> str:
    """The catalog's sentence for many rows at once: with gaps where they differ, and no advice."""
    aside = " {detail}."
    text = CATALOG[code].sentence
    if text.endswith(aside):
        text = text.removesuffix(aside).removesuffix(":") + "."
    return text.format(field="…", detail="…")


def _catalog(*entries: tuple[str, Severity, str, str]) -> dict[str, ProblemType]:
    return {code: ProblemType(code, severity, text, advice) for code, severity, text, advice in entries}


CATALOG: dict[str, ProblemType] = _catalog(
    # --- whole files -----------------------------------------------------------------------------------------------
    ("file_unreadable", "error", "The file could not be read {detail}.", "Export it again and send the whole file."),
    (
        "file_truncated",
        "error",
        "The file ends in the middle of a row or archive {detail}.",
        "The upload was probably cut off; send it again.",
    ),
    ("file_empty", "error", "The file is empty.", "Nothing was removed because of it; export it again."),
    (
        "file_header_only",
        "error",
        "The file has headers but no rows.",
        "Nothing was removed because of it; check the export's filters.",
    ),
    (
        "file_not_recognized",
        "notice",
        "The file's headers fit none of the roster files {detail}.",
        "It was left alone; compare its header with the template.",
    ),
    (
        "file_ignored",
        "notice",
        "The file is known but holds nothing that a roster needs {detail}.",
        "It was left alone.",
    ),
    (
        "file_wrong_name",
        "warning",
        "The file's headers are those of another roster file {detail}.",
        "It was read as what its headers say; rename it.",
    ),
    (
        "file_repeated",
        "error",
        "A second file of the same type came {detail}.",
        "Only the first was read; send one file of each type.",
    ),
    ("file_not_text", "error", "The file is not a CSV text {detail}.", "Export it as CSV with a header line."),
    (
        "file_unsafe_path",
        "error",
        "An entry of the archive points outside of it or is a link.",
        "It was not opened; make the ZIP again from the plain files.",
    ),
    (
        "file_too_large",
        "error",
        "The file or archive is larger than is allowed when unpacked {detail}.",
        "It was not opened; send the plain files.",
    ),
    (
        "archive_nested_too_deep",
        "error",
        "The archive holds archives inside archives {detail}.",
        "Put the CSV files directly into one ZIP.",
    ),
    (
        "encoding_guessed",
        "warning",
        "The file is not UTF-8; {detail} was assumed.",
        "Export it as UTF-8 if names look wrong.",
    ),
    (
        "encoding_mixed",
        "warning",
        "Some bytes are not text in the file's encoding; they were replaced.",
        "Export the file as UTF-8.",
    ),
    ("nul_bytes", "warning", "The file holds NUL characters; they were removed.", "Check the export."),
    ("mixed_line_ends", "notice", "The file mixes line ends.", "It was read all the same."),
    (
        "delimiter_unusual",
        "notice",
        "The columns are separated by {detail} instead of a comma.",
        "It was read all the same.",
    ),
    (
        "manifest_mismatch",
        "warning",
        "The manifest and the files do not agree {detail}.",
        "A file that the manifest announces and that is missing proves no absence.",
    ),
    (
        "unidentified_rows",
        "warning",
        "Rows have no readable id, so nobody can say which records they are: {detail}.",
        "Nothing is removed because of this file until they are mended.",
    ),
    # --- headers ---------------------------------------------------------------------------------------------------
    (
        "header_cleaned",
        "notice",
        "The header of column {field} held invisible characters, quotes or spaces.",
        "It was read all the same; retype it.",
    ),
    ("header_guessed", "warning", "The header {detail} was taken for {field}.", "Correct its spelling."),
    (
        "header_repeated",
        "error",
        "The header {field} stands more than once with different values in it.",
        "The first column was used; remove the other.",
    ),
    ("header_missing", "error", "The column {field} is missing.", "Without it the file cannot be read; add it."),
    ("header_unknown", "notice", "The column {field} is not used.", "It was left alone."),
    # --- rows ------------------------------------------------------------------------------------------------------
    ("row_ragged", "error", "The row has {detail} cells.", "Check it for a comma or quote that is not escaped."),
    ("row_short", "warning", "The row ends early; the missing cells were read as blank {detail}.", "Check the row."),
    ("cell_too_long", "error", "The value of {field} is too long {detail}.", "Shorten it; a quote may be missing."),
    (
        "quote_unclosed",
        "error",
        "A quotation mark is opened in the row and not closed.",
        "Close it, or double it where it belongs to the value; the rows after it were read on their own.",
    ),
    ("id_missing", "error", "The row has no {field}.", "Give every record its own id."),
    ("required_missing", "error", "{field} is blank.", "Fill it in."),
    ("duplicate_same", "warning", "The same record was listed before {detail}.", "It was counted once."),
    (
        "duplicate_different",
        "error",
        "The same id was listed before with other values {detail}.",
        "The first row was used; keep one row per id.",
    ),
    (
        "id_zero_variant",
        "warning",
        "The id differs from another one only by leading zeros {detail}.",
        "A spreadsheet may have dropped zeros; ids are compared character by character.",
    ),
    ("quotes_left", "warning", "{field} held literal quotation marks.", "They were removed; do not quote twice."),
    ("invisible_characters", "warning", "{field} held invisible or control characters.", "They were removed."),
    (
        "unknown_role",
        "error",
        "The role is not one of the known ones.",
        "Use student, teacher, parent, administrator, …",
    ),
    (
        "unknown_grade",
        "warning",
        "The grade is not a known code.",
        "It was kept as it is; use IT, PR, PK, TK, KG, 01 to 13, PS, UG or Other.",
    ),
    (
        "unknown_language",
        "warning",
        "The language is not a known code.",
        "It was kept as it is; use codes like en, es, zh-Hans.",
    ),
    ("unknown_type", "warning", "The {field} is not a known one.", "It was kept as it is."),
    ("bad_email", "warning", "The {field} is not an e-mail address.", "It was left out."),
    ("bad_phone", "warning", "The {field} is not a phone number.", "It was left out."),
    ("bad_date", "warning", "{field} is not a date.", "It was left out; write dates as 2026-08-31."),
    ("date_reformatted", "notice", "{field} is not written as YYYY-MM-DD.", "It was read as month/day/year."),
    ("bad_boolean", "warning", "{field} is neither true nor false.", "It was left out."),
    ("bad_status", "error", "The status is neither active nor tobedeleted.", "Leave it blank in a full export."),
    ("dates_reversed", "warning", "The end date lies before the begin date.", "Both were left out."),
    ("list_cleaned", "notice", "{field} held blank or repeated entries in its list.", "They were skipped."),
    (
        "guardian_no_contact",
        "error",
        "The guardian has neither an e-mail nor a mobile number that can be used.",
        "The guardian is added as soon as one is there.",
    ),
    ("too_many_guardians", "warning", "The student has more than six guardians.", "The first six were kept."),
    # --- references ------------------------------------------------------------------------------------------------
    (
        "unknown_school",
        "error",
        "The school {detail} is not known here.",
        "Add it with exactly this id, or let sources create schools (create_schools).",
    ),
    (
        "some_schools_unknown",
        "warning",
        "Some of the row's schools are not known here {detail}.",
        "The known ones were used.",
    ),
    (
        "unknown_class",
        "error",
        "The class {detail} is not known.",
        "It is missing from the classes or was refused there.",
    ),
    (
        "unknown_person",
        "error",
        "The person {detail} is not known.",
        "It is missing from the users or was refused there.",
    ),
    (
        "unknown_guardian",
        "warning",
        "The guardian {detail} is not known.",
        "The link was left out; add the guardian's own row.",
    ),
    (
        "unknown_agent",
        "warning",
        "The related person {detail} is not known.",
        "The link was left out; the person is missing from the people, or was refused there.",
    ),
    (
        "unknown_student",
        "error",
        "The student {detail} is not known.",
        "Send the students first, or check the student's id.",
    ),
    ("unknown_term", "warning", "The term {detail} is not known.", "The class was taken without it."),
    ("unknown_course", "warning", "The course {detail} is not known.", "The class was taken without its course."),
    ("unknown_parent_org", "warning", "The parent {detail} is not known.", "The school was taken without it."),
    (
        "not_a_guardian",
        "warning",
        "The person {detail} who is named as a guardian has no guardian role.",
        "The link was left out.",
    ),
    ("not_a_student", "error", "The person {detail} is not a student.", "Guardians belong to students."),
    (
        "role_mismatch",
        "warning",
        "The role in the enrollment is not the person's own role {detail}.",
        "It was kept as the enrollment says.",
    ),
    ("guardian_enrolled", "error", "A guardian cannot be enrolled in a class.", "Remove the row."),
    (
        "school_mismatch",
        "warning",
        "The school of the enrollment is not the school of the class {detail}.",
        "The class's school was used.",
    ),
    (
        "wrong_school",
        "error",
        "The row names another school than the one this upload is for {detail}.",
        "Upload it at district level, or for that school.",
    ),
    ("managed_elsewhere", "notice", "The record is managed by hand or by another connection.", "It was left as it is."),
    (
        "schools_not_created",
        "error",
        "The school {detail} is new, and this tenant does not let sources create schools.",
        "Add it by hand, or turn create_schools on.",
    ),
    ("tombstone_unknown", "notice", "A record marked as deleted was not stored.", "Nothing to do."),
    # --- sources that are asked over the network -------------------------------------------------------------------
    (
        "unshared_members",
        "notice",
        "Links name people whom the district does not share with us: {detail}.",
        "They were left out; the district can share those people, or leave it so.",
    ),
    (
        "contacts_skipped",
        "notice",
        "Contacts were left out because of their type or relationship: {detail}.",
        "The connection's settings skip_contact_types and skip_relationships say which.",
    ),
    (
        "listing_unstable",
        "warning",
        "The source changed while it was read, or its counts do not agree {detail}.",
        "Nothing is removed because of it; the next sync will tell.",
    ),
    (
        "listing_refused",
        "warning",
        "A listing may not be read: {detail}.",
        "Nothing of it is removed; ask the district to share it if you need it.",
    ),
    (
        "enrollments_repeated",
        "notice",
        "{detail} enrollment(s) repeat the class, person and role of another one (somebody left and came back).",
        "Of such enrollments the one that ends last was taken.",
    ),
    (
        "record_malformed",
        "error",
        "The record has not the shape that its protocol demands {detail}.",
        "It was left as it is stored; tell the provider.",
    ),
    (
        "field_unshared",
        "notice",
        "{field} is gone from most records at once {detail}: it is probably no longer shared.",
        "The stored values were kept; ask the district, or set guard.vanished_percent to 100 to let them go.",
    ),
)
