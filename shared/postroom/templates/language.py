"""What templates may do: Jinja2's language, cut down to what writing a mail takes (pure).

Names, items, comparisons, `if`, `for`, sums and filters from a list. No calls, no assignments, no macros, no
inclusion: what is not there cannot be made to run long, grow large, or reach out. What a name stands for is
JSON, of which only items are looked up, never attributes. Jinja2's sandbox stands behind that.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes, pass_context, pass_eval_context
from jinja2.filters import FILTERS, do_join
from jinja2.nodes import EvalContext
from jinja2.runtime import Context, LoopContext, Undefined
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup, escape

MAX_OUTPUT_CHARS = 1_000_000
MAX_STEPS = 10_000
"""Of all loops of a part together."""
MAX_DEPTH = 5
MAX_NUMBER = 10**15
BUDGET = "0steps"
"""Where the rest of the steps is kept in a context: no name in a template can be this."""

_ALLOWED_FILTERS = (
    *("abs", "capitalize", "count", "d", "default", "dictsort", "e", "escape", "first", "float", "int"),
    *("items", "last", "length", "list", "lower", "max", "min", "reverse", "round", "safe", "sort"),
    *("string", "title", "trim", "truncate", "unique", "upper", "urlencode", "wordcount"),
)
_ALLOWED_TESTS = (
    *("defined", "undefined", "none", "string", "number", "mapping", "sequence", "true", "false", "boolean"),
    *("even", "odd", "divisibleby", "in", "eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le"),
    *("<=", "gt", "greaterthan", ">", "ge", ">=", "lower", "upper", "integer", "float", "iterable"),
)
_ALLOWED_NODES = (
    *(
        nodes.Template,
        nodes.Output,
        nodes.TemplateData,
        nodes.Name,
        nodes.Const,
        nodes.Getattr,
        nodes.Getitem,
    ),
    *(nodes.If, nodes.For, nodes.CondExpr, nodes.Filter, nodes.Test, nodes.Compare, nodes.Operand),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Mul, nodes.Div),
    *(nodes.FloorDiv, nodes.Neg, nodes.Pos, nodes.Slice, nodes.List, nodes.Tuple, nodes.Keyword),
)
_SAID = {
    nodes.Call: "nothing can be called here",
    nodes.Assign: "nothing can be set here; give it as a value",
    nodes.AssignBlock: "nothing can be set here; give it as a value",
    nodes.Include: "no other file can be included",
    nodes.Import: "no other file can be imported",
    nodes.FromImport: "no other file can be imported",
    nodes.Extends: "no other template can be extended",
    nodes.Macro: "there are no macros",
    nodes.Pow: "there are no powers",
    nodes.Mod: "there is no %",
}


class TooMuch(TemplateError):
    """A part would take too long or become too large."""


class BadValue(TemplateError):
    """A value is not of the kind that the template needs; the text says which, and does not repeat it."""


class _Missing(StrictUndefined):
    """What has no value: using it is an error that names it."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or f"the variable {self._undefined_name} has no value"


class _Language(SandboxedEnvironment):
    """Jinja2 without a way to files, to Python or to unbounded work."""

    intercepted_binops = frozenset({"*", "+", "/", "//", "-"})

    def __init__(self, *, autoescape: bool) -> None:
        super().__init__(
            autoescape=autoescape,
            undefined=_Missing,
            finalize=_printable,
            loader=None,
            optimized=False,
            cache_size=0,
        )
        self.trim_blocks = self.lstrip_blocks = True
        self.keep_trailing_newline = True
        self.globals.clear()
        self.filters = {name: FILTERS[name] for name in _ALLOWED_FILTERS} | _OWN_FILTERS
        self.tests = {name: self.tests[name] for name in _ALLOWED_TESTS if name in self.tests}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """An item; of the `loop` object what it tells. Never an attribute of a value."""
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return super().getattr(obj, attribute)
        return _item(obj, attribute, _Missing(name=f"….{attribute}"))

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item of a dict, list or text; nothing else has any. What it is looked up by may be a value."""
        return _item(obj, argument, _Missing("an item that is looked up with [ ] is not there"))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Numbers of a bounded size; texts may be added."""
        if operator == "+" and isinstance(left, str) and isinstance(right, str):
            return bounded(left) + bounded(right)
        for number in (left, right):
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise BadValue(f"{operator} is for numbers, and + for two texts as well")
            if abs(number) > MAX_NUMBER:
                raise TooMuch(f"a number is beyond {MAX_NUMBER:.0e}")
        return super().call_binop(context, operator, left, right)


def _printable(value: Any) -> Any:
    """What may stand in a mail: nobody means `None` or `{'a': 1}` to be read."""
    if isinstance(value, str | int | float | Undefined):
        return value
    raise BadValue("only texts and numbers can be written; look up an item, or write a list with join")


