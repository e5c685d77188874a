"""What may import what, and what `import agentmatch` may load."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "agentmatch"
MODULES = {
    ".".join(("agentmatch", *file.relative_to(SOURCE).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): file
    for file in SOURCE.rglob("*.py")
}
HEAVY = (
    "bm25s",
    "click",
    "faiss",
    "filelock",
    "huggingface_hub",
    "markdown_it",
    "matplotlib",
    "numpy",
    "onnx",
    "onnxruntime",
    "rich",
    "scipy",
    "sentence_transformers",
    "sklearn",
    "tokenizers",
    "torch",
    "transformers",
    "yaml",
)


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


def test_importing_the_package_loads_nothing_heavy() -> None:
    script = f"import agentmatch, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
