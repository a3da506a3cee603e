from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from ferbench.errors import UserError
from ferbench.output import is_stdout, is_stream, write_output

AS_ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
NOT_ROOT = 65534


@pytest.fixture
def public():
    """A folder that other users reach."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def as_user(user: int, code: str, *args: object) -> subprocess.CompletedProcess[str]:
    """What a user other than root makes of ``write_output``; the modules are there before root is left."""
    start = "import os, sys; from pathlib import Path; from ferbench.output import write_output; "
    left = f"os.setgroups([]); os.setgid({user}); os.setuid({user}); "
    command = [sys.executable, "-c", start + left + code, *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_new_file_has_the_mode_that_the_umask_leaves_and_its_folders_are_made(tmp_path):
    before = os.umask(0o027)
    try:
        write_output(tmp_path / "a" / "b" / "page.html", b"page")
    finally:
        os.umask(before)
    assert (tmp_path / "a" / "b" / "page.html").read_bytes() == b"page"
    assert mode(tmp_path / "a" / "b" / "page.html") == 0o640


@pytest.mark.parametrize("bits", [0o600, 0o664, 0o444 | 0o200, 0o751])
def test_a_file_keeps_its_mode_and_is_replaced_at_once(tmp_path, bits):
    path = tmp_path / "page.html"
    path.write_bytes(b"a longer page of before")
    path.chmod(bits)
    with path.open("rb") as reading:
        write_output(path, b"page")
        assert reading.read() == b"a longer page of before", "whoever reads it has all of the old one"
    assert path.read_bytes() == b"page"
    assert mode(path) == bits
    assert [file.name for file in tmp_path.iterdir()] == ["page.html"]


def test_a_link_is_followed_and_stays(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "target").write_bytes(b"before")
    (tmp_path / "there" / "target").chmod(0o600)
    (tmp_path / "link").symlink_to("there/second")
    (tmp_path / "there" / "second").symlink_to("target")
    write_output(tmp_path / "link", b"page")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "second").is_symlink()
    assert (tmp_path / "there" / "target").read_bytes() == b"page"
    assert mode(tmp_path / "there" / "target") == 0o600


def test_a_link_that_leads_to_nothing_is_followed_too(tmp_path):
    (tmp_path / "link").symlink_to("new")
    write_output(tmp_path / "link", b"page")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "new").read_bytes() == b"page"


def test_links_in_a_circle_are_a_mistake(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(UserError, match="cannot write to"):
        write_output(tmp_path / "a", b"page")


def test_another_hard_link_keeps_what_it_was(tmp_path):
    (tmp_path / "page").write_bytes(b"before")
    (tmp_path / "other").hardlink_to(tmp_path / "page")
    write_output(tmp_path / "page", b"page")
    assert (tmp_path / "other").read_bytes() == b"before"


def test_a_pipe_is_written_into(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    content = b"more than a pipe holds " * 10_000
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    for _ in range(500):
        try:
            write_output(tmp_path / "pipe", content)
            break
        except UserError:  # the reader has not come yet
            reader.join(0.01)
    reader.join(10)
    assert read == [content]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_pipe_without_a_reader_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="nothing reads from the pipe"):
        write_output(tmp_path / "pipe", b"page")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_device_is_written_into(tmp_path):
    master, terminal = os.openpty()
    place = os.ttyname(terminal)
    (tmp_path / "link").symlink_to(place)
    write_output(tmp_path / "link", b"page\n")
    assert os.read(master, 100).replace(b"\r", b"") == b"page\n"
    assert Path(place).is_char_device()
    assert is_stream(tmp_path / "link")
    os.close(master)
    os.close(terminal)


def test_a_folder_and_a_socket_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="is a folder"):
        write_output(tmp_path, b"page")
    monkeypatch.chdir(tmp_path)  # the address of a socket is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind("socket")
        with pytest.raises(UserError, match="no file, pipe or device"):
            write_output(tmp_path / "socket", b"page")
    assert Path("socket").is_socket()


def test_a_file_on_a_full_disk_is_as_it_was(tmp_path, monkeypatch):
    (tmp_path / "page").write_bytes(b"before")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left"):
        write_output(tmp_path / "page", b"page")
    assert (tmp_path / "page").read_bytes() == b"before"
    assert [file.name for file in tmp_path.iterdir()] == ["page"]


def test_a_name_as_long_as_names_may_be(tmp_path):
    path = tmp_path / ("ü" * 127)
    for content in (b"first", b"second"):
        write_output(path, content)
    assert path.read_bytes() == b"second"


def test_open_files_are_written_into_wherever_they_lead(tmp_path):
    """A file that stdout was led into is gone on with: opened by its path it would be begun anew."""
    (tmp_path / "link").symlink_to("/dev/stdout")
    code = (
        "import sys; from pathlib import Path; from ferbench.output import write_output\n"
        "print('first'); write_output(Path('/dev/stdout'), b'second\\n'); print('third')\n"
        "write_output(Path(sys.argv[1]), b'fourth\\n'); write_output(Path('/dev/fd/1'), b'fifth\\n')\n"
        "write_output(Path('/proc/self/fd/1'), b'sixth\\n'); write_output(Path('/dev/stderr'), b'error\\n')"
    )
    with (tmp_path / "out").open("wb") as out:
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "link")], stdout=out, stderr=subprocess.PIPE, check=True
        )
    lines = ["first", "second", "third", "fourth", "fifth", "sixth"]
    assert (tmp_path / "out").read_text().split() == lines
    assert done.stderr == b"error\n"
    assert (tmp_path / "link").is_symlink()


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_results_go_to_stdout_of_a_command(tmp_path, path):
    """Where descriptor 1 leads to stderr, for what others write to it."""
    code = (
        "import os, sys; from pathlib import Path; from ferbench import display; from ferbench.output import *\n"
        "display.watch(); os.write(1, b'from C\\n'); print('first'); write_output(Path(sys.argv[1]), b'second\\n')"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True)
    assert done.stdout == b"first\nsecond\n"
    assert done.stderr == b"from C\n"


def test_a_descriptor_of_many_digits_is_none(tmp_path):
    with pytest.raises(UserError, match="cannot write to /dev/fd/9"):
        write_output(Path(f"/dev/fd/{'9' * 30}"), b"page")


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/fd/1", "/dev/../dev/stdout"])
def test_what_is_standard_output(path):
    assert is_stdout(Path(path))
    assert is_stream(Path(path))


def test_what_is_not(tmp_path):
    assert not is_stdout(tmp_path / "page")
    assert not is_stream(tmp_path / "page")
    assert not is_stream(tmp_path)


@AS_ROOT
def test_root_leaves_a_file_to_its_owner(tmp_path):
    path = tmp_path / "page"
    path.write_bytes(b"before")
    path.chmod(0o600)
    os.chown(path, 1234, 5678)
    write_output(path, b"page")
    there = path.stat()
    assert (there.st_uid, there.st_gid, stat.S_IMODE(there.st_mode)) == (1234, 5678, 0o600)


@AS_ROOT
def test_a_file_that_may_only_be_written_in_place_is(public):
    """It lies in a folder of somebody else, or is somebody else's and open to all."""
    for bits in (0o755, 0o777):
        public.chmod(bits)
        path = public / "page"
        path.write_bytes(b"a longer page of before")
        path.chmod(0o666)
        done = as_user(NOT_ROOT, "write_output(Path(sys.argv[1]), b'page')", path)
        assert done.returncode == 0, done.stderr
        assert path.read_bytes() == b"page"
        assert path.stat().st_uid == 0


@AS_ROOT
def test_a_file_that_may_not_be_written_is_not_replaced(public):
    public.chmod(0o777)
    path = public / "page"
    path.write_bytes(b"before")
    path.chmod(0o600)
    done = as_user(NOT_ROOT, "write_output(Path(sys.argv[1]), b'page')", path)
    assert done.returncode == 1
    assert "Permission denied" in done.stderr
    assert path.read_bytes() == b"before"
    assert mode(path) == 0o600
