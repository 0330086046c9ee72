"""What a desk is deployed with: files in deploy/ that their own tools accept, commands in its pages that exist."""

from __future__ import annotations

import http.client
import http.server
import json
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from audit.app_cli import OIDC_NEEDS
from audit.cli import app
from audit.reviews import accounts, contests
from audit.reviews.tables import Person
from streamlit_app import server

TOP = Path(__file__).parent.parent
DEPLOY = TOP / "deploy"
PAGES = (TOP / "docs" / "desk.md", TOP / "docs" / "desk-deployment.md")
INSTALLED = "/opt/plural-audit/bin/plural-audit"
UNITS = sorted([*DEPLOY.glob("*.service"), *DEPLOY.glob("*.timer")])


def needs(tool: str) -> str:
    """Path of a tool of the system; the test is skipped where it is not installed."""
    path = shutil.which(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed here")
    return path


# --- commands --------------------------------------------------------------------------------


def require_accepted(words: list[str]) -> None:
    """Parse `plural-audit WORDS` as the command line does, without running it."""
    command = typer.main.get_command(app)
    context, path = None, "plural-audit"
    while True:
        try:
            context = command.make_context(path, words, parent=context)
        except typer.Exit:  # --help
            return
        if not hasattr(command, "resolve_command"):
            return
        path, command, words = command.resolve_command(context, [*context._protected_args, *context.args])


def our_words(line: str) -> list[str] | None:
    """What a line of shell gives to plural-audit; None where it calls something else."""
    words = shlex.split(line)
    if words[1:3] == ["sh", "-c"]:
        words = shlex.split(words[3])
    for place, word in enumerate(words):
        called = word == INSTALLED or (
            word == "plural-audit" and (place == 0 or words[place - 2 : place] == ["exec", "desk"])
        )
        if called:
            return words[place + 1 :]
    return None


def commands_of(page: Path) -> Iterator[str]:
    """Lines of code blocks, and code within a sentence, that call plural-audit."""
    text = page.read_text(encoding="utf-8")
    for block in re.findall(r"^```\n(.*?)^```", text, flags=re.M | re.S):
        yield from (line for line in block.splitlines() if our_words(line) is not None)
    without = re.sub(r"^```\n.*?^```", "", text, flags=re.M | re.S)
    yield from (code for code in re.findall(r"`(plural-audit [^`\n]+)`", without) if our_words(code) is not None)


WRITTEN = [pytest.param(line, id=f"{page.stem}: {line[:60]}") for page in PAGES for line in commands_of(page)]


@pytest.mark.parametrize("line", WRITTEN)
def test_every_command_that_a_page_of_the_desk_writes_is_one_of_the_command_line(line):
    words = our_words(line) or []
    # A page may name a command without what it takes: then its help has to be there.
    require_accepted([*words, "--help"] if words == ["compare"] else words)


def test_a_command_that_does_not_exist_would_be_seen():
    with pytest.raises(Exception, match="No such option"):
        require_accepted(["desk", "backup", "monday.zip", "--quickly"])
    with pytest.raises(Exception, match="No such command"):
        require_accepted(["desk", "mend"])
    assert len(WRITTEN) > 15


def test_the_service_starts_a_command_that_exists():
    (line,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "plural-audit-desk.service").read_text(), flags=re.M)
    require_accepted(our_words(line) or [])
    (line,) = re.findall(r"^ExecStart=(.*)$", (DEPLOY / "plural-audit-desk-backup.service").read_text(), flags=re.M)
    inner = shlex.split(line.replace("%%", "%"))[2]
    require_accepted(our_words(inner.removeprefix("exec ")) or [])


# --- pages -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_of_the_desk_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = [target.partition("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    missing = [target for target in links if not (page.parent / target).exists()]
    named = set(re.findall(r"`([\w.-]+\.(?:service|timer|conf|yaml|example|toml)|Caddyfile|Containerfile)`", text))
    named |= {name for name in re.findall(r"deploy/([\w.-]+\w)", text) if name != ".env"}
    missing += sorted(name for name in named if not (DEPLOY / name).exists())
    assert links
    assert missing == []


