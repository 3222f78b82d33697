"""Turns proto/xdb/v1 into xdb/pb; with --check only compares."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = HERE.parent / "xdb" / "pb"
IMPORT = re.compile(r"^from xdb\.v1 import", re.MULTILINE)
STUB_MODULE = re.compile(r"\bxdb\.v1\.(\w+_pb2)\b")


def generate(into: Path) -> dict[str, str]:
    """Runs protoc and returns the text of every generated file by name."""
    sources = sorted((HERE / "xdb" / "v1").glob("*.proto"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--proto_path={HERE}",
            f"--python_out={into}",
            f"--grpc_python_out={into}",
            f"--mypy_out=quiet:{into}",
            f"--mypy_grpc_out=quiet:{into}",
            *map(str, sources),
        ],
        check=True,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )
    files = {}
    for path in sorted((into / "xdb" / "v1").iterdir()):
        text = IMPORT.sub("from xdb.pb import", path.read_text())
        if path.suffix == ".pyi":
            text = STUB_MODULE.sub(r"xdb.pb.\1", text)
        if "_pb2_grpc." in path.name and "class " not in path.with_suffix(".py").read_text():
            continue  # no service in it
        files[path.name] = text
    files["__init__.py"] = '"""Generated from proto/; see proto/generate.py."""\n'
    return files


def main() -> int:
    """Writes or compares; returns the exit status."""
    with tempfile.TemporaryDirectory() as scratch:
        wanted = generate(Path(scratch))
    found = {p.name: p.read_text() for p in TARGET.glob("*.py*") if p.is_file()}
    if "--check" in sys.argv:
        stale = sorted(n for n in wanted.keys() | found.keys() if wanted.get(n) != found.get(n))
        if stale:
            print("xdb/pb differs from proto/ in:", *stale, "- run `make generate`")
        return bool(stale)
    TARGET.mkdir(exist_ok=True)
    for name in found.keys() - wanted.keys():
        (TARGET / name).unlink()
    for name, text in wanted.items():
        (TARGET / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
