"""Reads templates from a folder: `NAME.yaml` with `NAME.txt`, `NAME.html` or both beside it.

The YAML has the subject and, where wanted, `account`, `default` and `sample`; the parts are files of their
own, so that editors and browsers show them as what they are.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from postroom.errors import Misconfigured
from postroom.fault import sentence
from postroom.templates.template import MAX_SOURCE_CHARS, Template

MAX_FILE_BYTES = 4 * MAX_SOURCE_CHARS
_KEYS = ("subject", "account", "default", "sample")
_PARTS = {"text": ".txt", "html": ".html"}


class TemplatesError(Misconfigured):
    """The folder cannot be used; a line for each fault."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("templates", "\n".join(faults))


def read_folder(folder: Path) -> tuple[Template, ...]:
    """The templates in the folder, by name.

    Raises:
        TemplatesError: it cannot be read, or a template in it is none; every fault is named.
    """
    if not folder.is_dir():
        raise TemplatesError([f"{folder}: is not a folder"])
    paths = sorted(folder.iterdir())
    heads = [path for path in paths if path.suffix == ".yaml"]
    faults = [_stray(path, heads) for path in paths if path.suffix in _PARTS.values()]
    found: list[Template] = []
    for head in heads:
        try:
            found.append(_template(head))
        except TemplatesError as error:
            faults.append(str(error))
    wrong = [fault for fault in (*faults, *_two_defaults(folder, found)) if fault]
    if wrong:
        raise TemplatesError(wrong)
    if not found:
        raise TemplatesError(
            [f"{folder}: has no templates: a template is NAME.yaml with NAME.txt or NAME.html"]
        )
    return tuple(found)


def _template(head: Path) -> Template:
    settings = _settings(head)
    parts = {part: _read(head.with_suffix(suffix)) for part, suffix in _PARTS.items()}
    fields = {"default": "is_default"}
    try:
        return Template.model_validate(
            {
                "name": head.stem,
                **{part: text for part, text in parts.items() if text is not None},
                **{fields.get(key, key): value for key, value in settings.items()},
            }
        )
    except ValidationError as error:
        raise TemplatesError(
            [f"{head}: {_field(each['loc'])}{sentence(each)}" for each in error.errors()]
        ) from None


def _field(loc: Sequence[str | int]) -> str:
    shown = ".".join(map(str, loc)).replace("is_default", "default")
    return f"{shown}: " if shown else ""


def _settings(head: Path) -> dict[str, Any]:
    text = _read(head) or ""
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise TemplatesError([f"{head}: aliases (*) are not allowed"])
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        raise TemplatesError([f"{head}: is no YAML{line}"]) from None
    except (ValueError, RecursionError):
        raise TemplatesError([f"{head}: is no YAML that can be read"]) from None
    if not isinstance(found, dict):
        raise TemplatesError([f"{head}: must have the key subject"])
    unknown = [str(key) for key in found if key not in _KEYS]
    if unknown:
        raise TemplatesError([f"{head}: {unknown[0]}: is not a setting; allowed here: {', '.join(_KEYS)}"])
    return found


def _read(path: Path) -> str | None:
    """The file's text; None if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise TemplatesError([f"{path}: is larger than {MAX_FILE_BYTES:,} bytes"])
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TemplatesError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError:
        raise TemplatesError([f"{path}: is not UTF-8 text"]) from None


def _stray(path: Path, heads: Sequence[Path]) -> str:
    head = path.with_suffix(".yaml")
    return "" if head in heads else f"{path}: belongs to no template: there is no {head.name}"


def _two_defaults(folder: Path, found: Sequence[Template]) -> list[str]:
    first: dict[str | None, str] = {}
    faults = []
    for each in found:
        if each.is_default and each.account in first:
            whose = f"of the account {each.account}" if each.account else "of all accounts"
            faults.append(f"{folder}: {first[each.account]} and {each.name} are both the default {whose}")
        elif each.is_default:
            first[each.account] = each.name
    return faults