def test_the_table_of_contests_has_the_days_that_the_desk_goes_by():
    rows = re.findall(r"^\| ([a-z, ]+) \|.*\| (\d+) days \|", PAGES[0].read_text(encoding="utf-8"), flags=re.M)
    assert rows == [
        ("filed", str(contests.DAYS_TO_ADMIT)),
        ("admitted", str(contests.DAYS_TO_ANSWER)),
        ("answered, unanswered", str(contests.DAYS_TO_DECIDE)),
        ("refused, upheld, upheld in part, rejected", str(contests.DAYS_TO_APPEAL)),
        ("appealed", str(contests.DAYS_OF_BOARD)),
    ]


def test_figures_in_the_page_are_those_of_the_desk():
    text = PAGES[0].read_text(encoding="utf-8")
    assert f"it works {accounts.INVITED_FOR_DAYS} days unless" in text
    usual = Person.__table__.columns["daily_limit"].default.arg
    assert f"({usual} unless you say otherwise, {accounts.DAILY_MOST} at most" in text
    of_one, in_all = accounts.ATTEMPTS_PER_LOGIN, accounts.ATTEMPTS_PER_ADDRESS
    team = PAGES[1].read_text(encoding="utf-8")
    assert f"(of one address in 15 minutes: {of_one} for one name, {in_all} in all)" in team
    assert accounts.ATTEMPT_WINDOW.total_seconds() == 15 * 60


