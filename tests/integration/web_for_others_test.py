"""The web server for other machines: TLS, a password, and what `check` says beforehand."""

import base64
import os
import re
import socket
import ssl
import subprocess
import threading
import time

import pytest

from support.session import PATIENCE_S, wait_until
from support.stage import WATCHFUL
from support.web import Web, free_port

PASSWORD = "correct horse, \"battery\" staple ü"


def make_certificate(directory, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(directory / "web.key"),
                    "-out", str(directory / "web.crt")], check=True, capture_output=True, timeout=60)
    os.chmod(directory / "web.key", 0o640)


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


class Guarded:
    """A web server's section with TLS and a password, and its files."""

    def __init__(self, directory, host="127.0.0.1"):
        self.directory = directory
        self.port = free_port()
        self.host = host
        make_certificate(directory, "first")
        (directory / "password").write_text(PASSWORD + "\n", encoding="utf-8")
        os.chmod(directory / "password", 0o600)

    @property
    def web(self):
        return Web(self.port, ssl.create_default_context(cafile=self.directory / "web.crt"))

    @property
    def policy(self):
        return (f'web:\n  listen: "{self.host}:{self.port}"\n'
                f'  tls: {{ certificate: "{self.directory}/web.crt", key: "{self.directory}/web.key" }}\n'
                f'  basic_auth: {{ user: prometheus, password_file: "{self.directory}/password" }}\n')


@pytest.fixture
def guarded(tmp_path):
    return Guarded(tmp_path)


def test_only_who_knows_the_password_reads(stage, guarded):
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    daemon.wait_for("web_listening")
    web = guarded.web
    for path in ("/", "/metrics", "/status", "/healthz", "/readyz", "/nothing"):
        answer = web.ask(path)
        assert answer.status == 401 and answer.headers["www-authenticate"].startswith("Basic realm="), path
        assert answer.headers["content-security-policy"] and "stage" not in answer.text
        assert web.ask(path, "HEAD").status == 401
    assert web.ask("/healthz", headers=basic("prometheus", PASSWORD)).status == 200
    for user, password in [("prometheus", ""), ("", PASSWORD), ("", ""), ("prometheus", PASSWORD + "x"), ("prometheus", PASSWORD[:-1]),
                           ("Prometheus", PASSWORD), ("prometheus", PASSWORD + "\0"), ("prometheus" * 2, PASSWORD * 2)]:
        # what a C string cannot hold is cut off before it gets here
        wanted = 200 if password == PASSWORD + "\0" else 401
        assert web.ask("/healthz", headers=basic(user, password)).status == wanted, (user, password)
    for header in ("Basic", "Basic ", "Basic !!!", "Basic " + "QQ==" * 1000, "Bearer " + PASSWORD[:10], "Basic cHJvbWV0aGV1cw=="):
        assert web.ask("/healthz", headers={"Authorization": header}).status == 401, header
    assert PASSWORD not in str(daemon.lines)


def test_without_tls_nothing_is_said(stage, guarded):
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    daemon.wait_for("web_listening")
    with socket.create_connection(("127.0.0.1", guarded.port), timeout=PATIENCE_S) as plain:
        plain.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"HTTP" not in plain.recv(4096)
    assert guarded.web.ask("/healthz", headers=basic("prometheus", PASSWORD)).status == 200


def test_a_handshake_that_is_never_finished_delays_no_reader_and_no_stop(stage, guarded):
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    daemon.wait_for("web_listening")
    idle = [socket.create_connection(("127.0.0.1", guarded.port), timeout=PATIENCE_S) for _ in range(6)]
    for number, one in enumerate(idle):
        one.sendall(b"\x16\x03\x01\x02\x00\x01"[:number % 7])
    assert guarded.web.ask("/healthz", headers=basic("prometheus", PASSWORD)).status == 200
    began = time.monotonic()
    daemon.stop()
    assert time.monotonic() - began < 20
    for one in idle:
        one.close()


def test_an_address_for_other_machines_needs_both(stage, guarded, command, tmp_path):
    config = tmp_path / "c.yaml"
    for left_out in ("tls", "basic_auth", "tls|basic_auth"):
        section = re.sub(rf"^  ({left_out}):.*\n", "", guarded.policy.replace("127.0.0.1", "0.0.0.0"), flags=re.M)
        config.write_text(stage.policy(WATCHFUL, more=section), encoding="utf-8")
        done = command("check", config)
        assert done.returncode == 78 and "other machines could reach 0.0.0.0" in done.stderr


def test_other_machines_may_use_any_name_for_it(stage, tmp_path, command):
    guarded = Guarded(tmp_path, "0.0.0.0")
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    assert daemon.wait_for("web_listening")["listen"] == f"0.0.0.0:{guarded.port}"
    headers = {"Host": "db1.example:9187", **basic("prometheus", PASSWORD)}
    assert guarded.web.ask("/metrics", headers=headers).status == 200
    assert guarded.web.ask("/metrics", headers={"Host": "db1.example:9187"}).status == 401
    done = command("status", "--config", daemon.config)
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith("pgcurfew ")


