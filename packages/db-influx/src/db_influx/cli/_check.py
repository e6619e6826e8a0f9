"""`check`: is the server there, and what may the token do?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from db_core.errors import DatabaseError
from db_influx.cli._formats import FormatOption, OutputOption
from db_influx.cli._import import check_folder
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect, settings_of

if TYPE_CHECKING:
    from db_influx import InfluxManager

__all__ = ["check"]

_REFUSED = (401, 403, 404)
_FOUND_FAULT = 400  # with the body, which is looked at after the rights


def check(
    buckets: Annotated[
        list[str] | None, typer.Argument(help="Buckets; without any, all that the token may read.")
    ] = None,
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Verify this folder of `export` by its manifest instead; it needs no server.",
        ),
    ] = None,
    output: OutputOption = None,
    format: FormatOption = None,  # noqa: A002 - the name of the option
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Check the settings, the server and the token, and which buckets it may read and write.

    Nothing is written into a bucket.
    """
    if folder is not None:
        check_folder(folder)
        return
    from db_influx.cli._output import write_rows

    where, _ = settings_of(profile)
    with connect(profile, token_file) as manager:
        rows = [{"check": "settings", "name": where, "result": repr(manager)}]
        try:
            rows.append({"check": "server", "name": "InfluxDB", "result": manager.server_version()})
            readable = [bucket.name for bucket in manager.list_buckets()]
        except DatabaseError as error:
            error.add_note(f"The settings are those of {where}: {manager!r}")
            raise
        rows.append({"check": "token", "name": "", "result": "accepted"})
        for name in buckets or readable:
            rights = [("read", name in readable), ("write", _may_write(manager, name))]
            allowed = " and ".join(right for right, given in rights if given)
            rows.append({"check": "bucket", "name": name, "result": allowed or "neither read nor write"})
    write_rows(rows, dict.fromkeys(["check", "name", "result"], "string"), output, format)


def _may_write(manager: InfluxManager, bucket: str) -> bool:
    """Tell whether the token may write a bucket: the server says so before it looks at an empty body."""
    from influxdb_client.rest import ApiException

    api: Any = manager.get_write_api()
    try:
        api.write(bucket, record=b"#")  # a comment
    except ApiException as error:
        if error.status in _REFUSED:
            return False
        if error.status != _FOUND_FAULT:
            raise
    return True
