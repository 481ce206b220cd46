"""Who imports whom is a contract, and importing does nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
SOURCES = [ROOT / "shared", *sorted((ROOT / "services").iterdir())]
# Modules that run something when they are imported: programs, and Alembic's scripts.
NOT_FOR_IMPORT = ("__main__", "postroom.store.migrations")
# Modules that are not pure, and an import of each, or of what it imports, that says so.
CHAINS = {
    "postroom.spool": "postroom.spool -> os",
    "postroom.broker.publisher": "postroom.broker.publisher -> random",
    "postroom.accounts_plan": "postroom.accounts_file -> yaml",
}


def modules() -> dict[str, Path]:
    """Every module of ours with its file."""
    return {
        ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__"): path
        for source in SOURCES
        for path in sorted(source.rglob("*.py"))
    }


def lint(config: Path) -> subprocess.CompletedProcess[str]:
    command = [str(LINTER), "--config", str(config), "--no-cache"]
    return subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)


def test_the_import_contracts_are_kept() -> None:
    result = lint(ROOT / "pyproject.toml")
    assert result.returncode == 0, result.stdout


def test_the_contract_of_the_pure_modules_would_notice(tmp_path: Path) -> None:
    added = "".join(f' "{module}",' for module in CHAINS)
    text = (ROOT / "pyproject.toml").read_text()
    config = tmp_path / "pyproject.toml"
    config.write_text(text.replace('"postroom.account",', f'"postroom.account",{added}', 1))
    result = lint(config)
    assert result.returncode == 1
    assert [chain for chain in CHAINS.values() if chain not in result.stdout] == []


def test_a_module_that_says_it_is_pure_is_under_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    pure = {module for each in contracts if "no IO" in each["name"] for module in each["source_modules"]}
    saying_so = {
        name
        for name, path in modules().items()
        if "(pure)" in (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n\n")[0]
    }
    assert saying_so <= pure
    assert pure <= set(modules())


def test_importing_everything_does_nothing(tmp_path: Path) -> None:
    names = [name for name in modules() if not any(part in name for part in NOT_FOR_IMPORT)]
    script = (
        "import importlib, os, signal, threading\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert os.listdir() == []\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
    )
    # Without an environment: nothing but settings may look at it, and that not at import.
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={}, check=False, capture_output=True, text=True
    )
    assert (result.returncode, result.stderr, result.stdout) == (0, "", "")
