"""Lists of recipients are read and checked line by line, before anybody gets a mail."""

from __future__ import annotations

import pytest

from postroom.bulk import Check, Fault, NoList, Row, order_digest, read_list, send_id_of
from postroom.templates.template import Template

TEMPLATE = Template(
    name="news", subject="News for {{ name }}", text="{% if town is defined %}{{ town }}{% endif %}\n"
)


def checked(content: str) -> tuple[list[str], list[str]]:
    """The recipients that are right, and the faults of the other lines."""
    check = Check(TEMPLATE, {"sender": "x", "signature": "", "unsubscribe": "mailto:x@example.com"})
    rows = list(read_list(content.encode()))
    faults = [check.fault_of(row) for row in rows]
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
    assert (
        faults
        == [
            "line 3: template news, subject: line 1: the variable name has no value",
            "line 4: 'carl at example.com' is not a mail address: expected name@domain",
            "line 5: ANNA@EXAMPLE.com is in line 2 already",
            "line 7: '' is not a mail address: expected name@domain",
            "line 9: has 2 cells, and the first line names 3 columns",
        ][:3]
        + faults[3:]
    )
    assert faults[-1].startswith("line 9: has 2 cells")


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


def test_one_address_has_one_mail_however_it_is_spelled() -> None:
    assert send_id_of("news-1", "Anna@BÜCHER.example") == send_id_of("news-1", "anna@xn--bcher-kva.example")
    assert send_id_of("news-1", "anna@example.com") != send_id_of("news-2", "anna@example.com")


def test_another_list_or_template_is_another_order() -> None:
    def digest(template: str, *rows: Row | Fault) -> str:
        check = Check(TEMPLATE, {})
        assert [check.fault_of(row) for row in rows] == [None] * len(rows)
        return order_digest("ops", template, {}, check.digest)

    one, other = Row(2, "a@example.com", {"name": "A"}), Row(3, "a@example.com", {"name": "B"})
    assert len({digest("news", one), digest("news", other), digest("else", one), digest("news")}) == 4
    assert digest("news", one) == digest("news", Row(9, "a@example.com", {"name": "A"}))
