"""A letter as HTML for phones and desktops (pure).

Inline styles, since many mail programs drop style sheets; one small sheet for the dark scheme. No text is
white, tiny or hidden, not even on a button: replies quote it, and text that cannot be seen makes a
reply suspect.
"""

from functools import lru_cache
from html import escape

from postroom_sender.letter import Choice, Letter, guarded

_FONT = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
_HEAD = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
@media (prefers-color-scheme: dark) {{
.page {{ background: #16181d !important; }}
.card {{ background: #22252c !important; color: #e4e7ec !important; border-color: #3a3f4a !important; }}
.soft {{ color: #a4acb9 !important; }}
.quoted {{ background: #2b2f38 !important; color: #e4e7ec !important; border-color: #5b6475 !important; }}
}}
</style>
</head>
"""
_BODY = """<body class="page" style="margin:0;padding:16px 8px;background:#f2f4f7;{font}">
<div class="card" style="max-width:600px;margin:0 auto;padding:20px;box-sizing:border-box;
background:#fcfcfd;color:#1d2430;border:1px solid #dfe3e9;border-radius:10px;font-size:16px;line-height:1.5">
{content}</div>
</body>
</html>
"""
_TAP = "A tap on {} prepares the reply, which only has to be sent."
_SOFT = "color:#5b6472"
_HEADING = (
    '<h1 style="margin:0 0 12px;font-size:21px;line-height:1.3;overflow-wrap:anywhere">'
    '<span class="soft" style="display:block;font-size:15px;font-weight:normal;{soft}">{label}:</span>'
    " {subject}</h1>\n"
)
_FACT = (
    '<div style="margin:2px 0;overflow-wrap:anywhere"><span class="soft" style="{soft}">{label}:</span>'
    " {value}</div>\n"
)
_PARAGRAPH = '<p style="margin:16px 0 8px">{text}</p>\n'
_QUOTATION = (
    '<blockquote class="quoted" style="margin:16px 0;padding:10px 14px;background:#eef1f5;color:#1d2430;'
    'border-left:4px solid #b3bccb;border-radius:4px;overflow-wrap:anywhere">{text}</blockquote>\n'
)
_BUTTON = (
    '<div style="margin:10px 0"><a href="{link}" style="display:block;padding:14px 12px;border-radius:8px;'
    "border:2px solid {border};background:{background};color:{colour};font-size:17px;font-weight:bold;"
    'text-align:center;text-decoration:none;overflow-wrap:anywhere">{text}</a></div>\n'
)
# A quotation, so that no line of it reads as an answer.
_ACCOUNT_FOOTER = (
    '<blockquote class="soft" style="margin:8px 0 0;padding:0;font-size:13px;{soft};'
    'overflow-wrap:anywhere">{text}</blockquote>\n'
)
_FOOTER = '<p class="soft" style="margin:20px 0 0;font-size:13px;{soft};overflow-wrap:anywhere">{text}</p>\n'

# Border, background and letters of a button. Words whose sense we know look like it; the others are neutral.
_NEUTRAL = ("#3563b8", "#e4edfc", "#123a86")
_COLOURS = {
    "approve": ("#1d8043", "#e0f4e7", "#0b4f26"),
    "reject": ("#b8392f", "#fbe6e4", "#7d1a12"),
}


def as_html(letter: Letter) -> str:
    """The letter as an HTML document: ASCII, so that no charset can spoil it, in lines that end in LF."""
    words = letter.words

    def sentence(text: str) -> str:
        return _sentence(text, words)

    def paragraph(sentences: tuple[str, ...]) -> str:
        return _PARAGRAPH.format(text="<br>\n".join(map(sentence, sentences))) if sentences else ""

    def fact(template: str, label: str, value: str) -> str:
        field = "subject" if template is _HEADING else "value"
        return template.format(label=sentence(label), soft=_SOFT, **{field: escape(value)})

    content = [
        fact(_HEADING, letter.label, letter.subject),
        *(fact(_FACT, label, value) for label, value in letter.facts),
        paragraph(letter.opening),
        _quotation(letter.quotation),
        paragraph((*letter.how_to, _TAP.format("one of them" if len(letter.choices) > 1 else "it"))),
        *(_button(choice, sentence(f"Answer “{choice.word}”")) for choice in letter.choices),
        paragraph(letter.advice),
        _FOOTER.format(soft=_SOFT, text="<br>\n".join(map(sentence, letter.footer))),
        _ACCOUNT_FOOTER.format(soft=_SOFT, text=_broken(letter.account_footer))
        if letter.account_footer
        else "",
    ]
    title = escape(f"{letter.label}: {letter.subject}")
    page = _HEAD.format(title=title) + _BODY.format(font=_FONT, content="".join(content))
    return page.encode("ascii", "xmlcharrefreplace").decode()


@lru_cache(maxsize=1024)
def _sentence(text: str, words: tuple[str, ...]) -> str:
    return escape(guarded(text, words))


def _quotation(text: str) -> str:
    if not text:
        return ""
    return _QUOTATION.format(text=_broken(text))


def with_footer(page: str, footer: str, delimiter: str = "-- <br>\n") -> str:
    """A program's own page with the account's footer, or somebody's signature, at its end."""
    size = "font-size:13px" if delimiter else ""
    block = f'<div style="margin-top:20px;{size}">{delimiter}{_broken(footer)}</div>\n'
    end = page.lower().rfind("</body>")
    return page[:end] + block + page[end:] if end >= 0 else f"{page}\n{block}"


def _broken(text: str) -> str:
    """The text escaped, with its lines and spaces kept."""
    return "<br>\n".join(_spaced(escape(line)) for line in text.split("\n"))


def _spaced(line: str) -> str:
    """Keep indentation, which HTML would fold; line breaks of the source stay breaks."""
    return line.replace("\t", "    ").replace("  ", "&nbsp; ")


def _button(choice: Choice, text: str) -> str:
    border, background, colour = _COLOURS.get(choice.word.casefold(), _NEUTRAL)
    return _BUTTON.format(
        link=escape(choice.link), border=border, background=background, colour=colour, text=text
    )