def test_the_command_trusts_no_other_server(stage, guarded, command, tmp_path):
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    daemon.wait_for("web_listening")
    assert command("status", "--config", daemon.config).returncode == 0
    # the daemon has the certificate of before
    make_certificate(tmp_path, "second")
    done = command("status", "--config", daemon.config)
    assert done.returncode == 69 and "certificate" in done.stderr and "Reload it if that was renewed" in done.stderr
    (tmp_path / "password").write_text("another\n", encoding="utf-8")
    daemon.reload()
    wait_until(lambda: command("status", "--config", daemon.config).returncode == 0)


def test_another_certificate_of_the_same_issuer_is_not_trusted(stage, guarded, command, tmp_path):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, timeout=60, cwd=tmp_path)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=issuer",
            "-keyout", "issuer.key", "-out", "issuer.crt")
    for name in ("ours", "sibling"):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", f"{name}.key",
                "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "issuer.crt", "-CAkey", "issuer.key", "-CAcreateserial", "-days", "2",
                "-out", f"{name}.crt")

    def use(name):
        (tmp_path / "web.crt").write_text((tmp_path / f"{name}.crt").read_text() + (tmp_path / "issuer.crt").read_text())
        (tmp_path / "web.key").write_text((tmp_path / f"{name}.key").read_text())

    use("ours")
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    daemon.wait_for("web_listening")
    assert command("status", "--config", daemon.config).returncode == 0
    use("sibling")
    done = command("status", "--config", daemon.config)
    assert done.returncode == 69 and "certificate" in done.stderr


def test_no_address_takes_all_connections(stage, guarded):
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    daemon.wait_for("web_listening")
    idle = [socket.create_connection(("127.0.0.1", guarded.port), timeout=PATIENCE_S) for _ in range(40)]
    ended = []

    def are_ended():
        for one in idle:
            one.setblocking(False)
            try:
                if one not in ended and one.recv(1) == b"":
                    ended.append(one)
            except BlockingIOError:
                pass
            except OSError:
                ended.append(one)
        return len(ended) >= 32

    began = time.monotonic()
    wait_until(are_ended)
    assert time.monotonic() - began < 5, "at once, not after their silence"
    for one in idle:
        one.close()


def test_a_reload_takes_a_renewed_certificate_and_keeps_the_old_one_if_that_is_broken(stage, guarded, tmp_path):
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    daemon.wait_for("web_listening")
    login = basic("prometheus", PASSWORD)
    first = guarded.web
    make_certificate(tmp_path, "second")
    second = guarded.web
    assert first.ask("/healthz", headers=login).status == 200
    daemon.reload()
    daemon.wait_for(lambda event: len(daemon.all("web_listening")) == 2)
    assert daemon.all("web_failed") == []

    def has_second():
        try:
            return second.ask("/healthz", headers=login).status == 200
        except (ssl.SSLError, OSError):
            return False

    assert has_second()
    with pytest.raises(ssl.SSLError):
        first.ask("/healthz", headers=login)
    os.rename(tmp_path / "web.key", tmp_path / "away.key")
    daemon.reload()
    assert "web.key" in daemon.wait_for("web_failed")["error"]
    assert has_second()
    (warning,) = wait_until(lambda: second.ask("/status", headers=login).json["warnings"])
    assert "cannot be renewed" in warning
    os.rename(tmp_path / "away.key", tmp_path / "web.key")
    daemon.reload()
    wait_until(lambda: second.ask("/status", headers=login).json["warnings"] == [])
    assert ["outage_s" in event for event in daemon.all("web_listening")] == [False, False, False]


@pytest.mark.parametrize("damage, why", [
    (lambda files: os.remove(files / "web.crt"), "No such file"),
    (lambda files: (files / "web.crt").write_text("no certificate\n"), "do not belong together"),
    (lambda files: (files / "web.crt").write_text(""), "do not belong together"),
    (lambda files: os.chmod(files / "web.key", 0o644), "others can use"),
    (lambda files: os.chmod(files / "password", 0o604), "others can use"),
    (lambda files: (files / "password").write_text("\nsecond line\n"), "is no password"),
    (lambda files: (os.remove(files / "password"), os.mkfifo(files / "password", 0o600)), "is not a regular file"),
    (lambda files: (files / "password").write_text("x" * 70000), "is longer than"),
], ids=["no certificate", "no PEM", "empty", "key for all", "password for all", "empty password", "fifo", "long"])
def test_files_that_will_not_do_are_named_beforehand_and_by_the_daemon(stage, guarded, command, tmp_path, damage, why):
    damage(tmp_path)
    config = tmp_path / "c.yaml"
    config.write_text(stage.policy(WATCHFUL, more=guarded.policy), encoding="utf-8")
    done = command("check", config)
    assert done.returncode == 0 and "\nweb: listens on " in done.stdout
    assert re.search(rf"^pgcurfew: warning: not possible now: web: .*{why}", done.stderr, re.M), done.stderr
    assert command("check", "--server", config).returncode == 69
    daemon = stage.enforce(WATCHFUL, more=guarded.policy)
    assert why in daemon.wait_for("web_failed")["error"]


