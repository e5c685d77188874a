"""What may import what, and what `import agentmatch` may load."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from agentmatch.cli.main import COMMANDS
from conftest import write_trades

SOURCE = Path(__file__).parents[1] / "src" / "agentmatch"
MODULES = {
    ".".join(("agentmatch", *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): file
    for file in SOURCE.rglob("*.py")
}


def imported_modules(module: str) -> set[str]:
    """List the modules of agentmatch that a module imports when it is loaded."""
    found = set()
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("agentmatch"):
            package = node.module or ""
            for alias in node.names:
                name = f"{package}.{alias.name}"
                found.add(name if name in MODULES else package)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names if alias.name in MODULES)
    return found


def test_imports_run_in_one_direction() -> None:
    graph = {module: imported_modules(module) for module in MODULES}
    # Raises CycleError for a circle.
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"agentmatch"}))
def test_nobody_imports_from_the_package_root(module: str) -> None:
    assert "agentmatch" not in imported_modules(module)


@pytest.mark.parametrize("package", ["parsing"])
def test_pure_parts_touch_neither_disk_nor_network(package: str) -> None:
    for module, file in MODULES.items():
        if module.startswith(f"agentmatch.{package}"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                assert not {"os", "socket", "urllib", "subprocess"} & set(names), module
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                    assert node.func.id != "open", module


def test_only_one_file_imports_faiss() -> None:
    holders = [
        file.name for file in MODULES.values() if "import faiss" in file.read_text(encoding="utf-8")
    ]
    assert holders == ["dense.py"]


# What a warm `match --json` may load: arrays, the command line, stems of words, and the
# user's cache folder.
MATCH_MAY_LOAD = {"numpy", "click", "Stemmer", "platformdirs"}

# Modules that these register by other names (PyStemmer is built with Cython), and that a
# Python environment may load at its start.
_PARTS = re.compile(r"_?cython_.*|_distutils_hack|sitecustomize|usercustomize|__editable__.*")


def third_party(script: str, *arguments: str) -> set[str]:
    """Run a script and list the modules it has loaded that are neither Python's nor ours."""
    report = """
import sys
import os
def report(status=0):
    names = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
    print(*sorted(names), file=sys.stderr)
os._exit = report
"""
    done = subprocess.run(
        [sys.executable, "-c", report + script, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    found = set(done.stderr.split()) - {"__main__", "__mp_main__", "agentmatch"}
    return {name for name in found if not _PARTS.fullmatch(name)}


def test_importing_the_package_loads_nothing_of_others() -> None:
    assert third_party("import agentmatch; report()") == set()


def test_a_warm_match_loads_only_what_it_needs(tmp_path: Path) -> None:
    agents = write_trades(tmp_path / "agents")
    for file in agents.iterdir():
        os.utime(file, ns=(10**18, 10**18))
    script = "from agentmatch.cli.main import run; run()"
    command = ["match", "a tap drips", "--agents", str(agents), "--json"]
    assert third_party(script, *command) > MATCH_MAY_LOAD - {"platformdirs"}
    assert third_party(script, *command) <= MATCH_MAY_LOAD


def test_a_matcher_waits_with_teams_and_tuned_heads() -> None:
    # A plain answer needs neither, and their modules take a while to load.
    done = subprocess.run(
        [sys.executable, "-c", "import agentmatch.matcher, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    late = ("agentmatch.splitting", "agentmatch.team", "agentmatch.tuning", "agentmatch.training")
    assert not [name for name in done.stdout.split() if name.startswith(late)]


def test_help_lists_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "agentmatch", "-h"], capture_output=True, text=True, check=True
    )
    for name in COMMANDS:
        assert re.search(rf"^  {name} ", done.stdout, re.MULTILINE), name
