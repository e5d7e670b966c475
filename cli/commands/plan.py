"""``rostersync plan``: look at what waits, then approve or discard it."""

from cli.console import ask, deliver, person_is_present, stderr
from cli.options import JsonOption, LimitOption, RunArgument, YesOption, command_group
from cli.session import open_service, whoami

app = command_group("A plan that waits for a person: look at it, approve it, discard it.")


@app.command()
def show(run: RunArgument, limit: LimitOption = 50, as_json: JsonOption = False) -> None:
    """Show what a plan would do, and why it waits."""
    from cli.show.plan import show_plan
    from sync import plans

    with open_service() as service:
        deliver(plans.show_plan(service, run, limit=limit), as_json, show_plan)


@app.command()
def approve(run: RunArgument, yes: YesOption = False, as_json: JsonOption = False) -> None:
    """Apply a waiting plan exactly as it was shown, or refuse because the stored roster has moved since.

    Someone who sits at a terminal sees the plan and is asked first; --yes skips that.
    """
    from cli.show.plan import show_plan
    from cli.show.report import show_decision
    from sync import plans

    with open_service() as service:
        if not yes and not as_json and person_is_present():
            stderr().print(show_plan(plans.show_plan(service, run, limit=20)))
            if not ask("Apply exactly this?"):
                stderr().print(f"Nothing was changed; the plan still waits. See: rostersync plan show {run}")
                return
        deliver(plans.approve_plan(service, run, decided_by=whoami()), as_json, show_decision)


@app.command()
def discard(run: RunArgument, as_json: JsonOption = False) -> None:
    """Drop a waiting plan; what it would have changed stays as it is."""
    from cli.show.report import show_decision
    from sync import plans

    with open_service() as service:
        deliver(plans.discard_plan(service, run, decided_by=whoami()), as_json, show_decision)
