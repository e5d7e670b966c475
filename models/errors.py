"""Bad runs are exceptions, named by what the caller must do. Bad rows are not: they are ``models.problems``.

    RosterSyncError
     ├─ SettingsError        fix a setting or an argument, then try again           (exit code 2)
     │   ├─ NotFoundError    the tenant, school, run … that was named does not exist (exit code 2)
     │   └─ AtRestError      the connection is paused or in a blackout
     ├─ RetryLaterError      nothing is wrong with the input; wait and try again    (exit code 75)
     │   ├─ TenantBusyError  another run of this tenant is going on
     │   ├─ SourceUnavailableError  the source did not answer, or asked us to wait longer than a run may
     │   └─ DropNotReadyError       files that were dropped are still growing, or some are missing
     ├─ DistrictActionError  the district has to send or share something else       (exit code 65)
     │   ├─ CredentialsRefusedError  the source refuses our credentials
     │   └─ DisconnectedError        the district has switched us off at the source
     ├─ StalePlanError       the stored roster moved since the plan was made        (exit code 3)
     ├─ StoppedError         the run stopped itself; nothing was changed; needs an engineer (exit code 70)
     │   ├─ SourceProtocolError  the source answered something that its protocol does not allow
     │   └─ CancelledError       a person stopped the run
     │       └─ ParkedError      its worker, or its connection, stopped it: it is started anew
     └─ NothingNewError        the source holds what was applied before; nothing to do    (exit code 0)
         └─ SameAgainError     it was sent again, and is the same

Each error has two texts: ``for_admin`` (the district's or operator's person) and ``for_engineer``. Neither ever holds
a payload, a name, an e-mail address or a secret.
"""

from typing import ClassVar


class RosterSyncError(Exception):
    """Base of all errors that end a run or a command."""

    exit_code: ClassVar[int] = 1
    code: ClassVar[str] = "error"

    #: Seconds that the source asked us to wait, where it did.
    retry_after: float | None = None
    #: The run that ended with this error, once there is one.
    run_id: int | None = None

    def __init__(self, for_admin: str, for_engineer: str = "") -> None:
        super().__init__(for_admin)
        self.for_admin = for_admin
        self.for_engineer = for_engineer or for_admin


class SettingsError(RosterSyncError):
    """A setting or argument is wrong; the text names it and says what would be right."""

    exit_code = 2
    code = "settings"


class NotFoundError(SettingsError):
    """The tenant, school, connection, run or person that was named does not exist."""

    code = "not_found"


class AtRestError(SettingsError):
    """The connection is paused or in a blackout; the text says how to end that."""


class RetryLaterError(RosterSyncError):
    """Nothing is wrong with the input; the same call may go through later."""

    exit_code = 75
    code = "retry_later"


class TenantBusyError(RetryLaterError):
    """Another run of this tenant is going on; one at a time."""

    code = "tenant_busy"


class SourceUnavailableError(RetryLaterError):
    """The source did not answer, failed, or asked for a longer wait than a run's budget allows."""

    code = "source_unavailable"


class DropNotReadyError(RetryLaterError):
    """Dropped files are not whole: still growing, or some that this district always sends are missing."""

    code = "drop_not_ready"


class DistrictActionError(RosterSyncError):
    """What the district sent or shares cannot be used; the text says what to ask for."""

    exit_code = 65
    code = "district_action"


class CredentialsRefusedError(DistrictActionError):
    """The source refuses our credentials, or what they may read is not enough."""

    code = "credentials_refused"


class DisconnectedError(DistrictActionError):
    """The district has switched us off at the source. Nothing is removed because of it."""

    code = "disconnected"


class StalePlanError(RosterSyncError):
    """The stored roster has moved since the plan was made; make a new one."""

    exit_code = 3
    code = "stale_plan"


class StoppedError(RosterSyncError):
    """The run stopped itself before it changed anything, because going on was not safe."""

    exit_code = 70
    code = "stopped"


class SourceProtocolError(StoppedError):
    """The source answered something that its protocol does not allow, again and again; never read as "empty"."""

    code = "source_protocol"


class CancelledError(StoppedError):
    """A person stopped the run; the roster is as it was."""

    code = "cancelled"


class ParkedError(CancelledError):
    """The worker was told to stop, or the connection was paused or set otherwise; the roster is as it was, and what was due is
    started anew: by another worker (or this one, later), or when the pause ends."""

    code = "parked"


class NothingNewError(RosterSyncError):
    """The source holds exactly what was applied before, so there was nothing to run. No error to anybody."""

    exit_code = 0
    code = "nothing_new"


class SameAgainError(NothingNewError):
    """What was applied before came again: nothing is new, but the exports go on."""

    code = "same_again"
