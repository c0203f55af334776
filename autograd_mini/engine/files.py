"""Writing a file in full or not at all; knows nothing of what is written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from uuid import uuid4


def write_file(target: Path, content: bytes) -> None:
    """Write a file, or replace one once the new content is complete and on the disk, not before.

    A link keeps pointing to what it points to, and a replaced file's permissions stay. An OSError, or a ValueError
    for a device, a pipe or a socket, leaves nothing behind.
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
        draft.replace(final)
    finally:
        draft.unlink(missing_ok=True)
