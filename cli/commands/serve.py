"""``rostersync serve`` and ``rostersync worker``: processes that run every tenant's syncs on their schedules."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Annotated, Final

import typer

from cli.failures import EXIT_DONE

PortOption = Annotated[
    int | None,
    typer.Option("--port", metavar="PORT", min=0, max=65_535, help="Where /healthz, /readyz and /metrics answer; 0: nowhere.",
                 show_default=False),
]  # fmt: skip
#: Seconds for which threads that should have ended are waited for.
_LAST_PATIENCE: Final = 2.0
SlotsOption = Annotated[
    int | None,
    typer.Option("--slots", metavar="N", min=1, max=64, help="How many syncs run at a time.", show_default=False),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Log JSON lines on a terminal, too, and tell an error as a JSON document.")
]


def serve(port: PortOption = None, slots: SlotsOption = None, as_json: JsonOption = False) -> None:
    """Run every tenant's syncs on their schedules, and answer health and metrics on a port (8080 by default).

    One process is enough: with SQLite it is the only one. On PostgreSQL `rostersync worker` may run beside it, as often
    and on as many machines as wanted. SIGTERM or Ctrl-C lets running syncs end, or parks them at their next page; a
    second one stops at once, which loses nothing either.
    """
    _work(port, slots, as_json)


def worker(port: PortOption = 0, slots: SlotsOption = None, as_json: JsonOption = False) -> None:
    """Run syncs beside other workers on the same PostgreSQL; without a port of its own, unless --port is given."""
    _work(port, slots, as_json)


def _work(port: int | None, slots: int | None, as_json: bool) -> None:
    import structlog

    from cli import logs
    from sync import schedules
    from sync import service as services
    from sync.health_server import HealthServer
    from sync.metrics import Metrics
    from sync.worker import Worker

    given = {"health_port": port, "slots": slots, "log_format": "json" if as_json else None}
    settings = services.load_settings().model_copy(
        update={name: value for name, value in given.items() if value is not None}
    )
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds personal data
    with logs.logging_to_stderr(settings), services.open_service(settings) as service:
        metrics = Metrics(service)
        working = Worker(service, metrics)
        with working.alone(), HealthServer(settings, metrics, working.alive, working.ready) as health:
            structlog.get_logger("rostersync.serve").info(
                "serving",
                schedules=schedules.count_schedules(service),
                health=f"{health.url}/healthz" if health.url else "nowhere",
                metrics=f"{health.url}/metrics" if health.url else "nowhere",
            )
            _stop_on_signals(working.stop)
            working.run()
    _leave_behind_what_hangs()


def _stop_on_signals(stop: Callable[[], None]) -> None:
    """The first signal stops gently, the second at once."""

    def gently(number: int, _frame: object) -> None:
        stop()
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)
        if sys.stderr.isatty():
            # Not by print: what the signal has interrupted may be in the middle of one.
            os.write(sys.stderr.fileno(), b"Stopping: running syncs end, or are parked. Once more to stop at once.\n")

    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, gently)


def _leave_behind_what_hangs() -> None:
    """Python would wait for every thread. A sync that waits for a source which does not answer was given all the time there
    was; its job is another worker's by now."""
    others = [each for each in threading.enumerate() if not each.daemon and each is not threading.main_thread()]
    for each in others:
        each.join(timeout=_LAST_PATIENCE / len(others))
    if any(each.is_alive() for each in others):
        os._exit(EXIT_DONE)
