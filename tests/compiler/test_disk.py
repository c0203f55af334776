"""Machine code kept on disk between processes: where, for whom, and what of it is believed."""

from __future__ import annotations

import os
import stat
import sys
import threading
from pathlib import Path

import pytest
from processes import run

from autograd_mini import exp, jit
from autograd_mini.compiler.backends import disk

pytest.importorskip("llvmlite", reason="native code needs the extra jit: llvmlite")

import llvmlite
import llvmlite.binding as llvm

from autograd_mini.compiler.backends import machine

needs_owners = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no owners and permissions of this kind")

PROGRAM = """
from autograd_mini import exp, jit, value_and_grad
from autograd_mini.compiler.backends import machine
written = []
emit = machine.emit
machine.emit = lambda text, target: written.append(text) or emit(text, target)
f = jit(value_and_grad(lambda x: exp(x) * x), in_axes=0, reduce="sum", OPTIONS)
print(f(__import__("numpy").linspace(0.0, 1.0, 20)), len(written))
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is named in the environment, and does not exist yet."""
    monkeypatch.setenv(disk.VARIABLE, str(tmp_path / "kept"))
    return tmp_path / "kept"


def call(options: str = "") -> tuple[str, int]:
    """Call a function in a process of its own: give the result, and how many modules were compiled."""
    result, count = run(PROGRAM.replace("OPTIONS", options)).rsplit(" ", 1)
    return result, int(count)


def test_a_second_process_writes_no_machine_code(folder: Path) -> None:
    first, again = call(), call()
    assert (first[1], again[1]) == (1, 0)
    assert first[0] == again[0]
    assert len(list(folder.iterdir())) == 1
    assert call("fuse=True")[1] == 1, "what is generated otherwise is compiled"


@needs_owners
def test_the_folder_is_the_users_alone(folder: Path) -> None:
    call()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_nothing_is_kept_unless_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("cache=False")
    for told in ("", "0"):
        monkeypatch.setenv(disk.VARIABLE, told)
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        call()
    assert not folder.exists()


def test_a_folder_that_can_not_be_named_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(disk.VARIABLE, "~nobody_of_this_name/cache")
    assert disk.cache_folder(None) == Path.cwd() / "~nobody_of_this_name/cache"


@pytest.mark.skipif(sys.platform != "linux", reason="XDG_CACHE_HOME is Linux's")
def test_code_is_kept_in_the_users_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv(disk.VARIABLE, raising=False)
    call("cache=True")
    assert len(list((tmp_path / "cache" / "autograd_mini").iterdir())) == 1
    monkeypatch.setenv(disk.VARIABLE, "1")
    assert call()[1] == 0
    monkeypatch.setenv("XDG_CACHE_HOME", "cache")  # relative paths are to be ignored, says the standard
    monkeypatch.setenv("HOME", str(tmp_path))
    assert disk.cache_folder(True) == tmp_path / ".cache" / "autograd_mini"


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[:-1],
        lambda content: content[:100] + bytes([content[100] ^ 1]) + content[101:],
        lambda content: b"something else entirely",
    ],
    ids=["empty", "cut off", "one bit", "foreign"],
)
def test_a_damaged_file_is_ignored_and_replaced(folder: Path, damage: object) -> None:
    result = call()[0]
    (file,) = folder.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))  # type: ignore[operator]
    assert call() == (result, 1)
    assert file.read_bytes() == content
    assert call() == (result, 0)


def test_code_under_another_name_is_ignored(folder: Path) -> None:
    disk.keep_code(folder, "one", b"code of one")
    (folder / "one").rename(folder / "other")
    assert disk.read_code(folder, "other") is None
    assert disk.read_code(folder, "one") is None
    disk.keep_code(folder, "one", b"code of one")
    assert disk.read_code(folder, "one") == b"code of one"


