# ruff: noqa: E501, RUF001
# Mail as programs write it.
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor.html_text import read_html
from postroom_processor.mail import read_mail
from postroom_processor.reply_text import OwnText, cut_plain_text, own_text
from postroom_processor.verdict import Decided, Unclear, read_verdict

HISTORY = "<div>Release 4.2</div><div>Reply with approve or reject.</div>"


def own_of_html(html: str) -> OwnText:
    head = b"From: a@x.org\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
    return own_text(read_mail(head + html.encode()))


def own_of_both(text: str, html: str) -> OwnText:
    return own_text(
        read_mail(
            "From: a@x.org\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=B\r\n\r\n"
            f"--B\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}\r\n"
            f"--B\r\nContent-Type: text/html; charset=utf-8\r\n\r\n{html}\r\n--B--\r\n".encode()
        )
    )


@pytest.mark.parametrize(
    "html",
    [
        # Gmail
        f'<div dir="ltr">Approve</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Mon, '
        f'Jan 1, 2024 at 10:00 AM P &lt;<a href="mailto:p@x.org">p@x.org</a>&gt; wrote:<br></div>'
        f'<blockquote class="gmail_quote">{HISTORY}</blockquote></div>',
        # Gmail in a language nobody taught us, with a signature
        f'<div dir="ltr">Approve<div><br></div>-- <br><div class="gmail_signature">Bob<br>approve</div></div>'
        f'<div class="gmail_quote"><div class="gmail_attr">Qqq zzz 2024, P:<br></div><blockquote>{HISTORY}'
        "</blockquote></div>",
        # Outlook on the web
        '<div class="elementToProof">Approve</div><div id="Signature"><p>Bob</p></div>'
        f'<div id="appendonsend"></div><hr><div id="divRplyFwdMsg"><b>From:</b> P<br><b>Sent:</b> Monday<br>'
        f"<b>To:</b> Bob<br><b>Subject:</b> Release</div>{HISTORY}",
        # Outlook on the desktop: only the header block tells
        '<html><head><style>p.MsoNormal {margin:0}</style></head><body><div class="WordSection1"><p class='
        '"MsoNormal">Approve<o:p></o:p></p><p class="MsoNormal"><o:p>&nbsp;</o:p></p><div style="border:none;'
        'border-top:solid #E1E1E1 1.0pt"><p class="MsoNormal"><b>From:</b> P &lt;p@x.org&gt;<br><b>Sent:</b> '
        f"Monday, January 1, 2024<br><b>To:</b> Bob<br><b>Subject:</b> Release</p></div>{HISTORY}</div></body>",
        # Outlook mobile
        '<div dir="auto">Approve</div><div id="ms-outlook-mobile-signature">Get <a>Outlook for iOS</a></div>'
        f'<hr><div id="divRplyFwdMsg"><strong>From:</strong> P</div>{HISTORY}',
        # Apple Mail
        '<html><body>Approve<br><div><br><blockquote type="cite"><div>On 1. Jan 2024, at 10:00, P &lt;p@x.org'
        f"&gt; wrote:</div><br><div>{HISTORY}</div></blockquote></div><br></body></html>",
        # iPhone
        '<div dir="auto">Approve<br><br><div dir="ltr">Sent from my iPhone</div><div dir="ltr"><br><blockquote'
        f' type="cite">On Jan 1, 2024, at 10:00, P &lt;p@x.org&gt; wrote:<br><br></blockquote></div>'
        f'<blockquote type="cite"><div dir="ltr">\ufeff{HISTORY}</div></blockquote></div>',
        # Yahoo
        f'<div>Approve</div><div id="yahoo_quoted_1" class="yahoo_quoted"><div>On Monday, P wrote:</div>{HISTORY}'
        "</div>",
        # Thunderbird, top- and bottom-posted
        f'<p>Approve</p><div class="moz-cite-prefix">Am 01.01.24 um 10:00 schrieb P:<br></div>'
        f'<blockquote type="cite">{HISTORY}</blockquote>',
        f'<div class="moz-cite-prefix">On 01/01/24 10:00, P wrote:<br></div><blockquote type="cite">{HISTORY}'
        '</blockquote><p>Approve</p><pre class="moz-signature">-- \nBob</pre>',
        # Zimbra
        f'<div>Approve</div><hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__QUOTED_TEXT__">{HISTORY}'
        "</div>",
        # Proton
        f'<div>Approve</div><div class="protonmail_signature_block">Sent with Proton</div><div class='
        f'"protonmail_quote">On Monday, P wrote:<br><blockquote class="protonmail_quote">{HISTORY}</blockquote>'
        "</div>",
        # Unclosed and crossed tags
        "<b><div>Approve</b><p></div>",
        "<p>Approve",
        "Appro<b>ve</b>",
        "<table><tr><td>Approve</td></tr></table>",
        "Approve<!-- if tests pass -->",
        "<title>no</title><script>if (a<b) no()</script>Approve",
        "<P CLASS=x>&#65;pprove&nbsp;</P>",
    ],
)
def test_the_own_text_of_an_html_mail_is_found(html: str) -> None:
    own = own_of_html(html)
    assert (own.text, own.doubts) == ("Approve", ())
    assert isinstance(read_verdict(own), Decided)


