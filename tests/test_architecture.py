"""Who may import whom, read from the source. docs/architecture.md gives the reasons."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

import launchpad

SOURCE = Path(launchpad.__file__).parents[1]  # what is installed is what is judged
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((SOURCE / "launchpad").rglob("*.py"))
}

# Data in, data out.
PURE = (
    "launchpad.errors",
    "launchpad.events",
    "launchpad.wish",
    "launchpad.choice",
    "launchpad.choice.*",
    "launchpad.chat.ollama_wire",
    "launchpad.chat.ollama_words",
    "launchpad.chat.wire",
    "launchpad.chat.delta",
    "launchpad.chat.pages",
    "launchpad.chat.options",
    "launchpad.catalog.filters",
    "launchpad.catalog.find",
    "launchpad.catalog.lookalike",
    "launchpad.catalog.quality",
    "launchpad.catalog.reference",
    "launchpad.catalog.select",
    "launchpad.plan",
    "launchpad.script.model",
    "launchpad.script.parse",
    "launchpad.script.parse_checks",
    "launchpad.script.problems",
    "launchpad.script.document",
    "launchpad.script.variables",
    "launchpad.script.checks",
    "launchpad.script.judges",
    "launchpad.script.results",
    "launchpad.script.report",
    "launchpad.script.batch_shape",
    "launchpad.chat.loops",
    "launchpad.doctor.model",
    "launchpad.durations",
    "launchpad.launcher.readback",
    "launchpad.deploy",
    "launchpad.deploy.*",
    "launchpad.services",
    "launchpad.services.*",
    "launchpad.launcher.recovery",
    "launchpad.sanitize",
    "launchpad.sizes",
    "launchpad.explain",
    "launchpad.explain.*",
    "launchpad.fit",
    "launchpad.fit.*",
    "launchpad.catalog.model",
    "launchpad.hardware.machine",
    "launchpad.landscape.labels",
    "launchpad.landscape.model",
    "launchpad.landscape.palette",
    "launchpad.landscape.plot",
    "launchpad.landscape.scale",
    "launchpad.landscape.svg",
    "launchpad.hardware.reserve",
    "launchpad.engines.server",
    "launchpad.connect.edit",
    "launchpad.connect.jsonc",
    "launchpad.connect.settings",
    "launchpad.serve.apis",
    "launchpad.serve.checks",
    "launchpad.serve.problem",
    "launchpad.serve.responses",
    "launchpad.serve.stream",
)
IMPURE = {
    "asyncio", "ctypes", "http", "httpx", "httpx2", "huggingface_hub", "multiprocessing", "ollama", "os", "psutil",
    "pynvml", "requests", "shutil", "signal", "socket", "subprocess", "tempfile", "threading", "time", "urllib",
    "xllamacpp",
}  # fmt: skip

# Slow to import or not everywhere installed: never at the top of a module.
HEAVY = {
    "httpx2",
    "httptools",
    "huggingface_hub",
    "ollama",
    "prompt_toolkit",
    "psutil",
    "pynvml",
    "rich",
    "starlette",
    "uvicorn",
    "xllamacpp",
}
# Programs that run in a process of their own, and tools for tests.
OWN_PROCESS = ("launchpad.plugins.*.child", "launchpad.engines.guard", "launchpad.testing.*")

BUILT_INS = {path.parent.name for path in (SOURCE / "launchpad" / "plugins").glob("*/__init__.py")}
MOST_LINES = 400


def is_any(module: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(module, pattern) for pattern in patterns)


@cache
def imports(module: str, top_only: bool = False) -> tuple[str, ...]:
    """Names of the modules that `module` imports; without those that only type checkers see."""
    return tuple(_imports(module, top_only))


def _imports(module: str, top_only: bool) -> Iterator[str]:
    for node in _nodes(_tree(module), top_only):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in MODULES else base


@cache
def _tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text("utf-8"))


def _nodes(node: ast.AST, top_only: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _nodes(other, top_only)
            continue
        if top_only and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield child
        yield from _nodes(child, top_only)


def built_in(name: str) -> str | None:
    """The built-in plugin that a module belongs to."""
    parts = name.split(".")
    return (
        parts[2]
        if parts[:2] == ["launchpad", "plugins"] and len(parts) > 2 and parts[2] in BUILT_INS
        else None
    )


def offenses(allowed: Callable[[str, str], bool], *, top_only: bool = False) -> list[str]:
    """All imports that a rule does not allow, as "importer -> imported"."""
    return [
        f"{module} -> {name}"
        for module in MODULES
        for name in imports(module, top_only)
        if not allowed(module, name)
    ]


def test_the_rules_look_at_something() -> None:
    assert len(MODULES) > 50
    assert {"probes", "packaged", "huggingface", "pypi", "files", "llamacpp"} <= BUILT_INS
    assert sum(is_any(module, PURE) for module in MODULES) > 10
    assert offenses(lambda module, name: name != "launchpad.errors")


def test_pure_modules_touch_nothing() -> None:
    def allowed(module: str, name: str) -> bool:
        if not is_any(module, PURE):
            return True
        ours = name.partition(".")[0] == "launchpad"
        return is_any(name, PURE) or name == "launchpad" if ours else name.partition(".")[0] not in IMPURE

    assert offenses(allowed) == []


def test_nothing_but_the_command_line_imports_the_command_line() -> None:
    cli = ("launchpad.cli", "launchpad.cli.*")
    assert (
        offenses(lambda module, name: not is_any(name, cli) or is_any(module, (*cli, "launchpad.__main__")))
        == []
    )


def test_built_in_plugins_know_only_what_every_plugin_may_know() -> None:
    def allowed(module: str, name: str) -> bool:
        plugin = built_in(module)
        ours = name.partition(".")[0] == "launchpad"
        return plugin is None or not ours or name == "launchpad.plugins" or built_in(name) == plugin

    assert offenses(allowed) == []


def test_nothing_names_a_built_in_plugin() -> None:
    assert offenses(lambda module, name: built_in(name) in (None, built_in(module))) == []


def test_the_kit_is_for_tests() -> None:
    kit = ("launchpad.testing", "launchpad.testing.*")
    assert offenses(lambda module, name: not is_any(name, kit) or is_any(module, kit)) == []


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    def allowed(module: str, name: str) -> bool:
        return name.partition(".")[0] not in HEAVY or is_any(module, OWN_PROCESS)

    assert offenses(allowed, top_only=True) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_is_small_says_what_it_is_and_imports_by_full_name(module: str) -> None:
    text = MODULES[module].read_text("utf-8")
    assert text.count("\n") <= MOST_LINES
    docstring = ast.get_docstring(_tree(module))
    assert docstring
    assert len(docstring.splitlines()[0]) <= 130
    assert [n for n in ast.walk(_tree(module)) if isinstance(n, ast.ImportFrom) and n.level] == []


CLOCKS = {"monotonic", "perf_counter", "process_time", "time"}


def test_no_test_asserts_how_fast_something_is() -> None:
    """On a busy machine nothing is: `bench/` measures, and a test shows that something was not waited for."""
    paths = [path for path in Path(__file__).parent.rglob("*.py") if path.name != Path(__file__).name]
    assert len(paths) > 100
    timed = [
        f"{path.name}:{node.lineno}"
        for path in paths
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare)
        and _is_elapsed(node.left)
        and isinstance(node.ops[0], ast.Lt | ast.LtE)
    ]
    assert timed == []


def _is_elapsed(node: ast.expr) -> bool:
    """Whether it is `clock() - begin`."""
    if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and isinstance(node.left, ast.Call)):
        return False
    called = node.left.func
    return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) in CLOCKS