def test_a_key_of_another_certificate_is_named(stage, guarded, command, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    make_certificate(other, "other")
    os.replace(other / "web.key", tmp_path / "web.key")
    config = tmp_path / "c.yaml"
    config.write_text(stage.policy(WATCHFUL, more=guarded.policy), encoding="utf-8")
    assert "do not belong together" in command("check", config).stderr


def test_check_says_what_the_address_lacks(stage, command, tmp_path):
    config = tmp_path / "c.yaml"

    def said(listen):
        config.write_text(stage.policy(WATCHFUL, more=f'web: {{ listen: "{listen}" }}'), encoding="utf-8")
        done = command("check", config)
        assert done.returncode == 0
        obstacle = re.search(r"^pgcurfew: warning: not possible now: web: (.*)$", done.stderr, re.M)
        return obstacle[1] if obstacle else re.search(r"^web: (.*)$", done.stdout, re.M)[1]

    port = free_port()
    assert said(f"127.0.0.1:{port}") == f"listens on 127.0.0.1:{port}"
    with socket.create_server(("127.0.0.1", port)):
        assert "another process listens" in said(f"127.0.0.1:{port}")
    assert said(f"unix:{tmp_path}/web.sock") == f"listens on unix:{tmp_path}/web.sock"
    assert not (tmp_path / "web.sock").exists()
    assert "No such file or directory" in said(f"unix:{tmp_path}/none/web.sock")
    (tmp_path / "file").write_text("precious")
    assert "is not a socket" in said(f"unix:{tmp_path}/file")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "left"))
    assert said(f"unix:{tmp_path}/left") == f"listens on unix:{tmp_path}/left"
    assert (tmp_path / "left").exists()


def test_check_names_all_that_the_web_server_lacks(stage, guarded, command, tmp_path):
    os.remove(tmp_path / "web.key")
    os.chmod(tmp_path / "password", 0o604)
    config = tmp_path / "c.yaml"
    config.write_text(stage.policy(WATCHFUL, more=guarded.policy), encoding="utf-8")
    with socket.create_server(("127.0.0.1", guarded.port)):
        told = command("check", config).stderr
    assert [why in told for why in ("others can use", "web.key: No such file", "another process listens")] == [True] * 3, told


def test_check_tells_no_stranger_at_the_port_the_password(stage, guarded, command, tmp_path):
    config = tmp_path / "c.yaml"
    section = re.sub(r"^  tls:.*\n", "", guarded.policy, flags=re.M)
    config.write_text(stage.policy(WATCHFUL, more=section), encoding="utf-8")
    heard = []

    def answer(listening):
        while True:
            try:
                connection = listening.accept()[0]
            except OSError:
                return
            with connection:
                heard.append(connection.recv(4096))
                connection.sendall(b"HTTP/1.1 401 No\r\nContent-Length: 2\r\nConnection: close\r\n"
                                   b"WWW-Authenticate: Basic realm=\"pgcurfew\"\r\n\r\nno")

    with socket.create_server(("127.0.0.1", guarded.port)) as listening:
        stranger = threading.Thread(target=answer, args=(listening,), daemon=True)
        stranger.start()
        assert "another process listens" in command("check", config).stderr
    said = b"".join(heard).lower()
    assert b"get /healthz" in said and b"authorization" not in said


def test_check_knows_the_pgcurfew_that_has_the_address(stage, guarded, command, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(stage.policy(WATCHFUL, more=guarded.policy), encoding="utf-8")
    stage.enforce(WATCHFUL, more=guarded.policy).wait_for("web_listening")
    done = command("check", "--server", config)
    assert re.search(r"^web: listens on \S+, with TLS, for user \S+; a running pgcurfew does already$", done.stdout, re.M)
    assert (done.returncode, "not possible" in done.stderr) == (0, False), done.stderr
    # what a reload is to take is checked before it
    make_certificate(tmp_path, "second")
    (tmp_path / "password").write_text("new\n")
    done = command("check", "--server", config)
    assert (done.returncode, "does already" in done.stdout) == (0, True), done.stderr
    plain = re.sub(r"^  (tls|basic_auth):.*\n", "", guarded.policy, flags=re.M)
    config.write_text(stage.policy(WATCHFUL, more=plain), encoding="utf-8")
    assert "; a running pgcurfew does already\n" in command("check", config).stdout