@pytest.mark.parametrize(
    ("html", "doubt"),
    [
        ('Approve<span style="display:none"> not</span>', "hidden-text"),
        ('Approve<span style="font-size:0px"> not</span>', "hidden-text"),
        ('Approve<span style="color: white"> not</span>', "hidden-text"),
        ('Approve<font color="#FFFFFF"> not</font>', "hidden-text"),
        ('<div style="visibility:hidden">Approve</div>', "hidden-text"),
        ("<p hidden>Approve</p>", "hidden-text"),
        ("<s>Approve</s>", "struck-out-text"),
        ("<del>Approve</del> wait", "struck-out-text"),
        ('<span style="text-decoration: underline line-through">Approve</span>', "struck-out-text"),
        ("Approve<!-- never closed", "broken-html"),
        ('Approve<a href="never closed', "broken-html"),
        ("Approve<script>never closed", "broken-html"),
    ],
)
def test_html_that_hides_strikes_or_breaks_is_doubted(html: str, doubt: str) -> None:
    own = own_of_html(html)
    assert doubt in own.doubts
    assert isinstance(read_verdict(own), Unclear)


@pytest.mark.parametrize(
    "hides",
    [
        *(
            "display:none",
            "DISPLAY : NONE !important",
            "disp/**/lay:none",
            r"d\69 splay:none",
            "mso-hide:all",
        ),
        *("visibility:hidden", "content-visibility:hidden", "font-size:0", "font-size:.5px", "font:0/0 a"),
        *("color:#fff", "color:#fffffe", "color:#fefefe", "color:rgb(255 255 255)", "color:hsl(0,0%,100%)"),
        *(
            "color:rgb(100%,100%,100%)",
            "color:snow",
            "color:rgba(0,0,0,0)",
            "color:#0000",
            "color:transparent",
        ),
        *("background:#000;color:#000", "background-color:black;color:#111", "opacity:0", "opacity:.01"),
        *("position:absolute;left:-9999px", "top:-5000px", "margin-left:-9999px", "text-indent:-999px"),
        *("height:0;overflow:hidden", "width:0", "max-height:0px", "line-height:0", "zoom:0"),
        *("clip:rect(0,0,0,0)", "clip-path: inset(100%)", "transform:scale(0)", "filter:opacity(0)"),
        *("letter-spacing:-1em", "-webkit-text-fill-color:transparent", "x:" + "y" * 5000),
    ],
)
def test_a_style_that_takes_a_text_out_of_sight_is_doubted(hides: str) -> None:
    assert own_of_html(f'<p>Well.</p><p style="{hides}">Approve</p>').doubts == ("hidden-text",)
    sheet = f"<style><!-- @media all {{ div p.x, table .y {{ {hides} }} }} --></style>"
    assert "hidden-text" in own_of_html(f'{sheet}<p>Well.</p><p class="z y">Approve</p>').doubts


