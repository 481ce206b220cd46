"""What applying a folder of templates would change (pure)."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from postroom.templates.template import Template

Kind = Literal["added", "changed", "removed", "left"]
_PARTS = ("subject", "text", "html")


@dataclass(frozen=True)
class TemplateChange:
    """What happens to a template. `left`: not in the folder, and stays."""

    name: str
    kind: Kind
    before: Template | None
    after: Template | None


def planned(
    current: Mapping[str, Template], wanted: Sequence[Template], *, prune: bool
) -> tuple[TemplateChange, ...]:
    """The changes that make the templates those of a folder; those that are the same are left out."""
    changes = [
        TemplateChange(each.name, "changed" if each.name in current else "added", before, each)
        for each in wanted
        if (before := current.get(each.name)) != each
    ]
    rest = sorted(current.keys() - {each.name for each in wanted})
    return (
        *changes,
        *(TemplateChange(name, "removed" if prune else "left", current[name], None) for name in rest),
    )


def difference(change: TemplateChange) -> Iterator[str]:
    """The lines that differ, each with + or - before it and part of the template above."""
    if change.kind != "changed" or change.before is None or change.after is None:
        return
    before, after = _sources(change.before), _sources(change.after)
    for part in after:
        lines = difflib.unified_diff(before[part].splitlines(), after[part].splitlines(), lineterm="", n=1)
        found = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
        if found:
            yield f"{part}:"
            yield from (f"  {line}" for line in found)


def two_defaults(current: Mapping[str, Template], changes: Sequence[TemplateChange]) -> str | None:
    """What would be wrong afterwards between templates of the folder and those that stay."""
    after = {**current, **{each.name: each.after for each in changes if each.after is not None}}
    for each in changes:
        if each.kind == "removed":
            after.pop(each.name)
    first: dict[str | None, str] = {}
    for template in after.values():
        if template.is_default and template.account in first:
            whose = f"of the account {template.account}" if template.account else "of all accounts"
            return f"{first[template.account]} and {template.name} would both be the default {whose}"
        if template.is_default:
            first[template.account] = template.name
    return None


def _sources(template: Template) -> dict[str, str]:
    document = template.document
    settings = {name: value for name, value in document.items() if name not in _PARTS}
    return {
        "settings": json.dumps(settings, indent=1, sort_keys=True, ensure_ascii=False),
        **{part: document[part] for part in _PARTS},
    }
