"""Lists of recipients are read and checked line by line, before anybody gets a mail."""

from __future__ import annotations

import pytest

from postroom import bulk
from postroom.account import Account
from postroom.bulk import Check, Fault, NoList, Row, order_digest, read_list, send_id_of
from postroom.bulk_placing import Wish, WrongList, check
from postroom.templates.template import Template

TEMPLATE = Template(
    name="news", subject="News for {{ name }}", text="{% if town is defined %}{{ town }}{% endif %}\n"
)


def checked(content: str) -> tuple[list[str], list[str]]:
    """The recipients that are right, and the faults of the other lines."""
    checking = Check(TEMPLATE, {"sender": "x", "signature": "", "unsubscribe": "mailto:x@example.com"})
    rows = list(read_list(content.encode()))
    faults = [checking.fault_of(row) for row in rows]
    right = [
        row.recipient for row, fault in zip(rows, faults, strict=True) if isinstance(row, Row) and not fault
    ]
    return right, [str(fault) for fault in faults if fault]


def test_each_wrong_line_is_named_with_what_is_wrong() -> None:
    right, faults = checked(
        "name,email,town\n"
        "Anna,anna@example.com,Bonn\n"
        ",bert@example.com,\n"
        "Carl,carl at example.com,\n"
        "Anna again,ANNA@EXAMPLE.com,\n"
        "\n"
        '"Dora\nD.",,\n'
        "Eve,eve@example.com\n"
    )
    assert right == ["anna@example.com"]
    assert faults == [
        "line 3: template news, subject: line 1: the variable name has no value",
        "line 4: 'carl at example.com' is not a mail address: expected name@domain",
        "line 5: ANNA@EXAMPLE.com is in line 2 already",
        "line 7: '' is not a mail address: expected name@domain",
        "line 9: has 2 cells, and the first line names 3 columns",
    ]


@pytest.mark.parametrize("inside", ["\n", "\t", "\x9f"])
def test_a_value_of_which_no_subject_can_be_made_is_a_wrong_line(inside: str) -> None:
    right, faults = checked(f'email,name\na@example.com,Anna\nb@example.com,"B{inside}B"\n')
    assert right == ["a@example.com"]
    assert faults == ["line 3: template news, subject: it has a line break or a control character"]


@pytest.mark.parametrize("inside", ["\r", "\0", "\ud800"])
def test_a_value_that_no_text_can_carry_is_a_wrong_line_wherever_it_lies(inside: str) -> None:
    # A program's values may have values in them.
    news = Template(name="news", subject="News", text="{{ of.town }}\r\n")
    row = Row(2, "a@example.com", {"of": {"town": f"B{inside}n"}})
    fault = Check(news, {}).fault_of(row)
    assert str(fault) == "line 2: template news, text: it holds a bare CR, a NUL or half a character"


def test_a_page_without_its_image_and_an_image_without_its_page_are_wrong() -> None:
    row, page = Row(2, "a@example.com", {}), Template(name="n", subject="N", html="<img src='cid:Logo'>x")
    told = "line 2: template n, html: it shows cid:logo, and no attachment has this content_id"
    assert str(Check(page, {}).fault_of(row)) == told
    assert Check(page, {}, frozenset({"logo"})).fault_of(row) is None
    told = "line 2: template n, html: there is none to show the image logo"
    assert (
        str(Check(Template(name="n", subject="N", text="x"), {}, frozenset({"logo"})).fault_of(row)) == told
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_cells_may_be_parted_as_spreadsheets_do_and_an_empty_one_is_no_value(delimiter: str) -> None:
    content = (
        f"\ufeffE-Mail{delimiter}name\r\nanna@example.com{delimiter}Anna\r\nb@example.com{delimiter}\r\n"
    )
    rows = list(read_list(content.encode()))
    assert rows == [Row(2, "anna@example.com", {"name": "Anna"}), Row(3, "b@example.com", {})]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the list is empty"),
        (b"name,town\nx,y\n", "line 1: no column is called email"),
        (b"email,first name\n", "line 1: the column 'first name' cannot be a name"),
        (b"email,recipient\n", "line 1: the column 'recipient' is what Postroom gives every template"),
        (b"email,a,a\n", "line 1: two columns have the same name"),
        (b"email,a\na@example.com,\xff\n", "line 2: the list is not UTF-8"),
        (b'email,a\na@example.com,"open\n', "line 2: the list is no CSV"),
    ],
)
def test_what_is_no_list_is_refused_with_what_is_expected(content: bytes, sentence: str) -> None:
    with pytest.raises(NoList) as refused:
        list(read_list(content))
    assert str(refused.value).startswith(sentence)


def test_the_images_that_go_with_all_mails_are_known() -> None:
    page = Template(name="n", subject="N", html="<img src='cid:Logo'>x")
    files = [{"dataref": "spool:sha256:" + "0" * 64, "filename": "l.png", "content_id": "LOGO"}]
    account = Account.model_validate(
        {"name": "ops", "address": "ops@example.com", "smtp": {"host": "x", "auth": "none"}}
    )

    def rows() -> list[Row]:
        return [Row(2, "a@example.com", {})]

    assert check(Wish(None, account, "n", {"attachments": files}), page, rows).order.total == 1
    with pytest.raises(WrongList):
        check(Wish(None, account, "n"), page, rows)


def test_a_list_has_so_many_recipients_and_values_so_many_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_RECIPIENTS", 2)
    monkeypatch.setattr(bulk, "MAX_VALUE_CHARS", 4)
    right, faults = checked("email,name\na@x.org,Anna\nb@x.org,Berta\nc@x.org,Carl\nd@x.org,Dora\n")
    assert right == ["a@x.org", "c@x.org"]
    assert faults == [
        "line 3: name: is longer than 4 characters",
        "line 5: a list has at most 2 recipients: send it in parts",
    ]


def test_one_address_has_one_mail_however_it_is_spelled() -> None:
    assert send_id_of("news-1", "Anna@BÜCHER.example") == send_id_of("news-1", "anna@xn--bcher-kva.example")
    assert send_id_of("news-1", "anna@example.com") != send_id_of("news-2", "anna@example.com")


def test_another_list_or_template_is_another_order() -> None:
    def digest(template: str, *rows: Row | Fault) -> str:
        checking = Check(TEMPLATE, {})
        assert [checking.fault_of(row) for row in rows] == [None] * len(rows)
        return order_digest("ops", template, {}, checking.digest)

    one, other = Row(2, "a@example.com", {"name": "A"}), Row(3, "a@example.com", {"name": "B"})
    assert len({digest("news", one), digest("news", other), digest("else", one), digest("news")}) == 4
    assert digest("news", one) == digest("news", Row(9, "a@example.com", {"name": "A"}))
