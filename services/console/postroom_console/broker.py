"""The broker of the settings, before anybody connects to it."""

from pathlib import Path

from postroom.broker.connection import parse_url
from postroom.errors import Misconfigured
from postroom.settings import Settings


def missing(settings: Settings) -> str:
    """Why there is no broker to connect to; empty if there may be one.

    Connecting would make an empty embedded broker and then say that it lacks everything.
    """
    path = parse_url(settings.broker).path
    if not path or Path(path).exists():
        return ""
    return (
        f"there is no broker at {path}: run the command in the folder of `postroom up`, "
        "or set POSTROOM_DATA_DIR or POSTROOM_BROKER_URL"
    )


def check_broker(settings: Settings) -> None:
    """Raises Misconfigured if there is no broker to connect to."""
    fault = missing(settings)
    if fault:
        raise Misconfigured("broker-url", fault)