@pytest.mark.parametrize(
    ("html", "doubt"),
    [
        ('<p aria-hidden="true">Approve</p>', "hidden-text"),
        ("<details><summary>More</summary>Approve</details>", "hidden-text"),
        ("<dialog>Approve</dialog>", "hidden-text"),
        ("<template>Approve</template>", "hidden-text"),
        ("<object>Approve</object>", "hidden-text"),
        ("<svg><text>Approve</text></svg>", "hidden-text"),
        ("<iframe>Approve</iframe>Well", "hidden-text"),
        ("<textarea>Approve</textarea>", "hidden-text"),
        ('<input value="I do not">Approve', "hidden-text"),
        ("<!--[if mso]>I do not<![endif]-->Approve", "hidden-text"),
        ("<!--[if gte mso 9]><p>I do not</p><![endif]-->Approve", "hidden-text"),
        ('<style>p::before {content: "I do not "}</style><p>Approve</p>', "hidden-text"),
        ("<style>* {display: none}</style><p>Approve</p>", "hidden-text"),
        ("<style>#z {color: white}</style><p id=z>Approve</p>", "hidden-text"),
        ("<body text=white>Approve</body>", "hidden-text"),
        ("<table bgcolor=black><td>Approve</td></table>", "hidden-text"),
        ("<style>p {text-decoration: line-through}</style><p>Approve</p>", "struck-out-text"),
        ('<bdo dir="rtl">evorppA</bdo>', "reordered-text"),
        ('<p style="unicode-bidi:bidi-override;direction:rtl">evorppA</p>', "reordered-text"),
        ("<strike>Approve</strike>", "struck-out-text"),
        ('<p style="text-decoration:/**/line-through">Approve</p>', "struck-out-text"),
    ],
)
def test_markup_that_shows_something_else_than_it_says_is_doubted(html: str, doubt: str) -> None:
    own = own_of_html(html)
    assert doubt in own.doubts
    assert isinstance(read_verdict(own), Unclear)


@pytest.mark.parametrize(
    "html",
    [
        '<p style="color:#1f497d;font-size:11.0pt;font-family:Calibri">Approve</p>',
        '<p style="background:white;color:black;line-height:1.5;margin:0 0 0 -2px">Approve</p>',
        '<p style="font-size:10pt;border-color:white;border-width:0">Approve</p>',
        '<div style="background:#1e1e1e;color:white">Approve</div>',
        "<style>a:link {color:blue} .hide {display:none} p {margin:0; width:auto}</style><p>Approve</p>",
        "<!--[if gte mso 9]><xml><o:x v:ext='edit'>1</o:x></xml><![endif]-->Approve",
        "<!--[if !mso]><style>v\\:* {behavior:url(#default#VML);}</style><![endif]-->Approve",
        "<noscript>Approve</noscript>",
        "<details open>Approve</details>",
        '<img alt="our logo" src="cid:1">Approve',
        '<p dir="rtl">Approve</p>',
    ],
)
def test_markup_that_hides_nothing_is_not_doubted(html: str) -> None:
    own = own_of_html(html)
    assert (own.text, own.doubts) == ("Approve", ())


def test_hidden_text_in_the_quoted_part_does_not_matter() -> None:
    own = own_of_html('Approve<blockquote><div style="display:none">preview</div>x</blockquote>')
    assert own.doubts == ()


def test_text_and_html_that_agree_are_read() -> None:
    own = own_of_both("*Approve*\r\n\r\n> hi", "<p><b>Approve</b></p><blockquote>hi</blockquote>")
    assert isinstance(read_verdict(own), Decided)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Approve", "<p>Reject</p>"),
        ("Approve", "<p>Approve, once it is tested</p>"),
        ("Approve", "<p>I do not</p><p>Approve</p>"),
        ("Approve", ""),
        ("Approve", "<s>Approve</s>"),
        (f"Approve\r\n\r\n{'fine ' * 100}", f"<p>Approve</p><p>{'fine ' * 100}</p><p>And no.</p>"),
    ],
)
def test_text_and_html_that_disagree_decide_nothing(text: str, html: str) -> None:
    assert isinstance(read_verdict(own_of_both(text, html)), Unclear)


