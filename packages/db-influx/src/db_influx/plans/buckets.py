"""Buckets: all of them, a new one, and the end of one.

InfluxDB 2.9.1 takes a page of its list, and then leaves out those buckets that the token may not read. So
a page that is short, or even empty, need not be the last one. The list of DBRP mappings has no pages. It
names every bucket that the token may read, as each has a mapping, if only a virtual one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from db_core.errors import AuthenticationError, IncompleteResultError, NotFoundError
from db_influx._arguments import invalid
from db_influx._bucket import Bucket
from db_influx._steps import AskJson, Change
from db_influx.plans.schema import unexpected

if TYPE_CHECKING:
    from db_influx._steps import Steps

__all__ = ["allowed", "create", "delete", "listed", "named"]

_PAGE = 100  # buckets of an answer, which is the most
_SYSTEM = "system"  # the type of a bucket that InfluxDB makes for itself
_MOST = 100_000  # buckets, before the list is given up
_T = TypeVar("_T")


def listed() -> Steps[list[Bucket]]:
    """List all buckets but those that InfluxDB makes for itself, by name."""
    found: dict[str, Bucket] = {}
    own = set()
    for offset in range(0, _MOST, _PAGE):
        page = yield from _asked((("limit", str(_PAGE)), ("offset", str(offset))))
        read = [_read(one) for one in page]
        found |= {one.id: one for one in read}
        own |= {one.id for one, told in zip(read, page, strict=True) if told.get("type") == _SYSTEM}
        if len(page) < _PAGE and found.keys() >= {number for number, _ in (yield from _mapped())}:
            return sorted(one for one in found.values() if one.id not in own)
    message = f"the list of buckets did not end after {_MOST}, perhaps as buckets are deleted now. Try again"
    raise IncompleteResultError(message)


def named(name: str) -> Steps[Bucket]:
    """Find a bucket by its name.

    Raises:
        NotFoundError: There is no such bucket, or the token may not read it.
    """
    return _read((yield from _named(name)))


def _named(name: str) -> Steps[dict[str, Any]]:
    for one in (yield from _asked((("name", name),))):
        if one.get("name") == name:
            return one
    message = f"no bucket {name!r} in the organization, or the token may not read it"
    raise NotFoundError(message)


def create(name: str, seconds: int, organization: str) -> Steps[Bucket]:
    """Make a bucket.

    Args:
        name: Its name.
        seconds: How long it keeps points; 0 is for ever.
        organization: Name or ID of the organization.
    """
    number = yield from _organization(organization)
    content = {
        "orgID": number,
        "name": name,
        "retentionRules": [{"type": "expire", "everySeconds": seconds}] if seconds else [],
    }
    made = yield from allowed(_do(Change("POST", "api/v2/buckets", content=content)), "create buckets")
    return _read(made)


def delete(name: str) -> Steps[None]:
    """Delete a bucket and all of its points.

    Raises:
        InvalidArgumentError: InfluxDB made the bucket for itself. 2.9.1 would delete its points, and only
            then refuse to delete the bucket. From then on it does not say why it refused points of a write,
            since it can't note that in `_monitoring`.
    """
    told = yield from _named(name)
    if told.get("type") == _SYSTEM:
        raise invalid("name", f"must be a user's bucket, not {name!r}, which InfluxDB made for itself")
    found = _read(told)
    try:
        change = Change("DELETE", f"api/v2/buckets/{found.id}")
        yield from allowed(_do(change), f"write bucket {name!r}")
    except NotFoundError:
        # It was there a moment ago: an attempt whose answer was lost has deleted it, or somebody else.
        return


def allowed(steps: Steps[_T], right: str) -> Steps[_T]:
    """Do steps; if the server refuses the token, name the right that they need."""
    try:
        return (yield from steps)
    except AuthenticationError as error:
        named = AuthenticationError(f"the token must be allowed to {right}: {error}")
        named.status = error.status
        raise named from error


def _do(change: Change) -> Steps[Any]:
    return (yield change)


def _organization(name: str) -> Steps[str]:
    """Find the ID of the organization, which a token may learn from a bucket if from nothing else."""
    try:
        organizations = (yield AskJson("api/v2/orgs"))["orgs"]
        # A name may look like the ID of another organization; settings take that for an ID.
        ids = [one["id"] for one in organizations if name.lower() == one["id"]]
        ids += [one["id"] for one in organizations if name == one["name"]]
        if not ids:
            ids = [of for _, of in (yield from _mapped())]
    except (KeyError, TypeError) as error:
        raise unexpected("organizations") from error
    if ids:
        return str(ids[0])
    message = (
        f"the token must be allowed to read organization {name!r}, or any bucket of it, to create buckets"
    )
    raise AuthenticationError(message)


def _mapped() -> Steps[list[tuple[str, str]]]:
    """List the IDs of all buckets that the token may read, each with that of its organization."""
    answer = yield AskJson("api/v2/dbrps")
    try:
        return [(str(one["bucketID"]), str(one["orgID"])) for one in answer["content"]]
    except (KeyError, TypeError) as error:
        raise unexpected("DBRP mappings") from error


def _asked(parameters: tuple[tuple[str, str], ...]) -> Steps[list[dict[str, Any]]]:
    answer = yield AskJson("api/v2/buckets", parameters)
    try:
        return [dict(one) for one in answer["buckets"]]
    except (KeyError, TypeError, ValueError) as error:
        raise unexpected("buckets") from error


def _read(told: Any) -> Bucket:
    try:
        return Bucket.of(told)
    except (KeyError, TypeError, AttributeError) as error:
        raise unexpected("buckets") from error
