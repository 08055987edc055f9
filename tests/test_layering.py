"""Imports go one way: cuda_ops ← stylespace ← domains ← cddfm; and importing compiles, reads and prints nothing."""

import ast
from pathlib import Path

import pytest

ORDER = ["cuda_ops", "stylespace", "domains", "cddfm"]
ROOT = Path(__file__).parent.parent


def imported_packages(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_only_lower_ones(package):
    higher = set(ORDER[ORDER.index(package) + 1 :])
    files = list((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        assert not imported_packages(path) & higher, path


@pytest.mark.parametrize("package", ORDER)
def test_nobody_places_tensors_on_a_device_by_name(package):
    for path in (ROOT / package).rglob("*.py"):
        assert ".cuda(" not in path.read_text(), path
