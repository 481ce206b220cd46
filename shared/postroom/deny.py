"""Deny lists: rules for addresses and domains, compared in a form that no other spelling gets around (pure).

The form is for denying alone. It folds more than mail servers do (plus tags, case, compatibility letters), so
it may take two mailboxes for one; who may decide is compared strictly (`postroom.addresses.same_address`).
"""

import ipaddress
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from postroom.addresses import MAX_ADDRESS_BYTES, normal_domain

FILE = "the accounts file"
MAX_KEY_CHARS = 1000
_SHOWN_CHARS = 100
# The dots that UTS-46 takes for the dot between labels.
_DOTS = re.compile("[.\u3002\uff0e\uff61]")
# What most domains are like: nothing is to be folded.
_PLAIN = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_SPECIAL = re.compile(r'[\s<>"(),;:@\[\]\\\x00-\x1f\x7f]')
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FORM = "expected an address (name@domain) or a domain (shop.example, with all below it)"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: what it covers, as it was written, and where it comes from.

    `account`: whose mail it is about; None for everybody's. `origin`: `FILE`, or who added it.
    """

    pattern: str
    account: str | None = None
    origin: str = FILE
    reason: str = ""

    @property
    def told(self) -> str:
        """The rule and where it comes from, in a line for people."""
        whose = "of every account" if self.account is None else f"of {self.account}"
        added = (
            f"from {FILE}" if self.origin == FILE else f"added by {self.origin}" if self.origin else "added"
        )
        return f"{self.pattern} ({whose}, {added})"


def canonical_pattern(text: str) -> str:
    """The form in which a rule is compared: of an address `name@domain`, of a domain the domain.

    Raises:
        ValueError: the text is neither; the sentence says why.
    """
    text = text.strip()
    if len(text) > 2 * MAX_ADDRESS_BYTES:
        raise ValueError(f"{text[:_SHOWN_CHARS]!r}… is too long: {_FORM}")
    local, at, domain = text.rpartition("@")
    try:
        key = _rule_domain(domain)
    except ValueError as error:
        raise ValueError(f"{text!r} cannot be denied: {error}") from None
    if local:
        key = f"{_rule_local(local, text)}@{key}"
    elif at and not domain:
        raise ValueError(f"{text!r} cannot be denied: {_FORM}")
    if len(key) > MAX_KEY_CHARS:
        raise ValueError(f"{text[:_SHOWN_CHARS]!r}… is too long: {_FORM}")
    return key


def written_pattern(key: str) -> str:
    """A canonical form as `canonical_pattern` takes it: in quotes what needs them before the @."""
    local, at, domain = key.rpartition("@")
    if not at or not _SPECIAL.search(local):
        return key
    escaped = re.sub(r'(["\\])', r"\\\1", local)
    return f'"{escaped}"@{domain}'


def _rule_domain(domain: str) -> str:
    if _is_literal(domain):
        raise ValueError(f"an IP address stands in no sender's address: {_FORM}")
    try:
        key = canonical_domain(domain)
        normal_domain(key)
        if "" in _DOTS.split(domain.removesuffix(".")):
            raise ValueError(_FORM)
    except ValueError:
        raise ValueError(_FORM) from None
    if "." not in key:
        raise ValueError(f"{key!r} is a top-level domain, which would deny everybody below it")
    return key


def _is_literal(domain: str) -> bool:
    try:
        ipaddress.ip_address(domain.strip("[]").removeprefix("IPv6:"))
    except ValueError:
        return False
    return True


def _rule_local(local: str, text: str) -> str:
    quoted = _QUOTED.fullmatch(local)
    if not quoted and _SPECIAL.search(local):
        raise ValueError(f"{text!r} cannot be denied: {local!r} is not allowed before the @")
    key = canonical_local(local)
    if not key:
        raise ValueError(f"{text!r} cannot be denied: {_FORM}")
    return key


def canonical_address(text: str) -> str | None:
    """The form in which a sender's address is compared; None for what has no @ or no domain. Never raises."""
    local, _, domain = text.rpartition("@")
    try:
        return f"{canonical_local(local)}@{canonical_domain(domain)}" if local else None
    except ValueError:
        return None


