"""Compare what the packages export with the last release: `python -m tools.api`.

A name that is gone, a signature that no longer takes what it took, a default that changed, and a class that
lost a base fail unless CHANGELOG.md names them under Changed or Removed. The types of arguments, results and
attributes are not compared. Without a tag in this clone there is nothing to compare with.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

from tools import versions

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT = Path(__file__).parents[1]
_PACKAGES = {"db-core": "db_core", "db-influx": "db_influx", "db-redis": "db_redis"}
# The documents import from these. The other modules are ours, also where their names have no underscore.
_MODULES = ("db_core", "db_influx", "db_influx.dask", "db_influx.polars", "db_influx.spark", "db_redis")

__all__ = ["breaks", "last_tag"]


def main() -> int:
    """Print what breaks; return whether something does."""
    tag = last_tag(_ROOT)
    if tag is None:
        print("This clone has no tag of an earlier release, so that the exports are compared with nothing.")
        return 0
    found = breaks(_ROOT, tag)
    for line in found:
        print(line)
    print(f"{len(found)} breaking changes since {tag} that CHANGELOG.md does not name")
    return int(bool(found))


def last_tag(root: Path) -> str | None:
    """Return the newest tag of a version that is of an earlier commit than this one."""
    earlier = ["--merged", "HEAD", "--no-contains", "HEAD"]
    command = ["git", "tag", "--list", "v[0-9]*", *earlier, "--sort=-version:refname"]
    tags = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split()
    return tags[0] if tags else None


def breaks(root: Path, tag: str) -> list[str]:
    """Return a line for each change of an exported name that breaks its users and is not in the changelog."""
    folders = [Path("packages") / package / "src" for package in _PACKAGES]
    named = versions.named_changes(root, tag.removeprefix("v"))
    old: dict[str, griffe.Object] = {}
    new: dict[str, griffe.Object] = {}
    for package in _PACKAGES.values():
        old |= _exports(griffe.load_git(package, ref=tag, repo=root, search_paths=folders))
        new |= _exports(griffe.load(package, search_paths=[root / folder for folder in folders]))
    return [
        f"{path}: {told}"
        for path, exported in old.items()
        for member, told in _changes(path, exported, new.get(path))
        if not _spellings(path, member) & named
    ]


def _exports(package: griffe.Object | griffe.Alias) -> dict[str, griffe.Object]:
    """Map the paths of a package's exports, as users import them, to what they are."""
    exports: dict[str, griffe.Object] = {}
    for path in _MODULES:
        name, _, inner = path.partition(".")
        if name == package.name and (not inner or inner in package.members):
            module = package[inner] if inner else package
            exports |= {f"{path}.{each}": _itself(module.members[str(each)]) for each in module.exports or ()}
    for exported in exports.values():
        for member in exported.all_members.values() if exported.is_class else [exported]:
            if isinstance(function := _itself(member), griffe.Function):
                _spell_out(function)
    return exports


def _changes(path: str, old: griffe.Object, new: griffe.Object | None) -> Iterator[tuple[str, str]]:
    """Yield the changes of an export: the name of its member, or its own, and a sentence."""
    name = path.rpartition(".")[2]
    if new is None:
        yield name, "It is gone."
        return
    for change in griffe.find_breaking_changes(_alone(name, old), _alone(name, new)):
        if change.kind is not griffe.BreakageKind.CLASS_REMOVED_BASE:  # it counts bases, ours as well
            yield change.obj.name, change.explain(griffe.ExplanationStyle.ONE_LINE)
    if isinstance(old, griffe.Class) and isinstance(new, griffe.Class):
        yield from ((name, f"It is no {base} any more.") for base in sorted(_bases(old) - _bases(new)))


def _spellings(path: str, member: str) -> set[str]:
    """Return the names by which the changelog may call a member of an export, or the export itself."""
    module, _, name = path.rpartition(".")
    if member in {name, "__init__"}:
        return {name, path}
    return {member, f"{name}.{member}", f"{module}.{name}.{member}"}


def _alone(name: str, exported: griffe.Object) -> griffe.Module:
    """Return a module with this export alone, so that it does not matter where it is defined."""
    alone = griffe.Module("alone")  # griffe passes over an object that it has met under the same path
    alone.exports = [name]
    alone.members[name] = griffe.Alias(name, exported, parent=alone)
    return alone


def _itself(member: griffe.Object | griffe.Alias) -> griffe.Object:
    return member.final_target if isinstance(member, griffe.Alias) else member


def _spell_out(function: griffe.Function) -> None:
    """Put the keywords of a TypedDict in the place of `**options: Unpack[Options]`."""
    for parameter in list(function.parameters):
        annotation = parameter.annotation
        if isinstance(annotation, griffe.ExprSubscript) and annotation.canonical_path.endswith(".Unpack"):
            assert isinstance(annotation.slice, griffe.Expr)
            options = function.modules_collection[annotation.slice.canonical_path]
            del function.parameters[parameter.name]
            for name in options.all_members:
                keyword = griffe.Parameter(name, kind=griffe.ParameterKind.keyword_only, default="...")
                function.parameters.add(keyword)


def _bases(this: griffe.Class) -> set[str]:
    """Return the names of the classes that this one extends, without those that only we know."""
    paths = {
        base if isinstance(base, str) else base.canonical_path
        for each in (this, *this.mro())
        for base in each.bases
    }
    ours = tuple(f"{package}." for package in _PACKAGES.values())
    return {
        path.rpartition(".")[2]
        for path in paths
        if path.startswith("db_core.errors.") or not path.startswith(ours)
    }


if __name__ == "__main__":
    sys.exit(main())
