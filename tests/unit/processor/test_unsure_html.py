"""HTML of which nobody can tell what is seen, and words that only one of the two parts or the history has."""

from __future__ import annotations

import pytest

from postroom_processor.mail import read_mail
from postroom_processor.reply_text import OwnText, cut_plain_text, own_text
from postroom_processor.verdict import Decided, Unclear, read_verdict

# Each shows something else than its words, or may.
UNSURE = (
    "<p style='display:var(--x)'>approve",
    "<style>p:not(.a){display:none}</style><p>approve",
    "<style>:root{display:none}</style><p>approve",
    "<style>[class]{display:none}</style><p class=a>approve",
    "<style>p:first-child{display:none}</style><p>approve",
    "<link rel=stylesheet href='http://x.example/a.css'><p>approve",
    "<style>@import url(http://x.example/a.css);</style><p>approve",
    "<p style='text-indent:9999px'>approve",
    "<p style='position:absolute;left:-9999px'>approve",
    "<p style='left:9999px;position:relative'>approve",
    "<p style='width:1px;height:1px;overflow:hidden'>approve",
    "<style>.-x{display:none}</style><p class=-x>approve",
    "<style>.a{display:none;.b{color:red}}</style><p class=a>approve",
    "<style>.a{.b{color:red} display:none}</style><p class=a>approve",
    "<p style='background:red;color:red'>approve",
    "<div style='background:red'><span style='color:red'>approve",
    "<style>p{background:#000}</style><p>approve",
    "<style>p{color:red}</style><p style='background:red'>approve",
    "<p title=\"style='x'\" style='display:none'>approve",
    "<style>p::after{content:'?'}</style><p>approve",
    'approve<p x=a"> but not today</p><p y=">',
    "<style>p::after{content:'\\274c'}</style><p>approve",
    "<style>@font-face{font-family:E;src:url(x)}</style><p>approve",
    "<p style='left:calc(-1*9999px)'>approve",
    "<p style='font-size:3px'>approve",
    "<p style='color:lavender'>approve",
    "<style>.a\\:b{display:none}</style><p class='a:b'>approve",
    "<style>p:nth-child(1){opacity:0}</style><p>approve",
    "<style>&{display:none}</style><p>approve",
    "<style>p{color:var(--x)}</style><p>approve",
    "<p popover>approve",
    "<center style='zoom:1%'>approve",
)
# What programs write, and people see.
SEEN = (
    "<style>@font-face {font-family:Wingdings; panose-1:5;} @font-face{font-family:Aptos;}"
    ' p.MsoNormal, li.MsoNormal {margin:0in;font-size:11.0pt;font-family:"Aptos",sans-seri'
    "f;} a:link, span.MsoHyperlink {color:#467886;text-decoration:underline;} span.EmailSt"
    "yle17 {mso-style-type:personal-compose;color:windowtext;} .MsoChpDefault {mso-style-t"
    "ype:export-only;} @page WordSection1 {size:8.5in 11.0in;margin:1.0in 1.0in 1.0in 1.0i"
    "n;} div.WordSection1 {page:WordSection1;} @list l0:level1 {mso-level-number-format:bu"
    "llet;mso-level-text:x;text-indent:-.25in;font-family:Wingdings;} ol {margin-bottom:0i"
    'n;}</style><p class=MsoNormal style="font-size:12.0pt;color:red">approve</p>',
    '<div style="font-size:1em">approve</div>',
    '<div style="font-size:0.9em">approve',
    '<span style="background:yellow">approve</span>',
    '<span style="background: none repeat scroll 0% 0% white;color:blue">approve',
    '<div style="caret-color: rgb(0, 0, 0); color: rgb(0, 0, 0); font-family: Helvetica; -'
    "webkit-text-stroke-width: 0px;word-spacing: 0px;text-indent: 0px; white-space:normal;"
    'letter-spacing:normal">approve',
    '<style type="text/css" style="display:none;"> P {margin-top:0;margin-bottom:0;} </sty'
    'le><div class="elementToProof" style="font-family: Aptos, Calibri; font-size: 12pt; c'
    'olor: rgb(0, 0, 0);">approve',
    '<div style="margin-left:40px;padding:10px 0 0 120px;max-width:1000px">approve',
    '<p style="line-height:1.5;height:1em;width:100%">approve',
    '<div dir="ltr" title="it\'s">approve</div>',
    '<p style="color:inherit;background:transparent">approve',
    '<font color="red" size=2>approve',
    '<p style="width:600px;border-radius:9999px">approve',
    '<p style="font:12px/1.4 arial">approve',
    '<p style="font: 13px Helvetica">approve',
)
HEADERS = "From: Ann<br>Sent: Monday<br>To: Bob"
BELOW_HISTORY = (
    "<p>Approve</p><div id=appendonsend></div><p>No, wait</p>",
    f"<p>Approve</p><div id=appendonsend></div><p>I see no sense.</p><div id=divRplyFwdMsg>{HEADERS}</div>x",
    f"<p>Approve</p><div id=appendonsend></div><div id=divRplyFwdMsg>{HEADERS}</div>x<p>Actually no",
    "<p>Approve</p><div data-marker='__QUOTED_TEXT__'>x</div><p>Actually no",
    "<p>Approve</p><div id=mail-editor-reference-message-container>x</div><p>Actually no",
)