@needs_owners
@pytest.mark.parametrize("permissions", [0o777, 0o770, 0o702])
def test_a_folder_that_others_may_write_to_is_refused(folder: Path, permissions: int) -> None:
    disk.keep_code(folder, "key", b"code")
    folder.chmod(permissions)
    with pytest.warns(RuntimeWarning, match=rf"kept'.* permissions {permissions:o}\); .*chmod 700"):
        assert disk.read_code(folder, "key") is None
    with pytest.warns(RuntimeWarning, match="AUTOGRAD_MINI_CACHE"):
        disk.keep_code(folder, "another", b"code")
    assert [file.name for file in folder.iterdir()] == ["key"]
    folder.chmod(0o755)
    assert disk.read_code(folder, "key") == b"code", "that others may read it is no harm"


@needs_owners
def test_a_folder_of_another_user_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.keep_code(folder, "key", b"code")
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    with pytest.warns(RuntimeWarning, match=f"owner {owner}"):
        assert disk.read_code(folder, "key") is None


def test_a_folder_that_can_not_be_written_is_no_error(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    assert call()[1] == 1
    assert folder.read_text() == "a file where the folder should be"


def test_a_file_that_another_process_has_open_on_windows_is_no_error(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(draft: Path, final: Path) -> Path:
        raise PermissionError(13, "in use by another process", str(draft), 5, str(final))

    monkeypatch.setattr(Path, "replace", refuse)
    assert jit(lambda x: exp(x) - 3.0, cache=True)(0.0) == -2.0
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs permissions that bind this user")
def test_a_read_only_folder_is_read_alone(folder: Path) -> None:
    call()
    folder.chmod(0o500)
    assert call()[1] == 0
    assert call("fuse=True")[1] == 1
    assert len(list(folder.iterdir())) == 1


def test_what_was_not_used_for_longest_makes_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MOST", 3 * 1032)  # a digest of 32 bytes stands before the code
    keys = [f"{i:064x}" for i in range(4)]
    (tmp_path / "somebody's").write_bytes(b"x" * 10_000)
    for age, key in enumerate(keys[:3]):
        disk.keep_code(tmp_path, key, bytes(1000))
        os.utime(tmp_path / key, (age, age))
    assert disk.read_code(tmp_path, keys[0]) == bytes(1000)  # now it is the youngest
    disk.keep_code(tmp_path, keys[3], bytes(1000))
    assert [disk.read_code(tmp_path, key) is not None for key in keys] == [True, False, True, True]
    assert (tmp_path / "somebody's").exists()


def test_two_processes_may_write_at_once(folder: Path) -> None:
    found: list[tuple[str, int]] = []
    threads = [threading.Thread(target=lambda: found.append(call())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len({result for result, _ in found}) == 1
    assert len(list(folder.iterdir())) == 1, "no draft is left behind"
    assert call()[1] == 0


def test_readers_find_all_of_a_file_or_nothing_while_others_write_it(tmp_path: Path) -> None:
    codes = [bytes([i]) * 100_000 for i in range(4)]
    threads = [
        threading.Thread(target=lambda code=code: [disk.keep_code(tmp_path / "kept", "key", code) for _ in range(20)])
        for code in codes
    ]
    for thread in threads:
        thread.start()
    found = {disk.read_code(tmp_path / "kept", "key") for _ in range(200)}
    for thread in threads:
        thread.join()
    assert found <= {None, *codes}
    assert disk.read_code(tmp_path / "kept", "key") in codes


def test_the_key_names_all_that_code_depends_on(monkeypatch: pytest.MonkeyPatch) -> None:
    target = machine.describe_processor()
    keys = [machine._key("text", target), machine._key("other", target)]
    changes = [
        (machine, "VERSION", "0"),
        (machine, "LEVEL", 3),
        (machine, "PASSES", ("sroa",)),
        (llvmlite, "__version__", "0"),
        (llvm, "llvm_version_info", (0, 0, 0)),
        (llvm, "get_host_cpu_name", lambda: "another"),
        (machine, "_features", lambda: llvm.FeatureMap()),
    ]
    for place, name, value in changes:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, value)
            keys.append(machine._key("text", target))
    assert len(set(keys)) == len(keys)


def test_a_process_that_has_code_does_not_look_for_it_on_disk(folder: Path) -> None:
    assert jit(lambda x: exp(x) - 2.0, cache=True)(0.0) == -1.0
    for file in folder.iterdir():
        file.unlink()
    assert jit(lambda x: exp(x) - 2.0, cache=True)(0.0) == -1.0
    assert not list(folder.iterdir())
