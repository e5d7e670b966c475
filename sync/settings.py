"""The operator's settings, from the environment (prefix ``ROSTERSYNC_``)."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from models.errors import SettingsError


class Settings(BaseSettings):
    """``database_url`` "" means a SQLite file in ``data_dir``, where result files and logs lie as well.

    One of ``secret_keys`` (comma separated), the file ``secret_keys_file`` and ``secret_keys_command``, which is run to
    print them, has the keys that encrypt credentials (see ``sync.master_keys``). ``allow_hosts`` (comma separated) may be
    asked over plain http and may have private addresses. ``slots`` is how many syncs one worker runs at a time.
    ``log_format`` "auto": human-readable on a terminal, else JSON. ``health_host`` and ``health_port`` are where a worker
    answers health and metrics (port 0: not at all). ``stop_seconds`` is how long a worker that is told to stop lets syncs
    go on before it parks them, ``lost_seconds`` how long a worker may be silent before others take over what it runs.
    ``mail_url`` is the server that sends to contacts given by a plain e-mail address (see ``sync.messenger``).
    """

    model_config = SettingsConfigDict(env_prefix="ROSTERSYNC_", extra="ignore")

    data_dir: Path = Path("var/rostersync")
    database_url: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    secret_keys: SecretStr = SecretStr("")
    secret_keys_file: str = ""
    secret_keys_command: str = ""
    allow_hosts: str = ""
    slots: int = Field(default=4, ge=1, le=64)
    log_format: Literal["auto", "json", "console"] = "auto"
    health_host: str = "127.0.0.1"
    health_port: int = Field(default=8080, ge=0, le=65_535)
    stop_seconds: float = Field(default=20.0, ge=0, le=3_600)
    lost_seconds: float = Field(default=45.0, ge=1, le=600)
    mail_url: SecretStr = SecretStr("")

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'rostersync.db').absolute()}"

    @property
    def results_dir(self) -> Path:
        return self.data_dir / "results"

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """``allow_hosts`` one by one, in lower case. Raises SettingsError for what is no host."""
        hosts = frozenset(filter(None, (host.strip().lower() for host in self.allow_hosts.split(","))))
        for host in hosts:
            if "/" in host or "@" in host or any(letter.isspace() for letter in host):
                raise SettingsError(
                    f"ROSTERSYNC_ALLOW_HOSTS lists hosts, such as sis.internal or 10.1.2.3:8443; {host!r} is none."
                )
        return hosts
