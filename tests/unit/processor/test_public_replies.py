"""The reply bodies of three public projects, with a decision, nothing, a negation or a question on top."""

from collections import Counter
from pathlib import Path

import pytest

from postroom_processor.reply_text import cut_plain_text
from postroom_processor.verdict import Decided, read_verdict

REPLIES = Path(__file__).resolve().parents[4] / "shared/data/replies"
BODIES = sorted(path for path in REPLIES.rglob("*.txt") if path.name != "LICENSE.txt")

pytestmark = pytest.mark.skipif(not BODIES, reason=f"{REPLIES} is not here")

DECISIONS = {
    "Approve\n\n": "approve",
    "Approved, looks good to me.\n\n": "approve",
    "Yes.\n\n": "approve",
    "Hi,\n\nGenehmigt.\n\n": "approve",
    "Reject\n\n": "reject",
    "Reject: too early\n\n": "reject",
}
# Bodies whose own text goes on below a decision in a way that leaves a doubt, with what is doubted.
DOUBTED = {
    "caution.txt": "a line of underscores hides a signature in which somebody laughs",
    "caution2.txt": "I am not sure if it's a technical problem",
    "email_21.txt": "more than 20 000 characters of its own",
    "email_3_1.txt": "First reply: what has to come first is a condition",
    "email_zimbra_free_fr.txt": "zero-width characters within its lines",
}
NO_DECISIONS = (
    "",
    "I do not approve this.\n\n",
    "not approved\n",
    "I can't approve\n",
    "approve?\n",
    "Should I approve this?\n\n",
    "approve once the tests pass\n",
    "> approve\n\n",
    "Thanks!\n\n",
)


def read(top: str, path: Path) -> str:
    verdict = read_verdict(cut_plain_text(top + path.read_text(encoding="utf-8", errors="replace")))
    return verdict.choice if isinstance(verdict, Decided) else verdict.reason_code


@pytest.mark.parametrize("top", DECISIONS)
def test_a_decision_on_top_is_understood(top: str) -> None:
    found = {path: read(top, path) for path in BODIES}
    counts = Counter(found.values())
    print(f"{top!r}: {len(BODIES)} bodies, {dict(counts)}")
    assert counts["approve"] + counts["reject"] == counts[DECISIONS[top]]
    not_understood = {path.name for path, choice in found.items() if choice != DECISIONS[top]}
    assert not_understood <= DOUBTED.keys()


@pytest.mark.parametrize("top", NO_DECISIONS)
def test_nothing_is_read_where_no_decision_was_put(top: str) -> None:
    counts = Counter(read(top, path) for path in BODIES)
    print(f"{top!r}: {len(BODIES)} bodies, {dict(counts)}")
    assert counts["approve"] == counts["reject"] == 0