def of_html(html: str) -> OwnText:
    head = "From: a@corp.example\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    return own_text(read_mail(f"{head}{html}".encode()))


def of_both(text: str, html: str) -> OwnText:
    parts = "".join(
        f"--B\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{part}\r\n"
        for kind, part in (("plain", text), ("html", html))
    )
    head = "From: a@corp.example\r\nContent-Type: multipart/alternative; boundary=B\r\n\r\n"
    return own_text(read_mail(f"{head}{parts}--B--\r\n".encode()))


@pytest.mark.parametrize("html", UNSURE)
def test_html_of_which_nobody_can_tell_what_is_seen_decides_nothing(html: str) -> None:
    assert isinstance(read_verdict(of_html(html)), Unclear)


@pytest.mark.parametrize("html", SEEN)
def test_html_as_programs_write_it_is_understood(html: str) -> None:
    assert isinstance(read_verdict(of_html(html)), Decided)


@pytest.mark.parametrize(
    "html",
    [
        "<div style='color:var(--black)'>Approve</div>",
        "<style>p:not(.a){display:none}</style><p>Approve</p>",
        "<link rel=stylesheet href='http://x.example/a.css'><p>Approve</p>",
        "<div style='position:absolute'>Approve</div>",
    ],
)
def test_what_is_seen_does_not_matter_where_the_text_part_says_the_same(html: str) -> None:
    assert of_html(html).doubts == ("unsure-visibility",)
    assert isinstance(read_verdict(of_both("Approve", html)), Decided)
    assert isinstance(read_verdict(of_both("Approve", f"{html}<p>or so")), Unclear)


def test_a_refusal_in_the_signature_of_the_html_part_alone_stops_an_approval() -> None:
    signed = '<div>Approve</div><div class="gmail_signature">{}</div>'
    assert isinstance(read_verdict(of_both("Approve", signed.format("I do not approve"))), Unclear)
    assert isinstance(read_verdict(of_both("Approve", signed.format("Bob Miller"))), Decided)


@pytest.mark.parametrize("html", BELOW_HISTORY)
def test_own_words_below_a_mark_of_history_stop_an_approval(html: str) -> None:
    assert isinstance(read_verdict(of_html(html)), Unclear)


@pytest.mark.parametrize(
    ("last", "decides"), [("Actually no", False), ("Reply with approve or reject.", True)]
)
def test_a_short_refusal_at_the_end_of_unmarked_history_stops_an_approval(last: str, decides: bool) -> None:
    own = cut_plain_text(f"Approve\n\n-----Original Message-----\nFrom: Ann\nSent: Monday\n\n{last}\n")
    assert isinstance(read_verdict(own), Decided) is decides
