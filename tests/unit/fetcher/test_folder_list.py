"""Names of folders as servers send them."""

from __future__ import annotations

import pytest

from postroom_fetcher.folder_list import read_list, read_status


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (b'(\\HasNoChildren) "/" INBOX', "INBOX"),
        (b'() "." "Sent Items"', "Sent Items"),
        (b'() NIL "a \\"quoted\\" \\\\ name"', 'a "quoted" \\ name'),
        (b'() "\\\\" "&AMk-l&AOk-ments envoy&AOk-s"', "Éléments envoyés"),
        (b'() "/" "&U,BTFw-"', "台北"),
        (b'() "/" "Tom &- Jerry"', "Tom & Jerry"),
        ('() "/" "Envoyés"'.encode(), "Envoyés"),
        ((b'() "/" {9}', b'a "b" c)('), 'a "b" c)('),
        (b'() "/" 2024', "2024"),
    ],
)
def test_proper_names_are_read(line: object, name: str) -> None:
    assert [folder.name for folder in read_list([line, b""])] == [name]


@pytest.mark.parametrize(
    "line",
    [
        (b'() "/" {12}', b"a\r\nA1 LOGOUT"),
        (b'() "/" {3}', b"a\x00b"),
        b'() "/" "&AAo-"',
        b'() "/" "unended',
        b'() "/" ""',
        b"what is this",
        b'() "/" "\xff\xfe"',
        None,
    ],
)
def test_names_that_nobody_could_say_are_left_out(line: object) -> None:
    assert read_list([line, b'(\\Sent) "/" Sent'])[-1].name == "Sent"
    assert len(read_list([line, b'(\\Sent) "/" Sent'])) == 1


def test_the_attributes_of_a_folder_are_read() -> None:
    assert read_list([b'(\\HasNoChildren \\Sent) "/" x'])[0].attributes == ("\\HasNoChildren", "\\Sent")


def test_what_status_tells_is_read_in_a_fixed_order() -> None:
    line = b'"Sent" (MESSAGES 3 UIDNEXT 9 UIDVALIDITY 77)'
    assert read_status([line]) == (77, 9, 3)
    assert read_status([(b"{4}", b"Sent"), b" (UIDNEXT 9)"]) == (9,)
    assert read_status([None]) == ()
