"""Writing a file: what is replaced, what is kept, and what is refused."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from autograd_mini.engine import files
from autograd_mini.engine.files import write_file

needs_posix = pytest.mark.skipif(os.name != "posix", reason="modes, links and pipes are POSIX's")


@needs_posix
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_file(tmp_path / "new", b"")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@needs_posix
def test_replacing_a_file_keeps_its_permissions_and_links_to_it(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_bytes(b"old")
    file.chmod(0o600)
    link.symlink_to(file)
    write_file(link, b"new")
    assert link.is_symlink()
    assert (file.read_bytes(), stat.S_IMODE(file.stat().st_mode)) == (b"new", 0o600)
    assert sorted(os.listdir(tmp_path)) == ["file", "link"]


def test_what_is_no_file_in_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such folder: .*absent"):
        write_file(tmp_path / "absent" / "graph.svg", b"")
    with pytest.raises(IsADirectoryError, match="a folder, not a file: "):
        write_file(tmp_path, b"")
    assert os.listdir(tmp_path) == []


@needs_posix
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="pipe' is no file that could be replaced"):
        write_file(tmp_path / "pipe", b"")
    assert os.listdir(tmp_path) == ["pipe"]


def test_on_windows_a_file_that_another_program_has_open_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = refuse_on_windows(monkeypatch, 3)
    (tmp_path / "file").write_bytes(b"old")
    write_file(tmp_path / "file", b"new")
    assert ((tmp_path / "file").read_bytes(), len(refusals)) == (b"new", 3)


def test_on_windows_a_file_that_stays_open_is_an_error_and_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_on_windows(monkeypatch, 100)
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(PermissionError, match="in use"):
        write_file(tmp_path / "file", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"old")]


def refuse_on_windows(monkeypatch: pytest.MonkeyPatch, times: int) -> list[str]:
    """Do as Windows does while another program has a file open: let no file take its place, so many times."""
    refusals: list[str] = []
    replace = Path.replace

    def refuse(draft: Path, final: Path) -> Path:
        if len(refusals) < times:
            refusals.append(str(final))
            raise PermissionError(13, "in use by another process", str(draft), 5, str(final))
        return replace(draft, final)

    monkeypatch.setattr(files, "WAITS", (0.0,) * len(files.WAITS))
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr(Path, "replace", refuse)
    return refusals