# --- units -----------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_accepts_a_unit(unit, tmp_path):
    tool = needs("systemd-analyze")
    for one in UNITS:  # a timer needs its service beside it; the program is not installed here
        (tmp_path / one.name).write_text(one.read_text().replace(INSTALLED, "/bin/true"))
    done = subprocess.run(
        [tool, "verify", str(tmp_path / unit.name)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# --- containers ------------------------------------------------------------------------------


def instructions(file: Path) -> list[tuple[str, str]]:
    """(word, rest) of each instruction of a Containerfile, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.M).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in text.splitlines() if line.strip()]


def test_the_container_starts_a_command_that_exists_and_copies_what_is_there():
    lines = instructions(DEPLOY / "Containerfile")
    found = dict(lines)
    entry, command = json.loads(found["ENTRYPOINT"]), json.loads(found["CMD"])
    assert entry == ["plural-audit"]
    require_accepted(command)
    sources = [rest.split()[:-1] for word, rest in lines if word == "COPY" and "--from" not in rest]
    assert [name for names in sources for name in names if not (TOP / name).exists()] == []
    packages = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = {name for names in sources for name in names}
    assert copied >= {*packages["packages"], *packages["force-include"]}


def test_the_container_installs_extras_that_exist():
    known = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    text = (DEPLOY / "Containerfile").read_text()
    named = {extra for listed in re.findall(r"EXTRAS=([a-z,]+)", text) for extra in listed.split(",")}
    assert named >= {"app", "postgres", "report"}
    assert named <= set(known)


def test_the_container_asks_for_its_health_where_the_desk_answers():
    paths = {route.path for route in server.routes_of(None)}
    (asked,) = re.findall(r"http://127\.0\.0\.1:8501(/[a-z]+)", (DEPLOY / "Containerfile").read_text())
    assert asked in paths


def test_the_services_of_the_compose_file_fit_together():
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed here")
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = content["services"]
    assert set(services) == {"db", "desk", "caddy"}
    require_accepted(services["desk"]["command"])
    assert [name for name, one in services.items() if "ports" in one] == ["caddy"]  # only Caddy is reachable
    assert content["networks"]["inside"] == {"internal": True}
    assert services["db"]["networks"] == ["inside"]
    assert services["caddy"]["environment"]["DESK_UPSTREAM"] == "desk:8501"
    volumes = {mount.partition(":")[0] for one in services.values() for mount in one["volumes"]}
    assert {name for name in volumes if not name.startswith(".")} == set(content["volumes"])


# --- proxies ---------------------------------------------------------------------------------


def test_caddy_accepts_its_file():
    done = subprocess.run(
        [needs("caddy"), "validate", "--config", str(DEPLOY / "Caddyfile"), "--adapter", "caddyfile"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Valid configuration" in done.stdout + done.stderr
    assert done.returncode == 0


class Echo(http.server.BaseHTTPRequestHandler):
    """Stands for the desk: says which headers came through."""

    def do_GET(self):
        content = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_words):
        pass


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def nginx(tmp_path) -> Iterator[tuple[int, int]]:
    """nginx with our file in front of `Echo`, with a certificate of its own: ports of TLS and of plain http."""
    tool, openssl = needs("nginx"), needs("openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    named = ["-subj", "/CN=desk.example.org", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *named],
        check=True,
        capture_output=True,
    )
    behind = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=behind.serve_forever, daemon=True).start()
    tls, plain = free_port(), free_port()
    site = (DEPLOY / "nginx.conf").read_text()
    changes = {
        "/etc/letsencrypt/live/desk.example.org/fullchain.pem": str(certificate),
        "/etc/letsencrypt/live/desk.example.org/privkey.pem": str(key),
        "127.0.0.1:8501": f"127.0.0.1:{behind.server_address[1]}",
        "listen 443": f"listen 127.0.0.1:{tls}",
        "listen 80": f"listen 127.0.0.1:{plain}",
    }
    for old, new in changes.items():
        assert old in site
        site = site.replace(old, new)
    site = re.sub(r"^\s*listen \[::\].*\n", "", site, flags=re.M)
    temporary = "".join(
        f"{kind}_temp_path {tmp_path}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/pid; error_log {tmp_path}/error.log; daemon off; events {{}}\nhttp {{ {temporary}\n{site}\n}}"
    )
    tested = subprocess.run([tool, "-t", "-c", str(config)], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen([tool, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", tls)) == 0:
                    break
            time.sleep(0.05)
        yield tls, plain
    finally:
        process.terminate()
        process.wait(10)
        behind.shutdown()
        behind.server_close()


def test_nginx_hands_on_what_the_desk_needs_and_nobody_chooses_the_address_they_are_counted_under(nginx):
    import ssl

    tls, plain = nginx
    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", tls, context=unchecked, timeout=20)
    host = f"desk.example.org:{tls}"
    sent = {"Host": host, "X-Forwarded-For": "6.6.6.6", "Connection": "Upgrade", "Upgrade": "websocket"}
    connection.request("GET", "/_stcore/stream", headers=sent)
    got = json.loads(connection.getresponse().read())
    connection.close()
    assert got["host"] == host
    assert got["x-forwarded-for"] == "127.0.0.1"
    assert got["x-forwarded-proto"] == "https"
    assert (got["connection"], got["upgrade"]) == ("upgrade", "websocket")

    connection = http.client.HTTPConnection("127.0.0.1", plain, timeout=20)
    connection.request("GET", "/findings?run=x", headers={"Host": "desk.example.org"})
    answer = connection.getresponse()
    assert (answer.status, answer.headers["location"]) == (301, "https://desk.example.org/findings?run=x")
    connection.close()


# --- secrets ---------------------------------------------------------------------------------


def test_the_example_of_sign_in_by_an_organisation_names_all_that_is_needed_and_holds_no_secret():
    auth = tomllib.loads((DEPLOY / "oidc.example.toml").read_text())["auth"]
    assert set(auth) == set(OIDC_NEEDS)
    assert auth["cookie_secret"] == auth["client_secret"] == auth["client_id"] == ""
    assert auth["redirect_uri"].endswith("/oauth2callback")


def test_the_example_environment_holds_no_password_and_what_the_service_reads():
    lines = (DEPLOY / "plural-audit-desk.env.example").read_text().splitlines()
    named = dict(line.split("=", 1) for line in lines if not line.startswith("#"))
    assert ":PASSWORD@" in named["PLURAL_AUDIT_DB"]
    read = set(re.findall(r"\$\{(\w+)\}", (DEPLOY / "plural-audit-desk.service").read_text()))
    assert read <= set(named)
