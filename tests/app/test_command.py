"""`plural-audit app`: what it refuses, what it prints, how it ends."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from audit.app_cli import in_the_clear, read_oidc
from audit.errors import UsageError

WHOLE = {
    "redirect_uri": "https://desk.example.org/oauth2callback",
    "cookie_secret": "a secret",
    "client_id": "desk",
    "client_secret": "another",
    "server_metadata_url": "https://id.example.org/.well-known/openid-configuration",
}


def written(folder: Path, **auth: str) -> Path:
    file = folder / "oidc.toml"
    file.write_text("[auth]\n" + "".join(f'{name} = "{value}"\n' for name, value in auth.items()))
    return file


def test_a_whole_auth_table_is_read(tmp_path):
    assert read_oidc(written(tmp_path, **WHOLE)) == WHOLE


@pytest.mark.parametrize("left_out", WHOLE)
def test_what_an_auth_table_lacks_is_named(tmp_path, left_out):
    rest = {name: value for name, value in WHOLE.items() if name != left_out}
    with pytest.raises(UsageError, match=rf"\[auth\] lacks {left_out}; see docs/desk-deployment.md"):
        read_oidc(written(tmp_path, **rest))


def test_a_file_that_is_no_toml_is_refused_in_one_line(tmp_path):
    file = tmp_path / "oidc.toml"
    file.write_text("auth = [")
    with pytest.raises(UsageError, match="cannot be read as TOML"):
        read_oidc(file)


@pytest.mark.parametrize(
    ("host", "url", "warned"),
    [
        ("127.0.0.1", "", False),
        ("0.0.0.0", "https://desk.example.org", False),
        ("0.0.0.0", "", True),
        ("10.0.0.5", "http://desk.example.org", True),
    ],
)
def test_passwords_that_would_cross_a_network_unencrypted_are_warned_of(host, url, warned):
    assert bool(in_the_clear(host, url)) is warned


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def started(folder: Path, port: int, *more: str) -> subprocess.Popen[str]:
    command = ["app", "--runs", str(folder / "runs"), "--folder", str(folder / "desk"), "--port", str(port), *more]
    code = "import sys; from audit.cli import main; sys.argv[0] = 'plural-audit'; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *command, "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    )


def answer(port: int, path: str) -> str:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
                return response.read().decode()
        except OSError:
            time.sleep(0.1)
    raise TimeoutError(path)


def test_the_first_start_prints_the_link_that_makes_an_administrator_and_a_signal_ends_desk_and_worker(tmp_path):
    port = free_port()
    desk = started(tmp_path, port)
    try:
        assert answer(port, "/healthz") == '{"status":"ok"}'
        children = Path(f"/proc/{desk.pid}/task/{desk.pid}/children")
        worker = int(children.read_text().split()[0]) if children.exists() else 0
        desk.send_signal(signal.SIGINT)
        out, _ = desk.communicate(timeout=30)
    finally:
        desk.kill()
    assert desk.returncode in (0, 130, -signal.SIGINT)
    link = re.search(rf"http://127\.0\.0\.1:{port}/auth/set-up\?secret=\S+", out)
    assert link, out
    assert "Traceback" not in out
    assert not worker or not Path(f"/proc/{worker}").exists()


def test_a_port_that_is_taken_is_one_line_and_exit_code_71(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        desk = started(tmp_path, taken.getsockname()[1], "--no-worker")
        out, _ = desk.communicate(timeout=60)
    assert desk.returncode == 71
    assert "cannot listen there; another desk may, so choose another --port" in " ".join(out.split())
    assert "Traceback" not in out
