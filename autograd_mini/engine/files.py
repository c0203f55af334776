"""Writing a file in full or not at all; knows nothing of what is written."""

from __future__ import annotations

import os
import shutil
import sys
import time
from pathlib import Path
from uuid import uuid4

# How many seconds to wait, in turn, where another program has the file open that is to be replaced.
WAITS = (0.01, 0.02, 0.05, 0.1, 0.3)


def write_file(target: Path, content: bytes) -> None:
    """Write a file, or replace one once the new content is complete and on the disk, not before.

    A link keeps pointing to what it points to, and a replaced file's permissions stay. An OSError, or a ValueError
    for a device, a pipe or a socket, leaves nothing behind: on Windows a PermissionError too, where another program has
    the file open for half a second and more.
    """
    final = Path(os.path.realpath(target))
    if not final.parent.is_dir():
        raise FileNotFoundError(f"no such folder: {str(target.parent)!r}")
    if final.is_dir():
        raise IsADirectoryError(f"a folder, not a file: {str(target)!r}")
    if final.exists() and not final.is_file():
        raise ValueError(f"{str(target)!r} is no file that could be replaced")
    draft = final.with_name(f".{uuid4().hex}.draft")  # in the same folder, so that it can take the other's place
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # else the name might reach the disk before the content
        if final.exists():
            shutil.copymode(final, draft)
        _replace(draft, final)
    finally:
        draft.unlink(missing_ok=True)


def _replace(draft: Path, final: Path) -> None:
    """Let a file take the place of another, on Windows once no other program, such as a virus scanner, has it open."""
    for wait in WAITS if sys.platform == "win32" else ():
        try:
            draft.replace(final)
            return
        except PermissionError:
            time.sleep(wait)
    draft.replace(final)
