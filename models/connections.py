"""What a connection to a source can be told: settings (shown to everybody) and credentials (shown to nobody again).

Each field's description is what prompts, ``connection show`` and ``docs/settings.md`` say of it.
"""

from typing import Annotated, Final, Literal

import msgspec

ApiConnector = Literal["clever", "classlink", "oneroster"]
ConnectorName = Literal[ApiConnector, "sftp", "folder"]
#: Connectors that read files: their records stand in lines, and result files are written of them. "csv" is an upload.
FILE_CONNECTORS: Final = frozenset({"csv", "sftp", "folder"})
#: active: it syncs. paused: a person stopped it. disconnected: the source no longer lets us in; every sync asks again.
#: removed: its credentials are forgotten; what it brought stays.
ConnectionState = Literal["active", "paused", "disconnected", "removed"]

PageSize = Annotated[int, msgspec.Meta(ge=1, le=10_000)]
#: Bounds that nobody needs to go beyond, so that times stay within the calendar and counts within memory.
Days = Annotated[int, msgspec.Meta(ge=1, le=366)]
Hours = Annotated[int, msgspec.Meta(ge=0, le=8_784)]
PerMinute = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
PerMinuteOrNone = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=3_600)]


def told(description: str) -> msgspec.Meta:
    return msgspec.Meta(description=description)


class CleverSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to read one district at Clever."""

    district_id: Annotated[
        str | None, told("Clever's id of the district; may be left out if the app is connected to one district only.")
    ] = None
    version: Annotated[Literal["v3.0", "v3.1"], told("Version of Clever's Data API.")] = "v3.1"
    page_size: Annotated[PageSize, told("Records asked for at a time; 10,000 at most.")] = 5_000
    contacts: Annotated[bool, told("Whether guardians are read (users with the role contact).")] = True
    skip_contact_types: Annotated[
        tuple[str, ...], told("Contacts with no other type than these are not read; blank for all.")
    ] = ("Emergency", "Secondary")
    skip_relationships: Annotated[
        tuple[str, ...], told("Contacts with no other relationship than these are not read; blank for all.")
    ] = ()
    requests_per_minute: Annotated[PerMinute, told("Clever's limit for one token.")] = 1_200
    api_url: Annotated[str, told("Where Clever's Data API answers.")] = "https://api.clever.com"
    login_url: Annotated[str, told("Where Clever hands out district tokens.")] = "https://clever.com"


class CleverCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The app's id and secret, with which the district's token is looked up; or one district's token itself."""

    client_id: Annotated[str, told("Client ID of your app, from Clever's dashboard.")] = ""
    client_secret: Annotated[str, told("Client secret of your app.")] = ""
    token: Annotated[str, told("A district token; only without client id and secret.")] = ""

    def __repr__(self) -> str:
        return "CleverCredentials(…)"


class OneRosterSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How to read a OneRoster 1.1 or 1.2 provider."""

    base_url: Annotated[
        str, told("Full address up to and with the version, e.g. https://sis.example.org/ims/oneroster/v1p1.")
    ]
    version: Annotated[Literal["1.1", "1.2"], told("The provider's version; decides which scope is asked for.")] = "1.1"
    auth: Annotated[Literal["oauth1", "oauth2", "bearer"], told("How requests are authorized.")] = "oauth2"
    signature_method: Annotated[Literal["HMAC-SHA256", "HMAC-SHA1"], told("OAuth 1.0a: how requests are signed.")] = (
        "HMAC-SHA256"
    )
    token_url: Annotated[str | None, told("OAuth 2: where tokens are handed out. There is no standard place.")] = None
    token_request: Annotated[
        Literal["basic", "post", "query"],
        told("OAuth 2: client id and secret in the header (basic), in the form (post), or all in the address (query)."),
    ] = "basic"  # noqa: S105
    scopes: Annotated[
        tuple[str, ...] | None, told("OAuth 2: scopes to ask for; left out: roster-core.readonly; blank: none.")
    ] = None
    page_size: Annotated[PageSize, told("Records asked for at a time.")] = 1_000
    sort: Annotated[
        bool, told("Whether records are asked for in the order of their ids; turned off where refused.")
    ] = True
    delta: Annotated[bool, told("Whether changes only are asked for between full pulls.")] = False
    overlap_hours: Annotated[Hours, told("Delta: how far before the last pull changes are asked for.")] = 24
    full_every_days: Annotated[Days, told("Delta: a full pull at least this often; only that proves absence.")] = 7
    requests_per_minute: Annotated[PerMinuteOrNone, told("At most so many requests a minute; 0 for no limit.")] = 0


class OneRosterCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Key and secret of OAuth 1 or 2, or a static bearer token."""

    client_id: Annotated[str, told("Client id (OAuth 1: consumer key).")] = ""
    client_secret: Annotated[str, told("Client secret.")] = ""
    token: Annotated[str, told("The token, where auth is bearer.")] = ""

    def __repr__(self) -> str:
        return "OneRosterCredentials(…)"


class ClassLinkSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to read one district at ClassLink: through its proxy with a partner key, or at its own roster server."""

    mode: Annotated[
        Literal["proxy", "direct"],
        told("proxy: through ClassLink with the district's bearer; direct: signed requests to the roster server."),
    ] = "proxy"
    tenant_id: Annotated[
        str | None, told("ClassLink's number of the district (TenantId); needed wherever a partner key is used.")
    ] = None
    base_url: Annotated[
        str | None, told("direct without a partner key: the roster server's address (endpoint_url).")
    ] = None
    proxy_url: Annotated[str, told("Where ClassLink's proxy answers.")] = "https://oneroster-proxy.apis.classlink.com"
    proxy_path: Annotated[
        Literal["auto", "plain", "v1p0"],
        told("plain: {proxy}/{application}/…; v1p0: {proxy}/proxy/v1p0/{application}/…; auto: whichever answers."),
    ] = "auto"
    version_path: Annotated[str, told("What follows the server's address.")] = "ims/oneroster/v1p1"
    signature_method: Annotated[Literal["HMAC-SHA256", "HMAC-SHA1"], told("direct: how requests are signed.")] = (
        "HMAC-SHA256"
    )
    page_size: Annotated[PageSize, told("Records asked for at a time.")] = 5_000
    sort: Annotated[bool, told("Whether records are asked for in the order of their ids.")] = True
    delta: Annotated[bool, told("Whether changes only are asked for between full pulls.")] = False
    overlap_hours: Annotated[Hours, told("Delta: how far before the last pull changes are asked for.")] = 24
    full_every_days: Annotated[Days, told("Delta: a full pull at least this often; only that proves absence.")] = 7
    requests_per_minute: Annotated[PerMinuteOrNone, told("At most so many requests a minute; 0 for no limit.")] = 0


class ClassLinkCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A partner key (reads all districts that switched the app on), or one district's own key and secret (direct)."""

    partner_key: Annotated[str, told("Your partner API key at ClassLink.")] = ""
    client_id: Annotated[str, told("direct without a partner key: client id of the roster server.")] = ""
    client_secret: Annotated[str, told("direct without a partner key: client secret of the roster server.")] = ""

    def __repr__(self) -> str:
        return "ClassLinkCredentials(…)"


#: What both ways to drop files take.
OneSchool = Annotated[
    str | None, told("Source id of the one school that the files are for; left out: for the whole district.")
]
StableSeconds = Annotated[Seconds, told("Files are read when they have not changed for so many seconds.")]
ExpectedFiles = Annotated[
    tuple[str, ...] | None,
    told(
        "Files without which nothing is read, e.g. users.csv, classes.csv; left out: all that came before; blank: none."
    ),
]
DoneFolder = Annotated[
    str | None, told("Folder that files are moved to once they are applied; left out: they stay where they are.")
]


class SftpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A folder on a district's SFTP server, into which it drops files."""

    host: Annotated[str, told("Name of the SFTP server, e.g. sftp.example.org.")]
    port: Annotated[Port, told("Its port.")] = 22
    user: Annotated[str, told("Name to log in with.")]
    host_key: Annotated[
        str | None,
        told("The server's own key: its fingerprint (SHA256:…) or the whole public key. No other is talked to."),
    ] = None
    path: Annotated[str, told("Folder that the files are dropped into, as the server names it.")] = "."
    school: OneSchool = None
    stable_seconds: StableSeconds = 60
    expected_files: ExpectedFiles = None
    done_folder: DoneFolder = None


class SftpCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A password, or a private key with its passphrase if it has one."""

    password: Annotated[str, told("The password.")] = ""
    private_key: Annotated[
        str, told("A private key (OpenSSH or PEM), all its lines; from a file or the environment.")
    ] = ""
    passphrase: Annotated[str, told("The private key's passphrase, if it has one.")] = ""

    def __repr__(self) -> str:
        return "SftpCredentials(…)"


class FolderSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A folder on the machine that rostersync runs on, or one that is mounted there, into which files are dropped."""

    path: Annotated[str, told("Folder that the files are dropped into, from the root (/srv/drops/springfield).")]
    school: OneSchool = None
    stable_seconds: StableSeconds = 60
    expected_files: ExpectedFiles = None
    done_folder: DoneFolder = None


class NoCredentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a source that asks for none."""


DropSettings = SftpSettings | FolderSettings
SourceSettings = CleverSettings | OneRosterSettings | ClassLinkSettings | DropSettings
SourceCredentials = CleverCredentials | OneRosterCredentials | ClassLinkCredentials | SftpCredentials | NoCredentials

SETTINGS_OF: Final[dict[ConnectorName, type[SourceSettings]]] = {
    "clever": CleverSettings,
    "classlink": ClassLinkSettings,
    "oneroster": OneRosterSettings,
    "sftp": SftpSettings,
    "folder": FolderSettings,
}
CREDENTIALS_OF: Final[dict[ConnectorName, type[SourceCredentials]]] = {
    "clever": CleverCredentials,
    "classlink": ClassLinkCredentials,
    "oneroster": OneRosterCredentials,
    "sftp": SftpCredentials,
    "folder": NoCredentials,
}


class Memory(msgspec.Struct, frozen=True):
    """What a connector remembers between runs; never needed for a right result, and gone it is merely learned again.

    ``full_at`` is the source's time just before the first request of the last full pull that was applied, ``read_at`` the
    same of the last pull of any sort (both ISO, UTC). ``refused`` names what the provider answered "400" to ("sort",
    "filter"). ``page_limit`` is a page size that the provider would not go beyond, by listing. ``proxy_path`` is the
    variant of ClassLink's proxy that answered.

    Of dropped files: ``files`` are the roster files that ever came ("users", "classes"), ``drop_listing`` and ``drop_content``
    hashes of the drop that was taken last, by its names, sizes and times, and by what is in it. ``drop_entries`` are hashes of
    single files that were applied and are still to be moved to the done folder. With ``drop_again`` the drop is read once more
    though it is known.
    """

    full_at: str | None = None
    read_at: str | None = None
    refused: tuple[str, ...] = ()
    page_limit: dict[str, int] = {}
    proxy_path: str | None = None
    files: tuple[str, ...] = ()
    drop_listing: str = ""
    drop_content: str = ""
    drop_entries: tuple[str, ...] = ()
    drop_again: bool = False
