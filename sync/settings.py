"""The operator's settings, from the environment (prefix ``ROSTERSYNC_``)."""

from pathlib import Path
from typing import Literal

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """``database_url`` "" means a SQLite file in ``data_dir``, where result files and logs lie as well."""

    model_config = SettingsConfigDict(env_prefix="ROSTERSYNC_", extra="ignore")

    data_dir: Path = Path("var/rostersync")
    database_url: str = ""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{(self.data_dir / 'rostersync.db').absolute()}"

    @property
    def results_dir(self) -> Path:
        return self.data_dir / "results"
