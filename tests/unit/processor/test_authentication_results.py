"""Results that our mail server wrote are told from results that anybody else wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import authres
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom_processor.authentication_results import REFUSALS, read_results, server_dmarc, server_refusal
from postroom_processor.mail import read_mail

VECTORS = Path(__file__).resolve().parents[4] / "shared/data/vectors/authentication_results.json"
OURS = "mx.corp.example"
PASS = f"Authentication-Results: {OURS}; dmarc=pass header.from=corp.com"
FAIL = f"Authentication-Results: {OURS}; dmarc=fail header.from=corp.com"
BORDER = f"Received: from evil.org (evil.org [203.0.114.7]) by {OURS} (Postfix) with ESMTPS id 1"
WITHIN = "Received: from mx.corp.example (mx [10.0.0.2]) by store.corp.example (Dovecot) with LMTP"
LOCAL = "Received: by 2002:a05:6a10:1234:0:0:0:0 with SMTP id x1csp1"
FOREIGN = "Received: from a (a [198.51.101.1]) by relay.evil.org with ESMTP"


def dmarc(*fields: str, authserv_id: str | None = OURS, domain: str = "corp.com") -> str | None:
    raw = "\r\n".join([*fields, "From: boss@corp.com", "", "x"]).encode("latin-1")
    return server_dmarc(read_mail(raw), authserv_id, domain)


def vectors() -> list[dict[str, Any]]:
    if not VECTORS.is_file():
        return []
    cases: list[dict[str, Any]] = json.loads(VECTORS.read_text(encoding="utf-8"))["cases"]
    return cases


@pytest.mark.skipif(not VECTORS.is_file(), reason=f"{VECTORS} is not here")
def test_every_vector_gives_the_result_it_says() -> None:
    wrong = [
        case["name"]
        for case in vectors()
        if dmarc(
            *(f"Authentication-Results: {value}" for value in case["headers"]),
            domain=case["from"].rpartition("@")[2],
        )
        != case["dmarc"]
    ]
    assert wrong == []


TRUSTED = [
    ("above the hop from outside, as Postfix and milters write", [PASS, BORDER]),
    ("below the hop from outside, as Gmail writes", [LOCAL, BORDER, PASS, FOREIGN]),
    ("below the hop that delivered within", [WITHIN, PASS, BORDER]),
    ("two fields of ours that agree", [PASS, PASS, BORDER]),
    ("ours on top, a stranger's below", [PASS, BORDER, FAIL]),
    ("ours on top, a stranger's below another hop", [BORDER, PASS, FOREIGN, FAIL]),
    ("a stranger's id between", ["Authentication-Results: mx.evil.org; dmarc=fail", PASS, BORDER]),
    (
        "by the host beside the one that calls itself so",
        ["Received: from e (e [203.0.114.7]) by mx2.corp.example with ESMTP", PASS],
    ),
    ("folded", [f"Authentication-Results: {OURS};\r\n\tspf=none;\r\n dmarc=pass\r\n\theader.from=CORP.com"]),
    (
        "with all that servers add",
        [
            f"Authentication-Results: {OURS} 1; dkim=pass (2048-bit key; unprotected) header.d=corp.com "
            'header.s=s header.b="a/b=="; spf=pass (x (y)) smtp.mailfrom=boss@corp.com smtp.helo=; '
            "dmarc=pass (p=REJECT sp=none) action=none header.from=corp.com; arc=none;"
        ],
    ),
]
NOT_TRUSTED = [
    ("below the hop of another server", [FOREIGN, PASS]),
    ("below the second hop from outside", [BORDER, FOREIGN, PASS]),
    ("below a forged hop that greets as we do", [BORDER, BORDER, PASS]),
    (
        "below a hop whose peer greets with an address within",
        [f"Received: from [127.0.0.1] (evil.org [203.0.114.7]) by {OURS}", BORDER, PASS],
    ),
    ("below a hop that does not say from where", [f"Received: from somewhere by {OURS}", BORDER, PASS]),
    ("two of ours that disagree", [PASS, FAIL]),
    ("ours, with a result twice that disagrees", [f"{PASS}; dmarc=none header.from=corp.com"]),
    ("ours, one of them unreadable", [PASS, f"Authentication-Results: {OURS}; dmarc=pass ("]),
    ("no domain", [f"Authentication-Results: {OURS}; dmarc=pass"]),
    ("two domains", [f"{PASS} header.from=evil.org"]),
    ("the domain of an address", [f"Authentication-Results: {OURS}; dmarc=pass header.from=boss@corp.com"]),
    ("a domain below", [f"Authentication-Results: {OURS}; dmarc=pass header.from=corp.com.evil.org"]),
    ("another method", [f"Authentication-Results: {OURS}; x-dmarc=pass header.from=corp.com"]),
    ("another version", [f"Authentication-Results: {OURS} 2; dmarc=pass header.from=corp.com"]),
    ("a comment that does not end", [f"Authentication-Results: {OURS}; spf=fail (; {PASS[24:]}"]),
    ("a string that does not end", [f'Authentication-Results: {OURS}; spf=fail reason="; dmarc=pass']),
    ("nested out of bounds", [f"Authentication-Results: {OURS}; {'(' * 50}{')' * 50} dmarc=pass"]),
    ("too long", [f"{PASS} (" + "x" * 10_000 + ")"]),
    ("too many", [PASS] * 30),
    ("another field", [PASS.replace("Authentication-Results", "ARC-Authentication-Results")]),
    ("a control character", [PASS.replace(" header", "\x0b header")]),
]


@pytest.mark.parametrize("fields", [row[1] for row in TRUSTED], ids=[row[0] for row in TRUSTED])
def test_a_result_is_believed(fields: list[str]) -> None:
    assert dmarc(*fields) == "pass"


@pytest.mark.parametrize("fields", [row[1] for row in NOT_TRUSTED], ids=[row[0] for row in NOT_TRUSTED])
def test_no_result_is_believed(fields: list[str]) -> None:
    assert dmarc(*fields) is None


REFUSED = [
    ("alone", [FAIL, BORDER]),
    ("with a pass above", [PASS, FAIL, BORDER]),
    ("with a pass below", [BORDER, FAIL, PASS]),
    ("with a pass in the same field", [f"{FAIL}; dmarc=pass header.from=corp.com"]),
    ("with one that cannot be read", [f"Authentication-Results: {OURS}; dmarc=pass (", FAIL]),
    ("of another domain than From", [FAIL.replace("corp.com", "evil.org")]),
    ("to be put in quarantine", [FAIL.replace("dmarc=fail", "dmarc=quarantine")]),
]
NOT_REFUSED = [
    [PASS, BORDER],
    [PASS, BORDER, FAIL],
    ["Authentication-Results: mx.evil.org; dmarc=fail", PASS],
    [],
]


@pytest.mark.parametrize("fields", [row[1] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_refusal_stands_whatever_is_put_beside_it(fields: list[str]) -> None:
    assert server_refusal(read_mail("\r\n".join([*fields, "", ""]).encode()), OURS) in REFUSALS


@pytest.mark.parametrize("fields", NOT_REFUSED)
def test_a_strangers_refusal_is_none(fields: list[str]) -> None:
    assert server_refusal(read_mail("\r\n".join([*fields, "", ""]).encode()), OURS) is None


def test_without_the_setting_nothing_is_believed() -> None:
    assert dmarc(PASS, authserv_id=None) is None


def test_a_header_that_is_not_read_to_its_end_gives_no_result() -> None:
    assert dmarc(PASS, *(f"X-{number}: x" for number in range(5000))) is None


PIECES = st.sampled_from(
    [
        OURS,
        "; ",
        "dmarc",
        "=",
        "pass",
        "fail",
        " ",
        "header.from",
        "corp.com",
        "(",
        ")",
        '"',
        "\\",
        "spf",
        ".x=",
        "1",
    ]
)


@given(st.lists(PIECES, max_size=25).map("".join))
def test_what_we_read_another_reader_reads_as_well(text: str) -> None:
    """Our reader is the stricter one: whatever it takes, authres takes, with the same DMARC results."""
    found = read_results(f"{OURS}; dmarc=none; {text}".encode())
    if found is None:
        return
    try:
        other = authres.AuthenticationResultsHeader.parse(
            f"Authentication-Results: {OURS}; dmarc=none; {text}"
        )
    except authres.AuthResError:
        return
    theirs = [each.result for each in other.results if each.method.lower() == "dmarc"]
    assert [each.result for each in found.results if each.method == "dmarc"] == [
        each.lower() for each in theirs
    ]


@given(st.text(alphabet='mx.corp;=()"\\ dapsrhef\x00\t', max_size=200))
def test_whatever_is_in_a_field_reading_it_never_raises(text: str) -> None:
    dmarc(f"Authentication-Results: {OURS}{text}")