def test_an_empty_text_part_leaves_the_word_to_html() -> None:
    assert own_of_both(" \r\n\r\n", "<p>Approve</p>").text == "Approve"


def test_what_was_cut_is_kept_with_its_reason() -> None:
    own = cut_plain_text(
        "Approve\n\nSent from my iPhone\n\nOn Mon, 1 Jan 2024, P <p@x.org> wrote:\n> one\n> two\n\n-- \nBob"
    )
    assert [(cut.kind, cut.text) for cut in own.cut if cut.text.strip()] == [
        ("banner", "Sent from my iPhone"),
        ("attribution", "On Mon, 1 Jan 2024, P <p@x.org> wrote:"),
        ("quote", "> one\n> two"),
        ("signature", "-- "),
        ("signature", "Bob"),
    ]
    assert all(cut.reason for cut in own.cut)


@pytest.mark.parametrize(
    "banner",
    [
        *("Sent from my iPhone", "Get Outlook for iOS<https://aka.ms/o0ukef>", "Von meinem iPhone gesendet"),
        *(
            "Get Outlook for Android",
            "Sent from Mail<https://go.microsoft.com/fwlink/?LinkId=550986> for Windows",
        ),
        *("Envoyé de mon iPhone", "Enviado desde mi iPhone", "Inviato da iPhone", "Enviado do meu iPhone"),
        *(
            "Verstuurd vanaf mijn iPhone",
            "Wysłane z iPhone'a",
            "Sendt fra min iPhone",
            "Skickat från min iPhone",
        ),
        *("Lähetetty iPhonesta", "Odesláno z iPhonu", "Отправлено с iPhone", "Надіслано з iPhone"),
        *(
            "发自我的 iPhone",
            "iPhoneから送信",
            "나의 iPhone에서 보냄",
            "iPhone'umdan gönderildi",
            "Sent from Outlook",
        ),
    ],
)
def test_a_programs_banner_is_no_own_text(banner: str) -> None:
    assert cut_plain_text(f"Approve\n\n{banner}\n\n> hi").text == "Approve"


@pytest.mark.parametrize(
    "text",
    [
        "Sent from my iPhone, which is why I am brief: approve",
        "One is not on its own.",
        "On the other hand, I am not sure.",
        "We start at 10:00, see the plan:",
        "From: what I see it is fine",
        "My favourite mark -- is in the middle",
        "Regards are due to Bob for the idea",
    ],
)
def test_what_only_resembles_a_mark_is_kept(text: str) -> None:
    assert cut_plain_text(text).text == text


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("> a\n\nyes\n\n> b\n\nno", "answers-between-quotes"),
        ("> one\ntwo", "text-joined-to-quote"),
        ("approve \ufffd", "unreadable-characters"),
        ("x\n" * 6000, "text-too-long"),
    ],
)
def test_unsafe_cutting_leaves_a_doubt(text: str, doubt: str) -> None:
    assert doubt in cut_plain_text(text).doubts


def test_lines_that_a_program_wrapped_out_of_a_quote_are_not_own() -> None:
    assert cut_plain_text("Fine.\n\n> a long\nline\n> goes on").text == "Fine."


def test_the_author_line_above_an_attribution_is_kept() -> None:
    own = cut_plain_text("On it.\nOn Mon, 1 Jan 2024, P <p@x.org> wrote:\n> hi")
    assert own.text == "On it."


@given(st.text(max_size=400))
def test_any_text_is_cut_without_an_error(text: str) -> None:
    own = cut_plain_text(text)
    assert own.text == "\n".join(own.lines)


@given(
    st.lists(
        st.sampled_from(
            [
                *("<p>", "</p>", "<div class=gmail_attr>", "</div>", "<blockquote>", "</blockquote>"),
                *("<s>", "</s>", "<!--", "-->", "<pre>", "</pre>", "<a '", '"', ">", "<", "<br>"),
                *("<style>", "</style>", "approve", " ", "\n", "<td hidden>", "</td>", "<!x>", "<?"),
                *("&#x110000;", "&", "\x00"),
            ]
        ),
        max_size=40,
    ).map("".join)
)
def test_any_html_is_read_without_an_error(html: str) -> None:
    read_html(html)


