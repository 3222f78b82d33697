"""The committed known answers are those of the second implementation."""

import json
import subprocess
import sys
from pathlib import Path

VECTORS = Path(__file__).parents[2] / "vectors"


def test_the_second_implementation_gives_the_committed_vectors():
    program = VECTORS / "make_data_path.py"
    done = subprocess.run([sys.executable, program], check=True, capture_output=True)
    for name, content in json.loads(done.stdout).items():
        assert (VECTORS / name).read_text() == content
