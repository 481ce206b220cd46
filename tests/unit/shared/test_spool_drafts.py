"""Drafts: contents that are written now and become durable later, or never."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from postroom.errors import Permanent
from postroom.spool import Spool


def test_a_draft_is_not_in_the_spool_before_it_is_kept(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    drafts = spool.drafts()
    reference = drafts.put([b"a ", b"mail"])
    assert reference == f"spool:sha256:{hashlib.sha256(b'a mail').hexdigest()}"
    with pytest.raises(Permanent):
        spool.get(reference)
    drafts.keep()
    drafts.drop()
    assert spool.get(reference) == b"a mail"


def test_what_is_dropped_leaves_nothing_behind(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    drafts = spool.drafts()
    references = [drafts.put([b"one"]), drafts.put([b"two"])]
    drafts.drop()
    drafts.keep()
    assert list((tmp_path / "spool").rglob("*")) == []
    for reference in references:
        with pytest.raises(Permanent):
            spool.get(reference)
