"""The tests' real servers as fixtures, and what is done about those that are missing.

A test says which servers it cannot run without: `@pytest.mark.needs("rabbitmq")`. The shared server
is started when the first test asks for its fixture, and is gone at the end of the run.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from postroom.store import Store
from postroom.store.migrate import migrate
from tests.servers.cyrus import Cyrus
from tests.servers.dovecot import Account, Dovecot
from tests.servers.missing import NotFound
from tests.servers.nodes import Nodes
from tests.servers.oauth import OAuthServer
from tests.servers.postgresql import Postgresql
from tests.servers.rabbitmq import RabbitMq, Vhost
from tests.servers.stock import RECIPES, Stock

STOCK = pytest.StashKey[Stock]()
LACKING = pytest.StashKey[dict[str, "Lacking"]]()
MISSING = "missing server"
MEMORY = Path("/dev/shm")
STATE_BYTES = 6 * 1024**3
REASON = "needs {server}, which is not to be had"


@dataclass
class Lacking:
    """A server that is not to be had: what was tried, and the tests that did not run."""

    reasons: list[tuple[str, str]]
    tests: list[str] = field(default_factory=list)


def _keep_state_in_memory() -> None:
    """Have databases and queues on a file system in memory, if one is at hand with room enough.

    Nothing here outlives a crash of the machine, and half of the time would be spent waiting for the disk.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return
    if shutil.disk_usage(MEMORY).free >= STATE_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)
        tempfile.tempdir = None


def pytest_configure(config: pytest.Config) -> None:
    """Have the stock of servers ready; nothing is looked for or started yet."""
    _keep_state_in_memory()

    def say(sentence: str) -> None:
        terminal = config.pluginmanager.getplugin("terminalreporter")
        if terminal is None:
            # One of several processes; the terminal is another one's.
            print(f"servers: {sentence}", file=sys.__stderr__, flush=True)
            return
        with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(f"servers: {sentence}", flush=True)

    config.stash[STOCK] = Stock(say)
    config.stash[LACKING] = {}
    config.pluginmanager.register(Notes(config.stash[LACKING]))
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
    """Note in the report of a test that did not run which server it lacked, and why."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        for failure in item.config.stash[STOCK].missing():
            if report.longrepr[2].endswith(REASON.format(server=failure.server)):
                found = {"server": failure.server, "reasons": failure.reasons}
                report.user_properties.append((MISSING, found))
    return report


class Notes:
    """Collects what the reports say of missing servers, whichever process ran the test."""

    def __init__(self, lacking: dict[str, Lacking]) -> None:
        self._lacking = lacking

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note it."""
        for name, found in report.user_properties:
            if name == MISSING and isinstance(found, dict):
                reasons = [(step, reason) for step, reason in found["reasons"]]
                self._lacking.setdefault(found["server"], Lacking(reasons)).tests.append(report.nodeid)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Make missing servers a failure of the whole run where `CI` is set."""
    failed = session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED)
    if session.config.stash[LACKING] and os.environ.get("CI") and not failed:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name each missing server, why each step to it failed, and the tests that did not run."""
    lacking = config.stash[LACKING]
    if lacking:
        terminalreporter.section("missing servers", red=True)
    for server, found in sorted(lacking.items()):
        terminalreporter.write_line(f"{server} is not to be had:")
        for step, reason in found.reasons:
            terminalreporter.write_line(f"  {step}: {reason}")
        terminalreporter.write_line(f"  tests that did not run: {len(found.tests)}")
        for test in found.tests:
            terminalreporter.write_line(f"    {test}")
    if lacking and os.environ.get("CI"):
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
def postgresql_template(postgresql: Postgresql) -> Iterator[str]:
    """The name of a database with all tables, to make others from."""
    with postgresql.database() as url:
        with closing(Store(url)) as store:
            migrate(store)
        yield url.rpartition("/")[2]


@pytest.fixture
def postgresql_store(postgresql: Postgresql, postgresql_template: str) -> Iterator[str]:
    """The URL of a database of this test's own with all tables and nothing in them."""
    with postgresql.database(postgresql_template) as url:
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
