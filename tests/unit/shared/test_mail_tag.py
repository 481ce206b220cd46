"""Tags by which mails that come back are known."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postroom.mail_tag import find_tags, is_of, make_tag, ref_of, tagged
from postroom.reply_token import TokenKey, TokenKeys, find_tokens

OLD, NEW = TokenKey(1, b"o" * 32), TokenKey(2, b"n" * 32)
IDS = st.from_regex(r"[A-Za-z0-9._:-]{1,60}", fullmatch=True)


@given(IDS, st.sampled_from(["bounce", "unsubscribe"]))
def test_a_tag_names_its_mail_in_any_case_and_after_the_keys_have_changed(send_id: str, kind: str) -> None:
    text = make_tag(kind, send_id, TokenKeys((OLD,)))  # type: ignore[arg-type]
    (tag,) = find_tags([f"bounces+{text.upper()}@example.com", text])
    assert (tag.text, tag.kind, tag.ref) == (text, kind, ref_of(send_id))
    assert is_of(tag, send_id, TokenKeys((NEW, OLD)))


@given(IDS, IDS)
def test_a_tag_of_another_mail_kind_or_key_proves_nothing(one: str, other: str) -> None:
    keys = TokenKeys((OLD,))
    (tag,) = find_tags([make_tag("bounce", one, keys)])
    (for_people,) = find_tags([make_tag("unsubscribe", one, keys)])
    assert is_of(tag, other, keys) == (one == other)
    assert not is_of(tag, one, TokenKeys((NEW,)))
    assert not is_of(tag, one, TokenKeys((TokenKey(1, b"x" * 32),)))
    forged = find_tags([for_people.text.replace("pu", "pb", 1)])[0]
    assert not is_of(forged, one, keys)


def test_a_tag_is_no_reply_token_and_fits_before_the_at() -> None:
    text = make_tag("bounce", "build-1", TokenKeys((OLD,)))
    assert find_tokens([f"<{text}@x>"]) == ()
    assert tagged(f"{'a' * 29}@example.com", text) is not None
    assert tagged(f"{'a' * 30}@example.com", text) is None
