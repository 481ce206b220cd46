"""What is wrong, or unwise, about a template: tried with its sample values (pure).

A rule is a function that yields findings; an error keeps the template from being applied, a warning does not.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from jinja2 import meta, nodes

from postroom.messages import RESERVED_VALUES
from postroom.templates.language import language
from postroom.templates.rendering import Rendered, TemplateFault, compiled_part, part_of, render
from postroom.templates.template import Part, Template

Level = Literal["error", "warning"]
PARTS: tuple[Part, ...] = ("subject", "text", "html")
MAX_SUBJECT_CHARS = 200
GIVEN: Mapping[str, str] = {
    "recipient": "anna@example.com",
    "sender": "Example Ltd.",
    "signature": "Anna Example",
    "unsubscribe": "https://example.com/unsubscribe",
}
"""What Postroom gives every template, as samples."""
assert GIVEN.keys() == RESERVED_VALUES
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_IMAGE = re.compile(r"<img\b[^<>]*>", re.IGNORECASE)
_ALT = re.compile(r"\balt\s*=", re.IGNORECASE)
_HTTP = re.compile(r"http://[^\s\"'<>]+", re.IGNORECASE)
_REMOTE = re.compile(r"\bsrc\s*=\s*[\"']?https?:", re.IGNORECASE)
_SCRIPT = re.compile(r"<(script|iframe|object|embed|form)\b|\son[a-z]+\s*=", re.IGNORECASE)
_UNQUOTED = re.compile(r"\b[a-z-]+\s*=\s*\{\{", re.IGNORECASE)
_HREF = re.compile(r"\bhref\s*=\s*[\"']\s*\{\{(?P<value>[^{}]*)\}\}", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """One thing about a template, and what to do about it."""

    level: Level
    part: Part
    sentence: str


Rule = Callable[[Template, Rendered], Iterator[Finding]]


def lint(template: Template) -> Sequence[Finding]:
    """What there is to say about a template; nothing if all is well."""
    broken = [found for part in PARTS if (found := _broken(template, part)) is not None]
    if broken:
        return broken
    missing = [*_without_sample(template)]
    if missing:
        return missing
    try:
        rendered = render(template, sample_values(template))
    except TemplateFault as fault:
        return [Finding("error", fault.part, f"with the sample values: {fault.sentence}")]
    return [finding for rule in RULES for finding in rule(template, rendered)]


def sample_values(template: Template) -> dict[str, Any]:
    """The values that a template is tried with."""
    return {**template.sample, **GIVEN}


def variables(template: Template, part: Part) -> frozenset[str]:
    """The names that a part uses and does not bind itself. Raises TemplateFault if it is no template."""
    compiled_part(template, part)
    environment = language(autoescape=part == "html")
    return frozenset(meta.find_undeclared_variables(environment.parse(getattr(template, part))))


def _broken(template: Template, part: Part) -> Finding | None:
    try:
        compiled_part(template, part)
    except TemplateFault as fault:
        return Finding("error", part, fault.sentence)
    return None


def _without_sample(template: Template) -> Iterator[Finding]:
    known = {*template.sample, *GIVEN}
    for part in PARTS:
        for name in sorted(variables(template, part) - known):
            if not _is_optional(template, part, name):
                yield Finding("error", part, f"the variable {name} has no sample value: add it to `sample`")


def _is_optional(template: Template, part: Part, name: str) -> bool:
    """Whether the part can do without: it asks whether the name is there, or has a default for it."""
    values = {**dict.fromkeys(variables(template, part), "x"), **sample_values(template)}
    values.pop(name)
    try:
        part_of(template, part, values)
    except TemplateFault as fault:
        return f"the variable {name} has" not in fault.sentence
    return True


def _subject_is_one_line(template: Template, _rendered: Rendered) -> Iterator[Finding]:
    subject = part_of(template, "subject", sample_values(template)).strip()
    if _CONTROL.search(subject):
        yield Finding("error", "subject", "it has a line break or a control character: it must be one line")
    if len(subject) > MAX_SUBJECT_CHARS:
        yield Finding(
            "warning",
            "subject",
            f"it is longer than {MAX_SUBJECT_CHARS} characters: people see its beginning only",
        )


def _has_a_text_part(template: Template, _rendered: Rendered) -> Iterator[Finding]:
    if not template.text.strip():
        yield Finding("warning", "text", "there is none: it is made from the HTML part; look at the preview")


def _says_something(_template: Template, rendered: Rendered) -> Iterator[Finding]:
    if not rendered.text.strip():
        yield Finding("error", "text", "it is empty: people who read no HTML would see nothing")


def _escapes_values(template: Template, _rendered: Rendered) -> Iterator[Finding]:
    tree = language(autoescape=True).parse(template.html)
    for each in tree.find_all(nodes.Filter):
        if each.name == "safe":
            yield Finding(
                "warning",
                "html",
                f"line {each.lineno}: |safe puts a value in unescaped: whoever sets it writes the page",
            )


def _has_tame_markup(template: Template, _rendered: Rendered) -> Iterator[Finding]:
    for line, source in _lines(template.html):
        if _UNQUOTED.search(source):
            yield Finding(
                "error", "html", f'line {line}: put the attribute in quotes: name="{{{{ value }}}}"'
            )
        if _SCRIPT.search(source):
            yield Finding("error", "html", f"line {line}: mail programs run no scripts and show no forms")


def _links_are_checked(template: Template, _rendered: Rendered) -> Iterator[Finding]:
    for line, source in _lines(template.html):
        for match in _HREF.finditer(source):
            if not re.search(r"\|\s*link\b", match["value"]) and match["value"].strip() != "unsubscribe":
                yield Finding(
                    "warning",
                    "html",
                    f"line {line}: a link that is a value may be a script: write |link behind it",
                )


def _images_have_words(template: Template, rendered: Rendered) -> Iterator[Finding]:
    for match in _IMAGE.finditer(rendered.html or ""):
        if not _ALT.search(match[0]):
            yield Finding("warning", "html", 'an image has no alt="…": many people see no images')
        if _REMOTE.search(match[0]):
            yield Finding(
                "warning", "html", "an image is loaded from the web: most mail programs block it; use cid:"
            )


def _links_are_encrypted(_template: Template, rendered: Rendered) -> Iterator[Finding]:
    parts: tuple[tuple[Part, str], ...] = (("text", rendered.text), ("html", rendered.html or ""))
    for part, text in parts:
        if _HTTP.search(text):
            yield Finding("warning", part, "a link begins with http://: use https://")


RULES: tuple[Rule, ...] = (
    _subject_is_one_line,
    _has_a_text_part,
    _says_something,
    _escapes_values,
    _has_tame_markup,
    _links_are_checked,
    _images_have_words,
    _links_are_encrypted,
)
"""Asked in this order of a template that its sample values fill in."""


def _lines(source: str) -> Iterator[tuple[int, str]]:
    return enumerate(source.split("\n"), 1)
