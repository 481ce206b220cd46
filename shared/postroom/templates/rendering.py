"""Puts values into a template (pure).

The same template and values give the same mail. A name without a value, and whatever else does not work, is
an error that names the template, its part and the variable, and repeats no value: they may be confidential.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import Template as Compiled
from jinja2 import TemplateError, TemplateSyntaxError, UndefinedError

from postroom.errors import Permanent
from postroom.templates.language import BUDGET, MAX_STEPS, BadValue, TooMuch, bounded, language, parsed
from postroom.templates.plain import text_of
from postroom.templates.template import Part, Template

_SAYS_ALL = (UndefinedError, TooMuch, BadValue)
_CANNOT = (
    *(TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError),
    *(RecursionError, MemoryError),
)
_FILE = "<template>"


class TemplateFault(Permanent):
    """A template cannot be used as it is, or with these values; `sentence` goes without template and part."""

    def __init__(self, template: str, part: Part, sentence: str) -> None:
        super().__init__(f"template {template}, {part}: {sentence}")
        self.part = part
        self.sentence = sentence


@dataclass(frozen=True)
class Rendered:
    """A mail's subject and parts; `html` is None where the template has none."""

    subject: str
    text: str
    html: str | None


def render(template: Template, values: Mapping[str, Any]) -> Rendered:
    """The template with the values put in. Its text is made from the HTML part where it has none.

    Raises:
        TemplateFault: a name has no value, or the template or a value cannot be used so.
    """
    subject = part_of(template, "subject", values).strip()
    if not subject:
        raise TemplateFault(template.name, "subject", "it is empty")
    html = part_of(template, "html", values) if template.html.strip() else None
    text = part_of(template, "text", values) if template.text.strip() else text_of(html or "")
    return Rendered(subject, text, html)


def part_of(template: Template, part: Part, values: Mapping[str, Any]) -> str:
    """One part with the values put in. Raises TemplateFault."""
    compiled = compiled_part(template, part)
    try:
        return _filled(compiled, values)
    except _SAYS_ALL as error:
        raise TemplateFault(template.name, part, f"{_line(error)}{error}") from None
    except _CANNOT as error:
        why = f"{_line(error)}a value is not of the kind that is needed ({type(error).__name__})"
        raise TemplateFault(template.name, part, why) from None


def compiled_part(template: Template, part: Part) -> Compiled:
    """A part ready to be filled in. Raises TemplateFault if it is no template."""
    try:
        return _compiled(getattr(template, part), part == "html")
    except TemplateSyntaxError as error:
        raise TemplateFault(template.name, part, f"line {error.lineno}: {error.message}") from None
    except TemplateError as error:
        raise TemplateFault(template.name, part, str(error)) from None


@lru_cache(maxsize=300)
def _compiled(source: str, autoescape: bool) -> Compiled:
    environment = language(autoescape=autoescape)
    tree = parsed(source, autoescape=autoescape)
    try:
        code = environment.compile(tree, None, _FILE)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise TooMuch("it is nested too deeply") from error
    return Compiled.from_code(environment, code, environment.make_globals(None))


def _filled(compiled: Compiled, values: Mapping[str, Any]) -> str:
    pieces: list[str] = []
    size_chars = 0
    for piece in compiled.generate({**values, BUDGET: [MAX_STEPS]}):
        pieces.append(bounded(piece, size_chars))
        size_chars += len(piece)
    return "".join(pieces)


def _line(error: BaseException) -> str:
    """Where in the source it happened, as far as that is known."""
    line, step = None, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == _FILE:
            line = step.tb_lineno
        step = step.tb_next
    return f"line {line}: " if line else ""