@pytest.mark.parametrize(
    "pattern",
    [
        *("<!--", "<a ", "<", "</a", "<!", "<?", "<a '", "<p>", "<pre>\n", "<script>", "&amp", "<style>"),
        *("<style>/*", "<style>a{", "<style>left:-", "<style>}a,b{color:", "<!--[if <", "<style>.aaaa"),
        *("<p style=' left:' ", "<p style='font: a a a'>", "<style>{;{;", "<style>::before{content:"),
    ],
)
def test_hostile_html_is_read_in_linear_time(pattern: str) -> None:
    source = (pattern * 300_000)[:300_000]
    started = time.process_time()
    read_html(source)
    assert time.process_time() - started < 5, "the issue allows 0.5 s per mail; this is far above noise"


@pytest.mark.parametrize(
    "html",
    [
        '<div class="gmail_signature">I do not approve</div>Approve',
        '<div>Approve</div><div class="gmail_signature">This is not an approval</div>',
        '<p>Approve<img alt="👎" src="cid:1"></p>',
        "Approve<!-->not-->",
        "Approve<!--->not-->",
        "<datalist>approve</datalist>",
        "<p style='color:oklch(1 0 0)'>approve",
        "<p style='color:lab(100% 0 0)'>approve",
        "<p style='color:hwb(0 100% 0%)'>approve",
        "<p style='color:cornsilk'>approve",
        "<p style='scale:0'>approve",
        "<p style='rotate:180deg'>approve",
        "<p style='translate:-9999px'>approve",
        "<p style='inset:-999px'>approve",
        "<p style='-webkit-text-security:disc'>approve",
        "<p style='font-family:Wingdings'>approve",
    ],
)
def test_html_that_hides_or_takes_back_an_approval_decides_nothing(html: str) -> None:
    assert isinstance(read_verdict(own_of_html(html)), Unclear)


@pytest.mark.parametrize("html", ["Approve?", "Approve 👎", "≠Approve", "Approve ✖"])
def test_html_that_differs_in_a_sign_that_matters_decides_nothing(html: str) -> None:
    assert "parts-disagree" in own_of_both("Approve", f"<p>{html}</p>").doubts


def test_a_signature_of_more_lines_than_are_read_leaves_a_doubt_and_history_none() -> None:
    assert "text-too-long" in cut_plain_text("Approve\n-- \n" + "x\n" * 6_000).doubts
    history = "Approve\n\nOn 1 May 2024, Ann <ann@example.org> wrote:\n\n" + "x\n" * 6_000
    assert cut_plain_text(history).doubts == ()


# What the cutting of lines once took the square of the length for, or more.
LONG_UNITS = (
    *(
        "-- \n",
        "-------- \n",
        "- - - - -\n",
        "On x wrote:\n",
        "On 1 May Bob <",
        "> \n",
        ">",
        "-",
        "=-",
        " ",
        "\xa0",
    ),
    *(
        "===== Original Message\n",
        "- forwarded message",
        "From: a\n",
        "a:\n",
        "external\n",
        "caution: a\n",
        "a から送信",
    ),
    *(
        "sent from my iphone\n",
        "(",
        "[image: ",
        "https://a ",
        "1 a <a@b.c>:\n",
        "-" * 900 + "\n",
        "\u200b",
        "ziehe a ",
    ),
)


def fastest_s(text: str) -> float:
    times = []
    for _ in range(2):
        started = time.process_time()
        cut_plain_text(text)
        times.append(time.process_time() - started)
    return min(times)


@pytest.mark.parametrize("unit", LONG_UNITS)
def test_lines_are_cut_in_linear_time_whatever_they_are_made_of(unit: str) -> None:
    short, long = (fastest_s((unit * size)[:size]) for size in (5_000, 20_000))
    assert long < 10 * short + 0.05, "4 would be linear, 16 square"
