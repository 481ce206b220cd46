"""`postroom attach`: puts files into the spool, for orders to refer to."""

from pathlib import Path

import click

from postroom.attachment import BadFile
from postroom.attachment import attach as put
from postroom.document import json_document
from postroom.errors import Misconfigured
from postroom.settings import read_settings
from postroom.spool import Spool


@click.command("attach")
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--type", "media_type", default="", help="Such as application/pdf. Default: by the name.")
def attach(files: tuple[Path, ...], media_type: str) -> None:
    """Put files into the spool and print what `attachments` of a `mail.send` is for them, as JSON.

    The sender must read the same spool. Exit codes: 0 done, 2 a file cannot be attached.
    """
    spool = Spool(read_settings().spool)
    try:
        found = [put(spool, path, media_type=media_type) for path in files]
    except BadFile as error:
        raise Misconfigured("attach", str(error)) from error
    click.echo(json_document([each.model_dump(exclude_defaults=True) for each in found]))
