"""What a style says about whether a person can see a text: inline styles, style sheets, colours.

Erring towards hidden is safe: a text that may be hidden leaves a doubt, and with a doubt nothing is
decided.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

Colour = tuple[int, int, int]
BLACK: Colour = (0, 0, 0)
WHITE: Colour = (255, 255, 255)
UNKNOWN: Colour = (-1_000, -1_000, -1_000)
"""A colour that is written in a way that is not read here."""

_ZERO = r"0*(?:\.0*)?(?:px|pt|r?em|ex|ch|v[wh]|%)?\s*(?:;|!|$)"
_STARTS = r"(?:^|[;{\s\"'])"
_FAR = r"(?<![\w.#])(?:\d{4}|\d{3,}(?:\.\d+)?(?:r?em|v[wh]|%)|\d+(?:\.\d+)?e\+?\d)"
_PLACED = r"(?:text-indent|(?:letter|word)-spacing|(?:margin|padding|inset)[a-z-]*|left|top|right|bottom)"
# Declarations that take a text out of sight, in lower case and without comments and escapes.
_HIDDEN = (
    r"display\s*:\s*none",
    r"(?:content-)?visibility\s*:\s*(?:hidden|collapse)",
    r"mso-hide\s*:\s*all",
    r"font-size\s*:\s*[0-4](?:\.\d+)?(?:px|pt)?\s*(?:;|!|$)",
    r"font-size\s*:\s*(?:0|0?\.[0-4]\d*)(?:r?em|%)",
    r"font-size\s*:\s*(?:\.\d+(?:px|pt)?|[0-9]%|[1-3]\d%)\s*(?:;|!|$)",
    r"font\s*:\s*(?:[a-z-]+\s+|[1-9]00\s+){0,6}(?:0|\.\d|[0-4](?:\.\d+)?p[xt])",
    r"(?:line-height|zoom|(?:max-)?(?:height|width))\s*:\s*" + _ZERO,
    r"(?:line-height|(?:max-)?(?:height|width))\s*:\s*[0-2](?:\.\d+)?p[xt]",
    r"(?:line-height|(?:max-)?(?:height|width))\s*:\s*0?\.[0-4]",
    r"zoom\s*:\s*(?:0?\.[0-4]|[1-4]?\d%)",
    r"opacity\s*:\s*(?:0?\.[0-2]|0\s*(?:;|!|$)|[0-9]%|1[0-9]%)",
    _PLACED + r"\s*:[^;]{0,60}-\s?(?:\d{3}|\d+r?em)",
    _PLACED + r"\s*:[^;]{0,60}" + _FAR,
    r"(?:-webkit-)?(?:transform|clip|clip-path|mask|filter)\s*:\s*(?!none|auto|inherit|initial)",
    r"(?:scale|rotate|translate)\s*:\s*(?!none|1\s*(?:;|!|$))",
    r"(?:-webkit-)?text-security\s*:\s*(?!none)",
    r"font(?:-family)?\s*:[^;]{0,100}(?:wing|web)dings",
    r"color\s*:\s*(?:hwb|(?:ok)?l(?:ab|ch)|color(?:-mix)?)\(",
    r"-webkit-text-fill-color\s*:\s*transparent",
)
# Declarations with which nobody can tell from the text alone what is seen of it.
_UNSURE = (
    r"[\w-]+\s*:[^;]{0,200}(?<![\w-])(?!(?:rgb|hsl)a?\(|url\()[a-z][a-z-]*\(",
    r"position\s*:\s*(?:absolute|fixed|sticky)",
    r"z-index\s*:\s*-",
    r"flex-(?:direction|flow|wrap)\s*:[^;]{0,40}reverse",
    r"order\s*:",
    r"writing-mode\s*:\s*(?!horizontal)",
    r"animation(?:-name)?\s*:\s*(?!none)",
    r"(?:max-)?(?:height|width)\s*:\s*[3-9](?:\.\d+)?p[xt]",
)
_HIDES, _LEAVES_UNSURE = (
    re.compile(f"{_STARTS}(?:{'|'.join(declarations)})") for declarations in (_HIDDEN, _UNSURE)
)
_STRUCK = re.compile(r"text-decoration[\w-]*\s*:[^;]{0,80}line-through")
_REORDERED = re.compile(r"unicode-bidi\s*:\s*(?:bidi-override|isolate-override)")
# A style this long is no person's: what is in it is not looked at, and its text counts as hidden.
_LONGEST_STYLE_CHARS = 4_000
_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|(.))", re.I)
_COLOUR = re.compile(_STARTS + r"color\s*:\s*([^;!]{1,60})")
_BACKGROUND = re.compile(_STARTS + r"background(?:-color)?\s*:\s*([^;!]{1,60})")
_HEX = re.compile(r"#?([0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b")
_FUNCTION = re.compile(r"(rgb|hsl)a?\(([^)]{1,50})\)?")
_NUMBER = re.compile(r"[\d.]+%?")
_PALE_NAMES = frozenset(
    {
        *("white", "snow", "ivory", "whitesmoke", "ghostwhite", "floralwhite", "mintcream", "azure"),
        *("aliceblue", "honeydew", "seashell", "lightyellow", "lavenderblush", "oldlace", "linen"),
        *("beige", "cornsilk", "lightcyan", "canvas", "window", "lavender", "papayawhip", "mistyrose"),
        *("lemonchiffon", "lightgoldenrodyellow"),
    }
)
_DARK_NAMES = frozenset({"black", "windowtext", "canvastext", "navy", "darkblue", "midnightblue", "initial"})
_INHERITED = frozenset({"inherit", "unset", "revert", "currentcolor", "auto", "none", "transparent", ""})
# What a background may say besides its colour.
_BACKGROUND_WORD = re.compile(
    r"(?:no-)?repeat(?:-[xy])?|scroll|fixed|local|top|left|right|bottom|center|cover|contain|[\w-]+-box"
    r"|/|-?[\d.]+(?:[a-z]+|%)?"
)
# Below this distance, of 765, two colours look alike.
_ALIKE = 60


@dataclass(frozen=True)
class Look:
    """What a style says.

    Attributes:
        hidden: Whether it takes the text out of sight.
        struck: Whether it strikes the text out.
        reordered: Whether it turns the order of the letters round.
        colour: The text's colour; None if not said or unknown.
        background: Likewise.
        unsure: Whether it says something that cannot be told to show the text or not.
    """

    hidden: bool = False
    struck: bool = False
    reordered: bool = False
    colour: Colour | None = None
    background: Colour | None = None
    unsure: bool = False


PLAIN = Look()


@lru_cache(maxsize=1024)
def look_of(style: str) -> Look:
    """Read a style attribute or the declarations of a rule; never raises."""
    if not style:
        return PLAIN
    if len(style) > _LONGEST_STYLE_CHARS:
        return Look(hidden=True)
    plain = _plain(style)
    written, behind = _COLOUR.search(plain), _BACKGROUND.search(plain)
    transparent = written is not None and _is_transparent(written.group(1).strip())
    return Look(
        transparent or _HIDES.search(plain) is not None,
        _STRUCK.search(plain) is not None,
        _REORDERED.search(plain) is not None,
        said_colour(written.group(1)) if written else None,
        _said_background(behind.group(1)) if behind else None,
        _LEAVES_UNSURE.search(plain) is not None,
    )


def said_colour(value: str) -> Colour | None:
    """Read a colour; None for the one around, `UNKNOWN` for one that is written in a way not read here."""
    return None if value.strip().lower() in _INHERITED else colour_of(value) or UNKNOWN


def _said_background(value: str) -> Colour | None:
    whole = said_colour(value)
    if whole != UNKNOWN:
        return whole
    words = [word for word in value.split() if not _BACKGROUND_WORD.fullmatch(word)]
    colours = [colour for colour in map(said_colour, words) if colour is not None]
    known = [colour for colour in colours if colour != UNKNOWN]
    return next(iter(known or colours), None)


def are_alike(one: Colour, other: Colour) -> bool:
    """Whether a text of one colour cannot be read on the other."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True)) < _ALIKE


