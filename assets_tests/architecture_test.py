"""The direction of imports, and a few habits, held by reading the source."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "trading_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What each part may import of the package; a part may always import itself.
ALLOWED = {
    "errors": set[str](),
    "model": {"errors"},
    "portfolio": {"errors", "model", "risk"},
    "risk": {"errors", "model"},
    "indicators": {"errors"},
    "ledger": {"errors", "model"},
    "analytics": {"errors", "model", "ledger"},
    "reconciliation": {"errors", "model", "ledger"},
    "yaml_settings": {"errors"},
    "safe_url": {"errors"},
    "ibkr_settings": {"errors", "model", "safe_url"},
    "alpaca_settings": {"errors", "model", "safe_url"},
    "bar_vendor_settings": {"errors", "safe_url"},
    "settings": {
        "errors",
        "model",
        "risk",
        "yaml_settings",
        "alpaca_settings",
        "ibkr_settings",
        "bar_vendor_settings",
        "signal_settings",
    },
    "signal_settings": {"errors", "model"},
    "risk_policy_files": {"errors", "risk", "yaml_settings"},
    "progress": set[str](),
    "atomic_file": set[str](),
    "calendar": {"errors", "settings"},
    "data_files": {"errors", "model"},
    "signal_files": {
        "errors",
        "model",
        "portfolio",
        "settings",
        "signal_settings",
        "data_files",
    },
    "alpaca_api": {"errors", "model"},
    "market_data": {"errors", "model", "settings", "data_files", "alpaca_api", "atomic_file"},
    # The simulated broker charges by the planner's own commission function, and accrues interest
    # by the ledger's day counts.
    "brokers": {"errors", "model", "portfolio", "ledger", "alpaca_api"},
    "event_log": {"errors", "model"},
    "bus": {"errors", "model"},
    "execution": {
        "errors",
        "model",
        "settings",
        "portfolio",
        "risk",
        "ledger",
        "reconciliation",
        "brokers",
        "event_log",
        "bus",
        "calendar",
        "atomic_file",
    },
    "lake": {"atomic_file"},
    "reporting": {
        "errors",
        "model",
        "settings",
        "signal_settings",
        "ledger",
        "portfolio",
        "analytics",
        "reconciliation",
        "lake",
        "atomic_file",
        "engine",
    },
    "evidence": {
        "errors",
        "model",
        "settings",
        "calendar",
        "ledger",
        "event_log",
        "reporting",
        "atomic_file",
    },
    "dagster_storage": set[str](),
    # Strategies know bars and the clock; the engine runs strategies.
    "strategies": {"errors", "model", "engine", "data_files", "indicators"},
    "engine": {
        "errors",
        "model",
        "ledger",
        "analytics",
        "risk",
        "risk_policy_files",
        "indicators",
        "strategies",
        "market_data",
        "alpaca_api",
        "data_files",
        "event_log",
        "atomic_file",
        "progress",
        "settings",
        "alpaca_settings",
        "yaml_settings",
    },
}
PURE = ("model", "portfolio", "risk", "indicators", "ledger", "analytics", "reconciliation")
NOT_PURE = {
    "dagster", "os", "io", "pathlib", "subprocess", "socket", "sqlite3", "sqlalchemy", "random",
    "time", "requests", "duckdb", "pandas", "pyarrow", "tempfile", "shutil", "logging",
}  # fmt: skip


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_in_one_direction(path: Path) -> None:
    part = part_of(path)
    inside = {
        name.split(".")[1]
        for name in imports_of(path)
        if name.startswith("trading_assets.") and name.split(".")[1] != part
    }
    if part in ALLOWED:
        assert inside <= ALLOWED[part], f"{part} must not import {inside - ALLOWED[part]}"
    if "assets" in inside:
        assert part in ("definitions", "portfolio_definitions", "automation", "live_automation"), (
            f"{part} must not import assets"
        )
    assert "cli" not in inside


@pytest.mark.parametrize("path", [path for path in MODULES if part_of(path) in PURE], ids=name_of)
def test_what_decides_does_no_input_or_output_and_asks_no_clock(path: Path) -> None:
    outside = {name.split(".")[0] for name in imports_of(path)}
    assert not outside & NOT_PURE
    text = path.read_text()
    for call in (".now(", ".today(", " open(", "environ"):
        assert call not in text, f"{call} in {path.name}"


def test_only_settings_reads_the_environment() -> None:
    readers = [name_of(path) for path in MODULES if "os.environ" in path.read_text()]
    assert set(readers) <= {"settings.py", "daily_run.py"}


def test_modules_are_named_after_nouns_of_the_domain() -> None:
    forbidden = {"utils", "util", "helpers", "helper", "common", "manager", "misc", "base_utils"}
    assert not {path.stem for path in MODULES} & forbidden


def test_modules_and_functions_stay_readable() -> None:
    too_long = [name_of(path) for path in MODULES if len(path.read_text().splitlines()) > 560]
    functions = [
        f"{name_of(path)}:{node.name}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and (node.end_lineno or 0) - node.lineno > 90
    ]
    assert not too_long
    assert not functions


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_public_function_says_what_it_does(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert ast.get_docstring(tree) or not tree.body, "the module has no docstring"
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_every_module_has_no_import_cycle() -> None:
    graph = {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): {
            name for name in _top_level_imports(path) if name.startswith("trading_assets")
        }
        for path in MODULES
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' -> '.join((*trail, name))}"
        if name in done or name not in graph:
            return
        for other in graph[name]:
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def _top_level_imports(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_nothing_committed_names_a_registry_host_or_a_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    for name in listed:
        path = ROOT / name
        if path.suffix in {".xlsx", ".png", ".parquet"} or path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8", errors="ignore")
        for host in ("pypi.org", "pythonhosted", "/work/", "npmjs", "deb.debian"):
            assert host not in text, f"{host} in {name}"
