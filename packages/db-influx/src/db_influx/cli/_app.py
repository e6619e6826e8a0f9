"""The application: which commands there are.

Every run imports the modules of all commands, so they import nothing that weighs. A function that needs
pyarrow, rich or a manager imports it itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from db_influx.cli import _buckets, _change, _check, _export, _import, _names, _plot, _query, _read, _watch
from db_influx.cli._ends import HELP, ends

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["app"]

_HELP = "Read, write and manage time series in InfluxDB 2.x."
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _group(help_: str, **options: object) -> typer.Typer:
    return typer.Typer(
        help=help_,
        no_args_is_help=True,
        rich_markup_mode=None,  # help by rich takes twice as long
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
        **options,  # type: ignore[arg-type]
    )


_COMMANDS: dict[str, Callable[..., None]] = {
    "read": _read.read,
    "query": _query.query,
    "consumption": _read.consumption,
    "copy": _change.copy,
    "delete": _change.delete,
    "measurements": _names.measurements,
    "fields": _names.fields,
    "check": _check.check,
    "export": _export.export,
    "import": _import.import_,
    "plot": _plot.plot,
    "watch": _watch.watch,
}
_BUCKETS: dict[str, Callable[..., None]] = {
    "list": _buckets.list_buckets,
    "create": _buckets.create_bucket,
    "delete": _buckets.delete_bucket,
}

app = _group(_HELP, name="db-influx", epilog=HELP)
for _name, _command in _COMMANDS.items():
    app.command(_name)(ends(_command))
app.add_typer(_of_buckets := _group("List, create and delete buckets."), name="buckets")
for _name, _command in _BUCKETS.items():
    _of_buckets.command(_name)(ends(_command))


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        from importlib.metadata import version

        typer.echo(f"db-influx {version('db-influx')}")
        raise typer.Exit


@app.callback(help=_HELP)
def _common(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    pass
