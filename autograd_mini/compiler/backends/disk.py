"""Machine code that is kept on disk between processes: bytes by a key. Knows nothing of what is in them."""

from __future__ import annotations

import os
import re
import sys
import warnings
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from autograd_mini.engine.files import write_file

# The environment variable that says whether code is kept, by 0 or 1, or in which folder.
VARIABLE = "AUTOGRAD_MINI_CACHE"

# How many bytes are kept in a folder. Where they are more, the files that were not used for longest go.
MOST = 1 << 29


def cache_folder(wanted: bool | None) -> Path | None:
    """Name the folder where code is kept; None where no code is. If `wanted` is None, the environment decides."""
    told = os.environ.get(VARIABLE, "")
    if wanted is False or (wanted is None and told in ("", "0")):
        return None
    return _users_folder() / "autograd_mini" if told in ("", "0", "1") else Path(os.path.expanduser(told)).absolute()


def _users_folder() -> Path:
    """Name the folder of the user's caches."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return told if told.is_absolute() else Path.home() / ".cache"


def read_code(folder: Path, key: str) -> bytes | None:
    """Give what was kept by a key; None if nothing was, or the file has been damaged."""
    with suppress(OSError):
        if (folder / key).is_file() and _is_own(folder):
            content = (folder / key).read_bytes()
            code = content[sha256().digest_size :]
            if content == _sealed(key, code):
                with suppress(OSError):  # a folder may be read-only
                    os.utime(folder / key)
                return code
    return None


def keep_code(folder: Path, key: str, code: bytes) -> None:
    """Keep bytes by a key; where that fails, as on a disk that is full or read-only, nothing is kept."""
    with suppress(OSError, ValueError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _is_own(folder):
            write_file(folder / key, _sealed(key, code))
            _make_room(folder)


def _make_room(folder: Path) -> None:
    """Delete the code that was not used for longest, if there is too much; other processes may do so at once."""
    used: list[tuple[float, int, Path]] = []
    for path in folder.iterdir():
        if re.fullmatch("[0-9a-f]{64}", path.name):  # nobody else's files
            with suppress(OSError):
                about = path.stat()
                used.append((about.st_mtime, about.st_size, path))
    size = sum(each for _, each, _ in used)
    for _, each, path in sorted(used):
        if size <= MOST:
            break
        with suppress(OSError):
            path.unlink()
        size -= each


def _sealed(key: str, code: bytes) -> bytes:
    return sha256(key.encode() + code).digest() + code


def _is_own(folder: Path) -> bool:
    """Say whether nobody but this user, and the system's administrator, can have put a file into a folder."""
    about = folder.stat()
    if sys.platform == "win32" or (about.st_uid == os.geteuid() and not about.st_mode & 0o022):
        return True
    warnings.warn(
        f"no compiled code is read from {str(folder)!r}, or kept there: other users own the folder or may write to it "
        f"(owner {about.st_uid}, permissions {about.st_mode & 0o777:o}); make it yours alone, by chmod 700, or name "
        f"another folder in the environment variable {VARIABLE}",
        RuntimeWarning,
        stacklevel=2,
    )
    return False
