"""Measures the whole way, Postroom beside a straightforward pipeline of the same parts, in one run.

    python -m tests.benchmarks [--mails 10000] [--replies 3000] [--brokers embedded,rabbitmq]

Fails when Postroom is less than three times as fast. The straightforward pipeline files no copies of what it
sends, so Postroom does not either where they are compared; what that costs is shown in a line of its own.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from tests.benchmarks.pipelines import Place, Times, run_naive, run_postroom
from tests.benchmarks.work import Servers, Work
from tests.servers.nodes import Nodes
from tests.servers.stock import Stock

LEAST_RATIO = 3.0
PIPELINES: Mapping[str, Callable[..., Times]] = {
    "Postroom": run_postroom,
    "filing copies": partial(run_postroom, copies=True),
    "straightforward": run_naive,
}


def main() -> int:
    """Run both pipelines on each broker and print the figures; 1 if Postroom is not three times as fast."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mails", type=int, default=10_000)
    parser.add_argument("--replies", type=int, default=3_000)
    parser.add_argument("--brokers", default="embedded,rabbitmq")
    arguments = parser.parse_args()
    work = Work(arguments.mails, arguments.replies)
    print(
        f"{work.mails} mails of 2 kB, {work.replies} of them replies to as many requests; mails per second\n"
    )
    print(f"{'broker':10} {'pipeline':16} {'ask':>8} {'read':>8} {'whole way':>10}")
    stock = Stock(lambda sentence: print(f"servers: {sentence}", file=sys.stderr))
    ratios = []
    try:
        for broker in arguments.brokers.split(","):
            ratios.append(_compare(stock, broker, work))
    finally:
        stock.close()
    return 0 if min(ratios) >= LEAST_RATIO else 1


def _compare(stock: Stock, broker: str, work: Work) -> float:
    rates = {}
    for name, run in PIPELINES.items():
        with _place(stock, broker) as place, _servers(stock) as servers:
            requests = work.requests()
            times = run(place, servers, requests, work.contents(requests, servers.user))
        rates[name] = _print(broker, name, work, times)
    ratio = rates["Postroom"] / rates["straightforward"]
    print(f"{broker:10} Postroom is {ratio:.1f} times as fast\n")
    return ratio


def _print(broker: str, name: str, work: Work, times: Times) -> float:
    rate = work.mails / (times.ask_s + times.read_s)
    ask, read = work.replies / times.ask_s, work.mails / times.read_s
    print(f"{broker:10} {name:16} {ask:8.0f} {read:8.0f} {rate:10.0f}", flush=True)
    return rate


@contextmanager
def _place(stock: Stock, broker: str) -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        if broker == "embedded":
            yield Place(folder, f"embedded:///{folder}/broker.sqlite3", f"sqlite:///{folder}/store.sqlite3")
            return
        vhost = stack.enter_context(stock.handle("rabbitmq").vhost())
        database = stack.enter_context(stock.handle("postgresql").database())
        yield Place(folder, vhost.url, database)


@contextmanager
def _servers(stock: Stock) -> Iterator[Servers]:
    with ExitStack() as stack:
        dovecot = stock.handle("dovecot")
        sink = Nodes(stock.folder, stock.programs, stack).smtp_sink(keep=False)
        account = dovecot.account()
        yield Servers(dovecot, sink, account.user, account.password)


if __name__ == "__main__":
    sys.exit(main())
