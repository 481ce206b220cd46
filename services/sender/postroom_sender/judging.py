"""Finds the row of the table that an answer falls under (pure)."""

from postroom_sender.answers import ANY, RULES, Rule
from postroom_sender.outcome import Outcome, Reply, Result, Scope, Stage, asked_wait_s

_FIRST_DIGIT = "RFC 5321 section 4.2.1"
_FINAL = Rule(
    (),
    (),
    ANY,
    Result.FAILED,
    Scope.MAIL,
    "refused",
    "the server refused the mail for good",
    source=_FIRST_DIGIT,
)
# Also what is no answer to the question, such as 250 to DATA: nothing is known to be wrong with the mail.
_LATER = Rule(
    (),
    (),
    ANY,
    Result.RETRY,
    Scope.MAIL,
    "deferred",
    "the server does not take the mail now",
    source=_FIRST_DIGIT,
)


def judge(stage: Stage, reply: Reply, shown: Reply | None = None) -> Outcome:
    """What the answer to this stage comes to. An acceptance counts as sent only after the final dot.

    Args:
        stage: What was asked.
        reply: The answer.
        shown: As much of it as people may read. Default: all.
    """
    if stage == "dot" and reply.accepted:
        # Only 2yz says "taken" (RFC 5321 section 4.3.2); 3yz there means that we are out of step.
        result = Result.SENT if reply.code < 300 else Result.UNCERTAIN
        return Outcome(result, result.value, str(reply), code=reply.code)
    rule = next((rule for rule in RULES if _fits(rule, stage, reply)), None) or _by_first_digit(reply)
    sentence = f"{rule.sentence} ({shown or reply})"
    wait_s = max(rule.wait_s, asked_wait_s(reply.text)) if rule.result is Result.RETRY else 0.0
    # A wait that is asked for before there is a recipient is about all mails, not about this one.
    scope = Scope.PAUSE if rule.scope is Scope.MAIL and wait_s and stage == "mail" else rule.scope
    return Outcome(rule.result, rule.reason_code, sentence, scope, reply.code, wait_s)


def _fits(rule: Rule, stage: Stage, reply: Reply) -> bool:
    return (
        (not rule.stages or stage in rule.stages)
        and (not rule.codes or reply.code in rule.codes)
        and f"{_enhanced(reply)}.".startswith(_ended(rule.enhanced))
        and (not rule.words or any(words in reply.text.lower() for words in rule.words))
    )


def _enhanced(reply: Reply) -> str:
    """The enhanced code, unless the code contradicts it: its class is the code's (RFC 2034 section 4)."""
    return reply.enhanced if reply.enhanced[:1] == str(reply.code)[0] else ""


def _ended(enhanced: str) -> str:
    """A whole code as one that no longer one begins with: 5.5.3 is not 5.5.37."""
    return enhanced if not enhanced or enhanced.endswith(".") else f"{enhanced}."


def _by_first_digit(reply: Reply) -> Rule:
    return _FINAL if 500 <= reply.code < 600 else _LATER
