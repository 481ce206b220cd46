"""The tests' real servers as fixtures, and what is done about those that are missing.

A test says which servers it cannot run without: `@pytest.mark.needs("rabbitmq")`. The shared server
is started when the first test asks for its fixture, and is gone at the end of the run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Account, Dovecot
from tests.servers.missing import NotFound
from tests.servers.nodes import Nodes
from tests.servers.oauth import OAuthServer
from tests.servers.postgresql import Postgresql
from tests.servers.rabbitmq import RabbitMq, Vhost
from tests.servers.stock import RECIPES, Stock

STOCK = pytest.StashKey[Stock]()
NOT_RUN = pytest.StashKey[dict[str, list[str]]]()
REASON = "needs {server}, which is not to be had"


def pytest_configure(config: pytest.Config) -> None:
    """Have the stock of servers ready; nothing is looked for or started yet."""

    def say(sentence: str) -> None:
        terminal = config.pluginmanager.getplugin("terminalreporter")
        with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(f"servers: {sentence}", flush=True)

    not_run: dict[str, list[str]] = {name: [] for name in RECIPES}
    config.stash[STOCK] = Stock(say)
    config.stash[NOT_RUN] = not_run
    config.add_cleanup(config.stash[STOCK].close)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose servers are not to be had."""
    for marker in item.iter_markers("needs"):
        for name in marker.args:
            assert name in RECIPES, f"needs({name!r}): known are {', '.join(RECIPES)}"
            _or_skip(item.config.stash[STOCK].look, name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which tests did not run for want of a server."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        for name, tests in item.config.stash[NOT_RUN].items():
            if report.longrepr[2].endswith(REASON.format(server=name)):
                tests.append(item.nodeid)
    return report


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make missing servers a failure of the whole run where `CI` is set."""
    failed = session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if session.config.stash[STOCK].missing() and os.environ.get("CI") and not failed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name each missing server, why each step to it failed, and the tests that did not run."""
    missing = config.stash[STOCK].missing()
    if missing:
        terminalreporter.section("missing servers", red=True)
    for failure in missing:
        terminalreporter.write_line(f"{failure.server} is not to be had:")
        for step, reason in failure.reasons:
            terminalreporter.write_line(f"  {step}: {reason}")
        tests = config.stash[NOT_RUN][failure.server]
        terminalreporter.write_line(f"  tests that did not run: {len(tests)}")
        for test in tests:
            terminalreporter.write_line(f"    {test}")
    if missing and os.environ.get("CI"):
        terminalreporter.write_line("With CI set this is a failure.")


def _or_skip(find: Callable[[str], Any], name: str) -> Any:
    try:
        return find(name)
    except NotFound as failure:
        pytest.skip(REASON.format(server=failure.server))


@pytest.fixture(scope="session")
def stock(pytestconfig: pytest.Config) -> Stock:
    """The servers of this run."""
    return pytestconfig.stash[STOCK]


@pytest.fixture(scope="session")
def rabbitmq(stock: Stock) -> RabbitMq:
    """The shared RabbitMQ node; with the management API."""
    broker: RabbitMq = _or_skip(stock.handle, "rabbitmq")
    return broker


@pytest.fixture
def rabbitmq_vhost(rabbitmq: RabbitMq) -> Iterator[Vhost]:
    """A virtual host of this test's own on the shared node."""
    with rabbitmq.vhost() as vhost:
        yield vhost


@pytest.fixture(scope="session")
def postgresql(stock: Stock) -> Postgresql:
    """The shared PostgreSQL server."""
    server: Postgresql = _or_skip(stock.handle, "postgresql")
    return server


@pytest.fixture
def postgresql_database(postgresql: Postgresql) -> Iterator[str]:
    """The URL (`postgresql+psycopg://…`) of an empty database of this test's own."""
    with postgresql.database() as url:
        yield url


@pytest.fixture(scope="session")
def dovecot(stock: Stock) -> Dovecot:
    """The shared Dovecot."""
    server: Dovecot = _or_skip(stock.handle, "dovecot")
    return server


@pytest.fixture
def dovecot_account(dovecot: Dovecot) -> Account:
    """An empty account of this test's own on the shared Dovecot."""
    return dovecot.account()


@pytest.fixture(scope="session")
def cyrus(stock: Stock) -> Cyrus:
    """The shared Cyrus."""
    server: Cyrus = _or_skip(stock.handle, "cyrus")
    return server


@pytest.fixture
def cyrus_account(cyrus: Cyrus) -> Account:
    """An empty account of this test's own on the shared Cyrus."""
    return cyrus.account()


@pytest.fixture
def nodes(stock: Stock) -> Iterator[Nodes]:
    """Makes private servers for this test."""
    with ExitStack() as stack:
        yield Nodes(stock.folder, partial(_or_skip, stock.programs), stack)


@pytest.fixture(scope="session")
def session_nodes(stock: Stock) -> Iterator[Nodes]:
    """Makes private servers that several tests share."""
    with ExitStack() as stack:
        yield Nodes(stock.folder, partial(_or_skip, stock.programs), stack)


@pytest.fixture(scope="session")
def oauth_server(session_nodes: Nodes) -> OAuthServer:
    """The shared OAuth 2 authorization server; a test registers a client of its own."""
    return session_nodes.oauth().server


@pytest.fixture(scope="session")
def oauth_dovecot(session_nodes: Nodes, oauth_server: OAuthServer) -> Dovecot:
    """A Dovecot that takes passwords, and the tokens of `oauth_server`; a test needs "dovecot" for it."""
    return session_nodes.dovecot(introspection_url=oauth_server.introspection_url).server
