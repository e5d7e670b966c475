"""What every log line says of where it comes from."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog


@contextmanager
def run_context(*, tenant: str, connection: str, job: str) -> Iterator[None]:
    """All that this thread logs meanwhile, whoever logs it, carries these; the run's number is added by the run itself."""
    with structlog.contextvars.bound_contextvars(tenant=tenant, connection=connection, job=job):
        yield