def _item(obj: Any, argument: Any, missing: Undefined) -> Any:
    if isinstance(obj, Undefined):
        return obj[argument]
    if isinstance(obj, Mapping | Sequence):
        try:
            return obj[argument]
        except (LookupError, TypeError, ValueError):
            pass
    return missing


_LOOP = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth"})


def bounded(text: str, before_chars: int = 0) -> str:
    """The text; raises TooMuch if it is too large with what came before it."""
    if before_chars + len(text) > MAX_OUTPUT_CHARS:
        raise TooMuch(f"it has more than {MAX_OUTPUT_CHARS:,} characters")
    return text


@pass_context
def _counted(context: Context, value: Iterable[Any]) -> Iterator[Any]:
    """What a loop goes over, counted."""
    budget: list[int] = context[BUDGET]
    for each in value:
        budget[0] -= 1
        if budget[0] < 0:
            raise TooMuch(f"its loops take more than {MAX_STEPS:,} steps")
        yield each


@pass_eval_context
def _join(eval_ctx: EvalContext, value: Iterable[Any], separator: str = "") -> str:
    """The texts with the separator between them."""
    texts = list(value)
    bounded("", len(texts) * len(str(separator)))
    joined: str = do_join(eval_ctx, texts, str(separator))
    return joined


def _sum(value: Iterable[Any]) -> float:
    """The sum of numbers."""
    numbers: list[float] = list(value)
    if not all(isinstance(each, int | float) for each in numbers):
        raise BadValue("sum is for numbers")
    return sum(numbers)


def _fixed(value: float, places: int = 2) -> str:
    """A number with so many decimal places, 10 at most."""
    return f"{float(value):.{min(max(int(places), 0), 10)}f}"


def _link(value: Any) -> str:
    """A URL for an href: http, https or mailto.

    Raises:
        BadValue: it is something else, such as a script.
    """
    text = str(value).strip()
    if not text.lower().startswith(("https://", "http://", "mailto:")) or not text.isprintable():
        raise BadValue("a link must begin with https://, http:// or mailto:")
    return text


@pass_eval_context
def _breaks(eval_ctx: EvalContext, value: Any) -> str:
    """A text whose lines stay lines in HTML."""
    if not eval_ctx.autoescape:
        return str(value)
    return Markup("<br>\n").join(escape(line) for line in str(value).split("\n"))


_COUNTED = "0counted"
_OWN_FILTERS: dict[str, Callable[..., Any]] = {
    _COUNTED: _counted,
    "join": _join,
    "sum": _sum,
    "fixed": _fixed,
    "link": _link,
    "breaks": _breaks,
}
FILTER_NAMES = tuple(sorted({*_ALLOWED_FILTERS, *_OWN_FILTERS} - {_COUNTED}))


@lru_cache(maxsize=2)
def language(*, autoescape: bool) -> SandboxedEnvironment:
    """The language for HTML (values are escaped) or for text."""
    return _Language(autoescape=autoescape)


def parsed(source: str, *, autoescape: bool) -> nodes.Template:
    """The template as a tree, with every loop counted.

    Raises:
        TemplateError: it is no template, or uses what is not allowed; with the line.
    """
    try:
        tree = language(autoescape=autoescape).parse(source)
        _check(tree, 0)
    except RecursionError as error:
        raise TooMuch("it is nested too deeply") from error
    for loop in tree.find_all(nodes.For):
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [], [], None, None, lineno=loop.lineno)
    return tree


def _check(node: nodes.Node, depth: int) -> None:
    if not isinstance(node, _ALLOWED_NODES):
        raise _refused(node, _SAID.get(type(node), f"{type(node).__name__.lower()} is not allowed"))
    if isinstance(node, nodes.For):
        depth += 1
        if node.recursive or depth > MAX_DEPTH:
            raise _refused(node, f"loops are not recursive, and {MAX_DEPTH} deep at most")
    if isinstance(node, nodes.Filter | nodes.Test) and (wrong := _wrong_arguments(node)):
        raise _refused(node, wrong)
    for child in node.iter_child_nodes():
        _check(child, depth)


def _wrong_arguments(node: nodes.Filter | nodes.Test) -> str | None:
    if node.dyn_args is not None or node.dyn_kwargs is not None:
        return "arguments with * are not allowed"
    if isinstance(node, nodes.Filter) and node.node is None:
        return "filter blocks are not allowed"
    if isinstance(node, nodes.Filter) and node.name not in FILTER_NAMES:
        return f"there is no filter {node.name}; there are {', '.join(FILTER_NAMES)}"
    return None


def _refused(node: nodes.Node, why: str) -> TemplateError:
    return TemplateError(f"line {node.lineno}: {why}")


__all__ = [
    "BUDGET",
    "BadValue",
    "FILTER_NAMES",
    "MAX_OUTPUT_CHARS",
    "MAX_STEPS",
    "TooMuch",
    "bounded",
    "language",
    "parsed",
]
