"""Deliberate bugs: each must be found by the lives that every change has to pass.

`make mutants` puts one bug after the other into a copy of the code and runs the gate's seeds
on it until one fails. A bug that no seed finds is a hole in the simulation: exit code 1.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GATE = (("brief", 24), ("beyond", 8))
"""Profiles and how many seeds of each."""


@dataclass(frozen=True)
class Mutant:
    """One bug: a text that stands once in a file, and what stands there instead."""

    name: str
    file: str
    right: str
    wrong: str


MUTANTS = (
    Mutant(
        "a replica is acknowledged before its name is synced",
        "xdb/store/durable.py",
        "            await self.disk.sync_directory(folder)\n",
        "            pass\n",
    ),
    Mutant(
        "what may be undeleted is removed",
        "xdb/services/collection.py",
        "            return view.record.gone(self.index.parameters.retention) - 1\n",
        "            return view.record.ends() - 1\n",
    ),
    Mutant(
        "what a node gave up is not made again",
        "xdb/core/health/triggers.py",
        "    if holding.lost:\n",
        "    if False:\n",
    ),
    Mutant(
        "the index forgets deletions",
        "xdb/index/events.py",
        "            files.deleted(staging, event, at)\n",
        "            pass\n",
    ),
    Mutant(
        "what was removed is asked for once more",
        "xdb/index/proofs.py",
        "        staging.save(key, replace(segment, ended=at.epoch + 1))\n",
        "        staging.save(key, replace(segment, ended=at.epoch + 3))\n",
    ),
    Mutant(
        "the index forgets renewals",
        "xdb/index/events.py",
        "            files.renewed(staging, event, at)\n",
        "            pass\n",
    ),
    Mutant(
        "the index keeps what a reorganisation undid",
        "xdb/index/history.py",
        "                    await self._roll_back(item.height)\n",
        "                    self._cursor = Cursor(\n"
        "                        item.height, self._cursor.time, self._cursor.poisoned\n"
        "                    )\n",
    ),
    Mutant(
        "nobody moves slots",
        "xdb/tasks/migrator.py",
        "        for step in plan.steps:\n",
        "        for step in ():\n",
    ),
    Mutant(
        "a node proves every other epoch",
        "xdb/tasks/prover.py",
        '        if audit.verdict is not None:\n            return f"epoch',
        '        if audit.verdict is not None or seed.epoch % 2:\n            return f"epoch',
    ),
    Mutant(
        "readers take wrong bytes",
        "xdb/services/fetching.py",
        "    if sha256(ciphertext).digest() != file.manifest.slice_digests[index]:\n"
        '        raise IntegrityError("the slice\'s digest is another one")\n'
        "    return decrypt_slice(\n",
        "    if sha256(ciphertext).digest() != file.manifest.slice_digests[index]:\n"
        "        return bytes(len(ciphertext) - 16)\n"
        "    return decrypt_slice(\n",
    ),
)


def mutated(mutant: Mutant, folder: Path) -> None:
    """A copy of the code with the bug in it."""
    shutil.copytree(ROOT / "xdb", folder / "xdb", ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / mutant.file
    text = file.read_text()
    if text.count(mutant.right) != 1:
        raise SystemExit(f"{mutant.name}: {mutant.file} has changed, correct the mutant")
    file.write_text(text.replace(mutant.right, mutant.wrong))


def hunted(mutant: Mutant) -> str:
    """Which seed finds a bug, and by what; empty when none does."""
    with tempfile.TemporaryDirectory() as name:
        mutated(mutant, Path(name))
        environment = {**os.environ, "PYTHONPATH": name}
        for profile, seeds in GATE:
            for seed in range(seeds):
                command = [sys.executable, "-m", "xdb.testing.simulation", f"{seed}-{seed}"]
                done = subprocess.run(
                    [*command, "--profile", profile],
                    cwd=name,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode:
                    lines = done.stdout.splitlines() or done.stderr.splitlines()[-1:]
                    return f"{profile} {lines[0][:200]}"
    return ""


def main() -> int:
    """Hunts all of them, or those whose names contain a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("word", nargs="?", default="", help="part of their names")
    word = parser.parse_args().word
    missed = 0
    for mutant in MUTANTS:
        if word in mutant.name:
            found = hunted(mutant)
            missed += not found
            print(f"{mutant.name}: {found or 'NOT FOUND'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
