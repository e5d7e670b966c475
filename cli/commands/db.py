"""``rostersync db``: the database's schema."""

from cli.console import deliver
from cli.options import JsonOption, command_group

app = command_group("The database's schema.")


@app.command()
def upgrade(as_json: JsonOption = False) -> None:
    """Bring the database up to date. Every other command does this on its own; this one says what it did."""
    from cli.show.words import clean
    from sync.service import upgrade_database

    done = upgrade_database()
    deliver({"done": done}, as_json, lambda answer: clean(answer["done"]))


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Show which database this is, and whether its schema is up to date."""
    from cli.show.words import facts
    from sync.service import database_status

    deliver(database_status(), as_json, lambda answer: facts(answer.items()))
