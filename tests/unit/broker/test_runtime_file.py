from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from gateway.broker import runtime_file
from gateway.errors import EmbeddedServerError

URL = "redis://:geheim@127.0.0.1:7777/0"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A runtime directory of the test's own."""
    own = tmp_path / "run"
    own.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(own))
    return own / "fanout-gateway"


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """Processes that are Valkey servers, as far as the module can tell."""
    alive: set[int] = set()
    read_text = Path.read_text

    def proc(path: Path, encoding: str | None = None) -> str:
        if path.name != "stat":
            return read_text(path, encoding)
        if int(path.parent.name) not in alive:
            raise FileNotFoundError(path)
        return f"{path.parent.name} (valkey-server) S 1 {path.parent.name} 0"

    monkeypatch.setattr(Path, "read_text", proc)
    return alive


def test_directory_and_file_are_the_users_alone(directory: Path) -> None:
    path = runtime_file.write(URL, 123)
    assert path.parent == directory
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {"url": URL, "pid": 123}
    assert list(directory.iterdir()) == [path]


def test_a_directory_that_others_can_read_is_closed(directory: Path) -> None:
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    runtime_file.write(URL, 123)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_file_left_by_a_process_that_died_while_writing_is_no_obstacle(directory: Path) -> None:
    directory.mkdir(mode=0o700)
    (directory / "embedded-123.new").write_text("half")
    assert json.loads(runtime_file.write(URL, 123).read_text())["url"] == URL


def test_the_one_running_server_is_found_until_its_file_is_removed(servers: set[int]) -> None:
    servers.add(123)
    path = runtime_file.write(URL, 123)
    assert runtime_file.find_embedded_url() == URL
    runtime_file.remove(path)
    runtime_file.remove(path)
    with pytest.raises(EmbeddedServerError, match="no embedded server is running: start `gateway serve`"):
        runtime_file.find_embedded_url()


def test_files_of_the_dead_are_ignored_and_removed(servers: set[int], directory: Path) -> None:
    servers.add(123)
    alive, dead = runtime_file.write(URL, 123), runtime_file.write("redis://:x@127.0.0.1:1/0", 124)
    (directory / "embedded-9.json").write_text("{")
    (directory / "embedded-10.json").write_text("[]")
    assert runtime_file.find_embedded_url() == URL
    assert alive.exists()
    assert not dead.exists()
    assert list(directory.iterdir()) == [alive]


def test_a_process_that_inherited_the_number_of_a_dead_server_is_no_server() -> None:
    runtime_file.write(URL, os.getpid())
    with pytest.raises(EmbeddedServerError, match="no embedded server"):
        runtime_file.find_embedded_url()


def test_several_servers_are_named_by_their_processes_without_their_passwords(servers: set[int]) -> None:
    servers |= {123, 124}
    runtime_file.write(URL, 123)
    runtime_file.write(URL, 124)
    with pytest.raises(EmbeddedServerError, match=r"2 embedded servers are running \(processes 123, 124\)") as caught:
        runtime_file.find_embedded_url()
    assert "--redis-url" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_link_in_place_of_the_directory_is_refused(directory: Path, tmp_path: Path) -> None:
    directory.symlink_to(tmp_path)
    with pytest.raises(EmbeddedServerError, match=r"is not a directory.*XDG_RUNTIME_DIR"):
        runtime_file.write(URL, 123)


def test_a_directory_of_somebody_else_is_refused(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime_file.runtime_directory()
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if os.getuid() == 0:
        os.chown(directory, 54321, -1)  # what root owns is nobody else's
    with pytest.raises(EmbeddedServerError, match="belongs to another user"):
        runtime_file.write(URL, 123)
