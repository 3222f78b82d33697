"""Holds modules to 300 lines and functions to 40 (code, not docstrings or blanks)."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MODULE_LINES = 300
FUNCTION_LINES = 40


def code_lines(node: ast.AST, lines: list[str]) -> int:
    """Counts the lines of a function that hold code: no docstring, comment or blank."""
    first, last = node.body[0], node.body[-1]  # type: ignore[attr-defined]
    start = node.lineno  # type: ignore[attr-defined]
    is_doc = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    doc = set(range(first.lineno, first.end_lineno + 1)) if is_doc else set()
    return sum(
        1
        for number in range(start, last.end_lineno + 1)
        if number not in doc
        and lines[number - 1].strip()
        and not lines[number - 1].lstrip().startswith("#")
    )


def problems(path: Path) -> list[str]:
    """The module's and its functions' excesses, one line each."""
    text = path.read_text()
    lines = text.splitlines()
    found = []
    if len(lines) > MODULE_LINES:
        found.append(f"{path}: {len(lines)} lines (at most {MODULE_LINES})")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            size = code_lines(node, lines)
            if size > FUNCTION_LINES:
                found.append(
                    f"{path}:{node.lineno}: {node.name} has {size} lines (at most {FUNCTION_LINES})"
                )
    return found


def main() -> int:
    """Checks every module of xdb/ that is not generated."""
    found = [
        line
        for path in sorted(Path("xdb").rglob("*.py"))
        if "pb" not in path.parts
        for line in problems(path)
    ]
    print(*found, sep="\n", end="\n" if found else "")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