def colour_of(value: str) -> Colour | None:
    """Read a colour as CSS or an HTML attribute writes it; None for one that is not known."""
    text = value.strip().lower()
    if text in _PALE_NAMES:
        return WHITE
    if text in _DARK_NAMES:
        return BLACK
    found = _HEX.match(text)
    if found:
        return _hex(found.group(1))
    function = _FUNCTION.match(text)
    return _function(function.group(1), _NUMBER.findall(function.group(2))) if function else None


def _hex(digits: str) -> Colour:
    wide = digits if len(digits) >= 6 else "".join(digit * 2 for digit in digits)
    return int(wide[:2], 16), int(wide[2:4], 16), int(wide[4:6], 16)


def _function(name: str, numbers: list[str]) -> Colour | None:
    values = [_channel(each) for each in numbers[:3]]
    if len(values) < 3:
        return None
    if name == "rgb":
        return values[0], values[1], values[2]
    # Of hue, saturation and lightness only the ends of the last tell enough here.
    return {255: WHITE, 0: BLACK}.get(values[2])


def _channel(number: str) -> int:
    try:
        value = float(number.rstrip("%"))
    except ValueError:
        return 0
    return min(255, round(value * 2.55 if number.endswith("%") else value))


def _is_transparent(value: str) -> bool:
    if value == "transparent" or re.fullmatch(r"#[0-9a-f]{3}0|#[0-9a-f]{6}0[0-9a-f]", value):
        return True
    function = _FUNCTION.match(value)
    numbers = _NUMBER.findall(function.group(2)) if function else []
    return (
        len(numbers) == 4 and re.fullmatch(r"0*\.?[01]?\d?|\d%", numbers[3]) is not None and numbers[3] != "1"
    )