def canonical_local(local: str) -> str:
    """The part before the @ without quotes, case, plus tag, and letters that cannot be seen."""
    if quoted := _QUOTED.fullmatch(local.strip()):
        local = _ESCAPED.sub(r"\1", quoted.group(1))
    if local.isascii():
        folded = "".join(filter(str.isprintable, local)).lower()
    else:
        # Folding may bring forth letters that are to be folded again (Unicode, section 3.13, D145 and D146).
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", local).casefold())
        folded = "".join(each for each in folded if unicodedata.category(each) not in ("Cc", "Cf"))
    folded = folded.strip()
    name, _, _ = folded.partition("+")
    return name or folded


@lru_cache(maxsize=10_000)
def canonical_domain(domain: str) -> str:
    """The domain in lower-case A-labels (UTS-46), without dots at its ends.

    A name that IDNA refuses (an emoji, say) still has its form, since mail comes from such names.

    Raises:
        ValueError: nothing is left of it, or it is longer than any domain.
    """
    if len(domain) > MAX_ADDRESS_BYTES:
        raise ValueError("no domain is so long")
    if _PLAIN.fullmatch(domain) and "xn--" not in domain:
        return domain
    dotted = _DOTS.sub(".", unicodedata.normalize("NFKC", domain)).strip(". \t")
    try:
        return normal_domain(dotted)
    except ValueError:
        labels = [_label(label) for label in dotted.split(".")]
    found = ".".join(label for label in labels if label)
    if not found:
        raise ValueError("it has no domain")
    return found


def _label(label: str) -> str:
    seen = "".join(
        each for each in label.casefold().strip() if unicodedata.category(each) not in ("Cc", "Cf", "Cs")
    )
    return seen if seen.isascii() else f"xn--{seen.encode('punycode').decode()}"


@dataclass(frozen=True)
class DenyList:
    """Rules by what they cover: a look takes a step for each label, however many rules there are."""

    by_key: dict[str, Rule] = field(default_factory=dict)

    @classmethod
    def of(cls, rules: Iterable[tuple[str, Rule]]) -> "DenyList":
        """The list of rules, each with its canonical form; of two alike the first stays."""
        found: dict[str, Rule] = {}
        for key, rule in rules:
            found.setdefault(key, rule)
        return cls(found)

    def covers(self, address: str) -> Rule | None:
        """The rule that covers an address or a domain (itself, or a domain that it is in), or None."""
        if not self.by_key:
            return None
        return next((rule for key in keys_of(address) if (rule := self.by_key.get(key)) is not None), None)


def keys_of(address: str) -> Iterator[str]:
    """What a rule that covers an address or domain may be: itself, its domain, the domains above it."""
    key = canonical_address(address) if "@" in address else None
    if key is not None:
        yield key
    try:
        domain = canonical_domain(address.rpartition("@")[2])
    except ValueError:
        return
    while domain:
        yield domain
        domain = domain.partition(".")[2]


def first_covering(lists: Iterable[DenyList], addresses: Iterable[str]) -> Rule | None:
    """The first rule of the lists, in order, that covers one of the addresses; None if there is none."""
    wanted = tuple(addresses)
    found = (each.covers(address) for each in lists for address in wanted)
    return next((rule for rule in found if rule is not None), None)


def compile_patterns(patterns: Iterable[str], account: str | None) -> DenyList:
    """The list of an account (None: of all) as the accounts file has it."""
    return DenyList.of((canonical_pattern(each), Rule(each, account)) for each in patterns)


@lru_cache(maxsize=100)
def list_from_file(patterns: tuple[str, ...], account: str | None) -> DenyList:
    """As `compile_patterns`; who asks for every mail keeps the list."""
    return compile_patterns(patterns, account)
