"""`export`: a bucket into a folder of files, one for each measurement and month."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

import typer

from db_core.errors import InvalidArgumentError, NotFoundError, SchemaConflictError
from db_influx.cli._ends import say
from db_influx.cli._folder import Folder, described, file_name, iso, months
from db_influx.cli._moment import moment
from db_influx.cli._options import BucketArgument, TagsOption, tags_of
from db_influx.cli._progress import bar
from db_influx.cli._settings import ProfileOption, TokenFileOption, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from db_influx import InfluxManager, Progress

__all__ = ["export"]

FileFormat: TypeAlias = Literal["parquet", "line", "csv", "jsonl", "arrow"]

EXTENSIONS = {"parquet": "parquet", "line": "lp", "csv": "csv", "jsonl": "jsonl", "arrow": "arrow"}
_VALUES = 1 << 19  # of a frame, about
_ROWS = 1 << 17  # of a frame, at most
_TIME = "2026-07-01, 2026-07-01T12:30:00Z, now() or, counted back from now, -30d"


def export(
    bucket: BucketArgument,
    folder: Annotated[
        Path, typer.Argument(help="Folder for the files: a new one, or with --resume the same.")
    ],
    *,
    measurement: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this one; may be given again.")
    ] = None,
    tag: TagsOption = None,
    start: Annotated[
        str | None,
        typer.Option(metavar="TIME", help=f"First time, in UTC: {_TIME}. Without it, the first point's."),
    ] = None,
    stop: Annotated[
        str | None,
        typer.Option(
            metavar="TIME", help="First time after the range, as --start. Without it, after the last point."
        ),
    ] = None,
    format: Annotated[  # noqa: A002 - the name of the option
        FileFormat, typer.Option("--format", "-f", help="Format of the files.", show_choices=True)
    ] = "parquet",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an export with these arguments was interrupted.")
    ] = False,
    skip: Annotated[
        bool,
        typer.Option(
            "--skip", help="Leave out what can't be exported exactly, and say so, instead of an error."
        ),
    ] = False,
    profile: ProfileOption = None,
    token_file: TokenFileOption = None,
) -> None:
    """Write all points of a bucket to a folder: a file for each measurement and month of UTC.

    A bucket may be larger than memory. manifest.json lists the files with their rows, points and checksums,
    which `import` and `check` verify. The range is fixed when the export begins. Nothing is written if
    something can't be exported exactly, such as a field that was written as integer and as float.
    """
    given: dict[str, Any] = {
        "bucket": bucket,
        "measurement": sorted(set(measurement)) if measurement else None,
        "tag": sorted(set(tag)) if tag else None,
        "start": start,
        "stop": stop,
        "format": format,
        "skip": skip,
    }
    made = _opened(folder, given, resume=resume)
    with connect(profile, token_file, tz="UTC", missing="ignore") as manager, bar("Exporting") as show:
        number = _bucket_id(manager, bucket)
        if made is None:
            made = _begun(manager, folder, given, number)
        elif made.manifest["bucket_id"] != number:
            message = f"`bucket`: {bucket!r} is another bucket now than the one that this export began with"
            raise InvalidArgumentError(message, argument="bucket")
        made.clean()
        _fill(manager, made, show)
    say(f"Exported: {made.rows:,} rows in {len(made.parts):,} files, in {folder}")


def _opened(folder: Path, given: dict[str, Any], *, resume: bool) -> Folder | None:
    """Return the folder of an export that goes on; None if one begins.

    Raises:
        InvalidArgumentError: The folder is from another export.
    """
    found = Folder.read(folder)
    if found is None:
        if folder.exists() and (
            not folder.is_dir() or any(not path.name.endswith(".part") for path in folder.iterdir())
        ):
            message = (
                f"`folder`: {folder} is no empty folder. Name another one, which is made if there is none"
            )
            raise InvalidArgumentError(message, argument="folder")
        return None
    if not resume:
        message = (
            f"`folder`: {folder} has an export already: add --resume to go on with it, or name another folder"
        )
        raise InvalidArgumentError(message, argument="folder")
    began: dict[str, Any] = found.manifest["selection"]
    differing = [
        f"--{name} was {_spelled(began.get(name))}, and is {_spelled(value)}"
        for name, value in given.items()
        if began.get(name) != value
    ]
    if differing:
        message = f"`resume`: the export in {folder} began with other arguments: {'; '.join(differing)}"
        raise InvalidArgumentError(message, argument="resume")
    return found


def _spelled(value: object) -> str:
    return "not given" if value is None else repr(value)


def _bucket_id(manager: InfluxManager, name: str) -> str:
    for bucket in manager.list_buckets():
        if bucket.name == name:
            return bucket.id
    message = f"there is no bucket {name!r}, or the token may not read it"
    raise NotFoundError(message)


def _begun(manager: InfluxManager, path: Path, given: dict[str, Any], number: str) -> Folder:
    """Look at what there is, and write the manifest of an export that begins."""
    from db_influx.cli._survey import survey

    tags = tags_of(given["tag"])
    start, stop = (None if given[name] is None else moment(given[name], name) for name in ("start", "stop"))
    found, refused = survey(manager, given["bucket"], given["measurement"])
    if refused:
        lines = [_refusal(one) for one in refused]
        if not given["skip"]:
            listed = "\n".join(lines)
            message = (
                f"not everything can be exported exactly; --skip leaves out, and exports the rest:\n{listed}"
            )
            raise SchemaConflictError(message)
        for line in lines:
            say(f"Left out: {line}")
    for name, about in found.items():
        edges = manager.time_range(given["bucket"], name, tags)
        about["first"], about["last"] = (None, None) if edges is None else (edges[0].value, edges[1].value)
    times = [(one["first"], one["last"]) for one in found.values() if one["first"] is not None]
    if start is None:
        start = min((first for first, _ in times), default=0)
    if stop is None:
        stop = max((last for _, last in times), default=start) + 1
    if start >= stop:
        message = (
            f"`start` must be before `stop`, which without it is the last point: {iso(start)}, {iso(stop)}"
        )
        raise InvalidArgumentError(message, argument="start")
    made = Folder.of(
        path,
        {
            "selection": given,
            "bucket_id": number,
            "start": iso(start),
            "stop": iso(stop),
            "measurements": found,
            "skipped": refused,
        },
    )
    made.save()
    return made


def _refusal(one: dict[str, Any]) -> str:
    what = f"measurement {one['measurement']!r}"
    if one["field"] is not None:
        what = f"field {one['field']!r} of {what}"
    return f"{what}: {one['reason']}"


def _fill(manager: InfluxManager, made: Folder, show: Callable[[float, int], None]) -> None:
    """Write the files that are not there yet."""
    manifest = made.manifest
    # The entries keep their order, so that a resumed export has the manifest of an uninterrupted one.
    there = {(part["measurement"], part["month"]): part for part in manifest["parts"] if made.has(part)}
    manifest["parts"] = []
    wanted = list(_wanted(manifest))
    whole = sum(stop - start for _, _, start, stop in wanted)
    done, rows = 0, 0
    try:
        for name, month, start, stop in wanted:
            part = there.get((name, month))
            if part is None:
                part = _written(
                    manager,
                    made,
                    name,
                    (month, start, stop),
                    _within(show, done / whole, (stop - start) / whole, rows),
                )
            done += stop - start
            rows += part["rows"]
            show(done / whole, rows)
            made.add(part)
        manifest["is_complete"] = True
    finally:
        made.save()


def _within(
    show: Callable[[float, int], None], begin: float, width: float, rows: int
) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        show(begin + width * (progress.share or 0.0), rows + progress.rows)

    return told


def _wanted(manifest: dict[str, Any]) -> Iterator[tuple[str, str, int, int]]:
    """Yield the measurement, the month and the range of each file."""
    for name, about in manifest["measurements"].items():
        if about["first"] is not None:
            start = max(about["first"], _nanoseconds(manifest["start"]))
            stop = min(about["last"] + 1, _nanoseconds(manifest["stop"]))
            for month, begin, end in months(start, stop):
                yield name, month, begin, end


def _nanoseconds(text: str) -> int:
    import pandas as pd

    return pd.Timestamp(text).value


def _written(
    manager: InfluxManager,
    made: Folder,
    name: str,
    period: tuple[str, int, int],
    progress: Callable[[Progress], None],
) -> dict[str, Any]:
    """Write the file of a measurement and a month, and return what the manifest says of it."""
    from db_influx.cli._tables import parquet_counts, write_file

    about, given = made.manifest["measurements"][name], made.manifest["selection"]
    month, start, stop = period
    file = file_name(name, month, EXTENSIONS[given["format"]], is_hashed=made.has_alike(name))
    fields = list(about["fields"])
    selection: dict[str, Any] = {
        "start": iso(start),
        "stop": iso(stop),
        "msname": name,
        "fields": fields,
        "bucket": given["bucket"],
        "tags": tags_of(given["tag"]),
        "by": about["tags"],
        "protocol": about["protocol"],
        "progress": progress,
    }
    part: dict[str, Any] = {"measurement": name, "month": month, "rows": 0, "points": {}, "file": None}
    path = made.path / file
    if given["format"] == "parquet" and not about["columns"]:
        template = file.replace("{", "{{").replace("}", "}}")
        manager.write_parquet(made.path, name=template, **selection)
        part["rows"], part["points"] = parquet_counts(path, fields) if path.exists() else (0, {})
    else:
        rows = max(1, min(_ROWS, _VALUES // len(fields)))
        batches = manager.read_batches(
            **selection, batch_rows=rows, into="pandas" if about["columns"] else "arrow"
        )
        part["rows"], part["points"] = write_file(path, given["format"], batches, name, about)
    if part["rows"]:
        part |= {"file": file, **described(path)}
    return part
