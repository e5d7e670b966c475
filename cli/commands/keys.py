"""``rostersync keys``: the keys that encrypt stored credentials."""

from cli.console import deliver
from cli.options import JsonOption, command_group
from cli.session import open_service

app = command_group("The keys that encrypt stored credentials.")


@app.command()
def new(as_json: JsonOption = False) -> None:
    """Print a fresh key for ROSTERSYNC_SECRET_KEYS. It is stored nowhere: keep it as you keep other secrets."""
    from cli.show.words import clean
    from sync.secrets import new_key

    deliver({"key": new_key()}, as_json, lambda answer: clean(answer["key"]))


@app.command()
def rotate(as_json: JsonOption = False) -> None:
    """Encrypt all stored secrets anew with the first key; the keys after it are not needed any more then."""
    from cli.show.words import clean, plural
    from sync.connections import renew_all_secrets

    with open_service() as service:
        renewed = renew_all_secrets(service)
    secrets = plural(renewed, "stored secret")
    done = f"All is encrypted with the first key now: {secrets} (credentials of connections, addresses of contacts)."
    deliver({"renewed": renewed, "done": done}, as_json, lambda answer: clean(answer["done"]))