def _plain(style: str) -> str:
    lower = _without_comments(style.lower())
    return _ESCAPE.sub(_unescaped, lower) if "\\" in lower else lower


def _without_comments(style: str) -> str:
    first, *rest = style.split("/*")
    return first + "".join(each.partition("*/")[2] for each in rest)


def _unescaped(match: re.Match[str]) -> str:
    code, letter = match.groups()
    if letter is not None:
        return str(letter)
    number = int(code, 16)
    return chr(number).lower() if number < 0x110000 else ""


# Style sheets.

# Of a selector's last element: its tag, then its classes and id, of which the last one is taken.
_LAST_ELEMENT = re.compile(r"(?:^|[\s>+~])(?:\*|[a-z][\w-]*)?(?:[#.][\w-]+)*$")
_LAST_NAME = re.compile(r"[#.]?[\w-]+$|\*$")
_GENERATED = re.compile(r":(?:before|after|marker)\s*$")
_SAYS_WORDS = re.compile(r"content\s*:\s*[^;]{0,200}[^\s;\"'.\xa0]")
_FETCHED = re.compile(r"@import|@font-face\s*\{[^}]{0,2000}src\s*:")
_LONGEST_SELECTOR_CHARS = 100
_MOST_RULES = 5_000  # more are not looked at


@dataclass(frozen=True)
class Sheet:
    """What a style sheet says: looks by ``tag``, ``.class``, ``#id`` or ``*``.

    Attributes:
        looks: The looks that hide, strike out, reorder or colour; which of several wins is not asked.
        adds_words: Whether it puts words before or after something.
        unsure: Whether it does such things to elements that its selectors do not simply name, or fetches
            what may do them.
    """

    looks: dict[str, Look]
    adds_words: bool
    unsure: bool = False


EMPTY_SHEET = Sheet({}, False)


def read_sheet(css: str) -> Sheet:
    """Read the rules of style sheets that matter here; linear, never raises."""
    looks: dict[str, Look] = {}
    adds_words = False
    plain = _plain(css)
    unsure = _FETCHED.search(plain) is not None
    rules = plain.split("}")
    if len(rules) > _MOST_RULES:
        return Sheet({}, adds_words=True, unsure=True)
    for rule in rules:
        head, _, declarations = rule.rpartition("{")
        outer, _, selectors = head.replace(";", "{").rpartition("{")
        look = _at_worst(look_of(declarations))
        unsure = unsure or _acts(_at_worst(look_of(outer)))
        for selector in selectors.split(","):
            selector = selector.strip()[-_LONGEST_SELECTOR_CHARS:]
            name = _named(selector)
            if _GENERATED.search(selector):
                adds_words = adds_words or _SAYS_WORDS.search(declarations) is not None
            elif name and look != PLAIN:
                looks[name] = _either(looks.get(name, PLAIN), look)
            elif not name and _acts(look):
                unsure = True
    return Sheet(looks, adds_words, unsure)


def _at_worst(look: Look) -> Look:
    """A look whose colours may be of an element inside or outside of the one that it names."""
    pale = look.colour is not None and are_alike(look.colour, look.background or WHITE)
    painted = look.background is not None and not are_alike(look.background, WHITE)
    return replace(look, hidden=look.hidden or pale, unsure=look.unsure or painted)


def _acts(look: Look) -> bool:
    return look.hidden or look.struck or look.reordered or look.unsure


def _either(one: Look, other: Look) -> Look:
    return Look(
        one.hidden or other.hidden,
        one.struck or other.struck,
        one.reordered or other.reordered,
        one.colour or other.colour,
        one.background or other.background,
        one.unsure or other.unsure,
    )


def _named(selector: str) -> str:
    """The tag, class or id of the elements that a selector means; empty if it does not simply name them.

    What at-rules describe, such as fonts, pages and lists, is no element: for them the rule itself is given.
    """
    if selector.startswith("@"):
        return selector
    found = _LAST_ELEMENT.search(selector)
    name = _LAST_NAME.search(found.group()) if found else None
    return name.group() if name else ""
