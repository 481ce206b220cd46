"""What is allowed and unwise shows as a metric of the account, for accounts that only send as well."""

from __future__ import annotations

from postroom import metrics
from postroom.broker.publisher import Publisher
from postroom.store.outbox import OutboxRelay
from postroom_fetcher.charge import Charge
from postroom_fetcher.status import SERVICE, StatusBoard
from tests.accounts import keep_accounts
from tests.integration.fetcher.looks import leases
from tests.integration.fetcher.mailroom import SHARDS, Mailroom


def warned(account: str) -> float | None:
    return metrics.REGISTRY.get_sample_value("postroom_account_warnings", {"account": account})


def test_a_certificate_that_is_not_verified_is_a_metric_until_it_is(mailroom: Mailroom) -> None:
    unwise = {"smtp": {"host": "smtp.example"}, "verify_certificate": False}
    wise = {"name": "wise", "address": "wise@corp.example", "smtp": {"host": "smtp.example"}}
    keep_accounts(mailroom.store, [{"name": "unwise", "address": "unwise@corp.example", **unwise}, wise])
    with (
        leases(mailroom) as held,
        Publisher(mailroom.settings.broker, name="test") as publisher,
    ):
        board = StatusBoard(mailroom.store, OutboxRelay(mailroom.store, publisher, SERVICE), SHARDS)
        accounts = mailroom.accounts()
        charge = Charge(accounts, held.held, SHARDS, board)
        charge.tell()
        assert (warned("unwise"), warned("wise")) == (1.0, 0.0)
        keep_accounts(mailroom.store, [wise])
        accounts.refresh()
        charge.tell()
        assert (warned("unwise"), warned("wise")) == (None, 0.0)
