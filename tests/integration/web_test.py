"""The web server: metrics, health and status show what is; no reader delays or changes anything."""

import json
import os
import re
import resource
import socket
import stat
import subprocess
import time

import pytest

from support.session import PATIENCE_S, QUERY_CANCELED, wait_until
from support.stage import UNBOUNDED, WATCHFUL
from support.web import Web, free_port

RULE = """
- name: short
  match: { application_name: "t*", state: active, query_age: 200ms }
  escalate: [cancel]
- name: patient
  match: { application_name: "p*", state: active, query_age: 1h }
  escalate: [cancel, terminate: { after: 30s }]
"""


def cancelled(stage, name="t"):
    return stage.open(application_name=name).run("select pg_sleep(120)")


def server_of(status):
    (server,) = status["servers"]
    return server


# -- what it shows --------------------------------------------------------------------------------------------------


def test_the_status_has_rules_claims_and_actions(stage, web, watched):
    daemon = watched()
    assert daemon.all("web_listening")[0]["listen"] == web.listen
    assert cancelled(stage) == QUERY_CANCELED
    daemon.wait_for("ended")
    patient = stage.running("select pg_sleep(120)", application_name="p1")
    status = wait_until(lambda: (s := web.status()) and server_of(s)["claims"] and s["actions"][0]["end"] and s)
    assert status["status_version"] == 1
    assert (status["mode"], status["stopping"], status["warnings"]) == ("enforce", False, [])
    server = server_of(status)
    assert (server["up"], server["holds"], server["signals_sent"]) == (True, [], 1)
    assert server["sessions"]["by_state"]["active"] >= 1
    (claim,) = server["claims"]
    assert (claim["rule"], claim["pid"], claim["stand"], claim["step"], claim["step_count"]) == (
        "patient", patient.pid, "limit", "cancel", 2)
    assert 0 < claim["due_in_s"] <= 3600
    assert (claim["user"], claim["application_name"], claim["state"]) == ("app", "p1", "active")
    assert [(rule["rule"], rule["claims"]) for rule in server["rules"]] == [("short", 0), ("patient", 1)]
    action = status["actions"][0]
    outcome = daemon.all("outcome")[0]
    assert [action[key] for key in ("decision", "pid", "rule", "step", "outcome", "end", "message")] == [
        outcome["decision"], outcome["pid"], "short", "cancel", "signalled", "by_us", outcome["message"]]
    assert "pg_sleep" not in web.ask("/status").text, "query texts have no place there"


def test_the_numbers_of_metrics_are_those_of_the_log(stage, web, watched):
    daemon = watched()
    of = {"server": "stage", "rule": "short", "mode": "enforce"}
    assert web.sample("pgcurfew_orders_total", outcome="signalled", step="cancel", **of) == 0
    for _ in range(3):
        assert cancelled(stage) == QUERY_CANCELED
    wait_until(lambda: len(daemon.all("ended")) == 3)
    wait_until(lambda: web.sample("pgcurfew_orders_total", outcome="signalled", step="cancel", **of) == 3)
    assert web.sample("pgcurfew_episodes_total", **of) == 3
    assert web.sample("pgcurfew_episodes_ended_total", end="by_us", **of) == 3
    assert web.sample("pgcurfew_signals_sent_total") == 3
    assert web.sample("pgcurfew_overshoot_seconds_count") == 3
    assert web.sample("pgcurfew_look_duration_seconds_count") > 0
    assert web.sample("pgcurfew_server_up") == 1
    assert web.sample("pgcurfew_privilege", privilege="pg_signal_backend") == 1
    assert web.sample("pgcurfew_hold", hold="down") == 0
    assert web.sample("process_resident_memory_bytes") > 1e6
    assert web.sample("pgcurfew_last_look_age_seconds") < web.sample("pgcurfew_last_look_age_bound_seconds")
    policy = daemon.all("started")[0]["policy"]
    assert web.sample("pgcurfew_policy_info", policy=policy, mode="enforce") == 1


def test_counters_never_go_back_at_a_reload(stage, web, watched):
    daemon = watched()
    assert cancelled(stage) == QUERY_CANCELED
    daemon.wait_for("ended")

    def counters():
        return {name: value for name, value in web.metrics().items() if re.search(r"_(total|count|sum|bucket)\b", name)}

    wait_until(lambda: web.sample("pgcurfew_signals_sent_total") == 1)
    before = counters()
    daemon.reload(stage.policy(WATCHFUL, more=web.policy))
    daemon.wait_for("reload")
    wait_until(lambda: web.sample("pgcurfew_events_total", event="reload") == 1)
    after = counters()
    # what is gone has counted nothing
    assert not {name: (value, after.get(name)) for name, value in before.items() if after.get(name, 0) < value}
    # another connection to the same server, and its watch begins anew
    daemon.reload(stage.policy(WATCHFUL, more=web.policy, servers={"stage": stage.server.conninfo(user="pgcurfew", connect_timeout="9")}))
    wait_until(lambda: web.sample("pgcurfew_events_total", event="reload") == 2)
    again = counters()
    assert not {name: (value, again.get(name)) for name, value in after.items() if again.get(name, 0) < value}
    assert web.sample("pgcurfew_config_last_reload_successful") == 1
    daemon.reload("nonsense")
    daemon.wait_for("reload_refused")
    wait_until(lambda: web.sample("pgcurfew_config_last_reload_successful") == 0)
    assert web.status()["warnings"] == ["the last reload was refused"]


def test_promtool_finds_nothing_to_complain_of(web, watched):
    watched(more="""drains:
- { name: nightly, databases: x, schedule: "0 2 * * *", timezone: UTC, duration: 45min, gate: none }
""")
    done = subprocess.run(["promtool", "check", "metrics"], input=web.ask("/metrics").text, capture_output=True,
                          text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_real_prometheus_scrapes_it(web, watched, tmp_path):
    watched()
    port = free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(f"scrape_configs: [ {{ job_name: pgcurfew, scrape_interval: 1s, "
                      f"static_configs: [ {{ targets: ['{web.listen}'] }} ] }} ]\n", encoding="utf-8")
    process = subprocess.Popen(["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path}/data",
                                f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=tmp_path)
    try:
        def value(query):
            try:
                found = Web(port).ask(f"/api/v1/query?query={query}").json["data"]["result"]
            except (OSError, ValueError):
                return None  # it is only starting
            return found and found[0]["value"][1]

        assert wait_until(lambda: value("pgcurfew_server_up"), every=0.2) == "1"
        assert value("up") == "1"
        assert wait_until(lambda: value("sum(pgcurfew_sessions)"), every=0.2)
    finally:
        process.terminate()
        process.wait()


def test_a_server_that_is_down_is_shown_alike_by_all(stage, web):
    nowhere = f"host=127.0.0.1 port={free_port()} user=pgcurfew"
    daemon = stage.start(WATCHFUL, more=web.policy, servers={"gone": nowhere})
    daemon.wait_for("server_down")
    daemon.wait_for("web_listening")
    assert web.ask("/healthz").status == 200
    ready = web.ask("/readyz")
    assert ready.status == 503
    assert {"server": "gone", "problem": "out of reach"} in ready.json["problems"]
    assert [hold["hold"] for hold in ready.json["servers"][0]["holds"]] == ["down"]
    assert [hold["hold"] for hold in server_of(web.status())["holds"]] == ["down"]
    assert web.sample("pgcurfew_hold", hold="down", server="gone") == 1
    assert web.sample("pgcurfew_server_up") == 0
    assert web.sample("pgcurfew_last_look_age_seconds") == float("inf")


def test_it_is_ready_once_it_has_looked(web, watched):
    watched()
    ready = wait_until(lambda: (answer := web.ask("/readyz")).status == 200 and answer)
    assert ready.json["problems"] == []
    assert [server["ready"] for server in ready.json["servers"]] == [True]


HOSTILE = ['"><script>alert(1)</script>', "a\tb\\n", "%s{{7*7}}${x}", "\"} 1\\npgcurfew_server_up 0"]

def test_hostile_names_stay_text(stage, web, watched, command, hostile_role):
    watched(RULE.replace('"p*"', '"*"'))
    sessions = [stage.running("select pg_sleep(120)", application_name=name) for name in HOSTILE]
    sessions.append(stage.running("select pg_sleep(120)", user=hostile_role))
    wait_until(lambda: {claim["pid"] for claim in server_of(web.status())["claims"]} >=
               {session.pid for session in sessions})
    raw = web.ask("/status").text
    assert raw.isascii() and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", raw)
    assert hostile_role in {claim["user"] for claim in server_of(web.status())["claims"]}
    shown = command("status", "--listen", web.listen).stdout
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert shown.count("\n  claim ") >= len(sessions)
    page = web.ask("/").text
    assert "&lt;script&gt;" in page and "<script>" not in page and "<b>" not in page
    text = web.ask("/metrics").text
    assert not any(part in text for part in ("<script", "evil", "7*7")), "metrics have no names of clients"
    for session in sessions:
        session.close()


def test_the_page_needs_nothing_but_itself(web, watched):
    watched()
    page = web.ask("/")
    assert page.headers["content-type"].startswith("text/html")
    assert re.findall(r'(?:src|href)="([^"]*)"', page.text) == [
        "/style.css", "/page.js", "/status", "/readyz", "/healthz", "/metrics"]
    assert "style=" not in page.text and page.text.count("<script") == 1
    assert web.ask("/style.css").headers["content-type"].startswith("text/css")
    assert web.ask("/page.js").headers["content-type"].startswith("text/javascript")
    assert '<h2>stage <span class="good">up</span></h2>' in wait_until(
        lambda: web.ask("/readyz").status == 200 and web.ask("/").text)


# -- who may ask, and for what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("host, status", [
    ("localhost", 200), ("localhost:1", 200), ("LOCALHOST", 200), ("127.0.0.1", 200), ("127.0.0.1:9187", 200),
    ("[::1]:80", 200), ("evil.example", 403), ("evil.example:9187", 403), ("localhost.evil.example", 403),
    ("127.0.0.1.evil.example", 403), ("localhost:x", 403), ("", 403), ("10.0.0.1", 403)])
def test_the_page_of_another_site_is_not_answered(web, watched, host, status):
    watched()
    for path in ("/", "/status", "/metrics", "/healthz", "/readyz", "/nothing"):
        answer = web.ask(path, headers={"Host": host})
        assert (answer.status == 403) == (status == 403), path
        assert "pgcurfew_" not in answer.text or status == 200


def test_all_answers_forbid_to_load_frame_guess_and_keep(web, watched):
    watched()
    for path in ("/", "/style.css", "/page.js", "/status", "/metrics", "/healthz", "/readyz", "/nothing"):
        headers = web.ask(path).headers
        assert headers["content-security-policy"].startswith("default-src 'none'"), path
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert (headers["x-content-type-options"], headers["cache-control"]) == ("nosniff", "no-store")
        assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_only_reading_is_possible(web, watched, method):
    watched()
    answer = web.ask("/status", method=method)
    assert (answer.status, answer.headers.get("allow")) == (405, "GET, HEAD")


def test_a_head_has_no_body(web, watched):
    watched()
    answer = web.ask("/metrics", method="HEAD")
    assert (answer.status, answer.text) == (200, "")
    assert int(answer.headers["content-length"]) > 1000


def test_a_header_without_end_is_refused(web, watched):
    watched()
    with web.connect(b"GET / HTTP/1.1\r\nHost: localhost\r\n") as endless:
        with pytest.raises(OSError):
            for _ in range(10_000):
                endless.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
                time.sleep(0.001)
    assert web.ask("/healthz").status == 200


# -- readers delay nothing -------------------------------------------------------------------------------------------


def acts_on_time(stage):
    """A session that falls due after 200 ms is cancelled long before its statement ends."""
    assert stage.open(application_name="t").run("select pg_sleep(120)") == QUERY_CANCELED


def overshoot_of(daemon):
    """How late the quickest of its outcomes was, in seconds."""
    return min(event["age_s"] - event["limit_s"] for event in daemon.all("outcome", outcome="signalled"))


def test_a_thousand_connections_delay_no_signal_and_take_no_memory(stage, web, watched):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    daemon = watched()
    before = resident(daemon)
    crowd = []
    try:
        for number in range(1000):
            made = socket.socket()
            made.setblocking(False)
            made.connect_ex(("127.0.0.1", web.where))
            crowd.append(made)
            if number % 3 == 0:
                try:
                    made.send(b"GET /status HTTP/1.1\r\nHost: localhost\r\n")
                except OSError:
                    pass  # it waits for its turn
        for _ in range(3):
            acts_on_time(stage)
        assert overshoot_of(daemon) < 1
        assert resident(daemon) - before < 64e6
        assert len(os.listdir(f"/proc/{daemon.pid}/fd")) < 100
    finally:
        for made in crowd:
            made.close()
    assert wait_until(lambda: answers(web), every=0.2)


def resident(daemon):
    with open(f"/proc/{daemon.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def answers(web):
    try:
        return web.ask("/healthz", timeout=10).status == 200
    except OSError:
        return False


def test_a_client_that_reads_a_byte_a_second_delays_nothing(stage, web, watched):
    daemon = watched()
    slow = [web.connect(b"GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(10)]
    for _ in range(3):
        for one in slow:
            one.recv(1)
        acts_on_time(stage)
    assert overshoot_of(daemon) < 1
    assert web.ask("/healthz").status == 200
    for one in slow:
        one.close()


@pytest.mark.slow
def test_clients_that_never_finish_are_ended_so_that_others_get_their_turn(web, watched):
    watched()
    stuck = [web.connect(b"GET /status HTTP/1.1\r\n") for _ in range(100)]
    assert wait_until(lambda: answers(web), every=0.5)
    # one that sends a little all the time is never silent
    with web.connect(b"GET /status HTTP/1.1\r\n") as dripping:
        with pytest.raises(OSError):
            for _ in range(4 * PATIENCE_S):
                dripping.sendall(b"X: y\r\n")
                time.sleep(0.5)
    for one in stuck:
        one.close()


def test_a_stop_waits_for_no_client(stage, web, watched):
    def seconds_to_stop():
        daemon = watched()
        hanging = [web.connect(b"GET /status HTTP/1.1\r\n") for _ in range(20)]
        asking = [web.connect(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(20)]
        took = daemon.stop()
        assert daemon.events[-1].kind == "stopped"
        for one in hanging + asking:
            one.close()
        return took

    # the first connection that is silent too long ends after five seconds, each time
    assert any(seconds_to_stop() < 3 for _ in range(4))


def test_a_reload_waits_for_no_client(stage, web, watched):
    daemon = watched()
    other = Web(free_port())

    def seconds_to_move(to):
        hanging = [which.connect(b"GET /status HTTP/1.1\r\n") for which in (web, other) if answers(which) for _ in range(40)]
        count = len(daemon.all("web_listening"))
        began = time.monotonic()
        daemon.reload(stage.policy(RULE, more=f"{UNBOUNDED}\n{to.policy}"))
        wait_until(lambda: len(daemon.all("web_listening")) > count)
        took = time.monotonic() - began
        for one in hanging:
            one.close()
        wait_until(lambda: answers(to))
        return took

    assert any(seconds_to_move(to) < 3 for to in (other, web, other, web))
    assert cancelled(stage) == QUERY_CANCELED


# -- where it listens ------------------------------------------------------------------------------------------------


def test_a_unix_socket_is_for_its_owner_and_group(stage, tmp_path, command):
    web = Web(tmp_path / "web.sock")
    daemon = stage.enforce(WATCHFUL, more=web.policy)
    daemon.wait_for("web_listening")
    found = os.stat(web.where)
    assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o660
    assert web.ask("/healthz").status == 200
    assert web.ask("/healthz", headers={"Host": "evil.example"}).status == 200, "no browser gets there"
    assert command("status", "--config", daemon.config).returncode == 0
    daemon.stop()
    assert not web.where.exists()


def test_a_socket_that_was_left_behind_is_replaced(stage, tmp_path):
    web = Web(tmp_path / "web.sock")
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(web.where))
    daemon = stage.enforce(WATCHFUL, more=web.policy)
    daemon.wait_for("web_listening")
    assert web.ask("/healthz").status == 200


def test_a_socket_that_is_in_use_and_what_is_none_stay(stage, tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "used"))
        other.listen()
        (tmp_path / "file").write_text("precious")
        (tmp_path / "aim").write_text("precious")
        (tmp_path / "link").symlink_to(tmp_path / "aim")
        for name, why in [("used", "another process listens"), ("file", "is not a socket"), ("link", "is not a socket"),
                          ("none/web", "No such file")]:
            daemon = stage.enforce(WATCHFUL, more=Web(tmp_path / name).policy)
            assert why in daemon.wait_for("web_failed")["error"]
            daemon.stop()
        assert (tmp_path / "file").read_text() == (tmp_path / "aim").read_text() == "precious"
        assert (tmp_path / "link").is_symlink()
        socket.socket(socket.AF_UNIX).connect(str(tmp_path / "used"))


def test_a_taken_port_stops_nothing_and_is_tried_again(stage, web):
    taken = socket.create_server(("127.0.0.1", web.where))
    daemon = stage.enforce(RULE, more=f"{UNBOUNDED}\n{web.policy}")
    failed = daemon.wait_for("web_failed")
    assert failed["listen"] == web.listen and "another process listens" in failed["error"]
    assert cancelled(stage) == QUERY_CANCELED
    taken.close()
    assert daemon.wait_for("web_listening")["outage_s"] > 0
    assert web.status()["warnings"] == []
    assert len(daemon.all("web_failed")) == 1


def test_a_reload_changes_where_it_listens(stage, web, watched):
    daemon = watched(WATCHFUL)
    other = Web(free_port())
    daemon.reload(stage.policy(WATCHFUL, more=other.policy))
    daemon.wait_for("web_listening", listen=other.listen)
    assert other.ask("/healthz").status == 200
    wait_until(lambda: not answers(web))
    daemon.reload(stage.policy(WATCHFUL, more=""))
    wait_until(lambda: len(daemon.all("reload")) == 2)

    def is_closed():
        try:
            other.ask("/healthz")
            return False
        except OSError:
            return True

    wait_until(is_closed)
    daemon.reload(stage.policy(WATCHFUL, more=web.policy))
    wait_until(lambda: answers(web))


# -- the command -----------------------------------------------------------------------------------------------------


def test_the_command_prints_the_daemons_own_view(stage, web, watched, command):
    daemon = watched()
    assert cancelled(stage) == QUERY_CANCELED
    daemon.wait_for("ended")
    patient = stage.running("select pg_sleep(120)", application_name="p1")
    wait_until(lambda: server_of(web.status())["claims"] and web.status()["actions"][0]["end"])
    done = command("status", "--config", daemon.config)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^pgcurfew \S+ \(\S+\), mode enforce, policy \w{12}, since ", done.stdout)
    assert re.search(r"^server stage: up, PostgreSQL \S+, last look .* ago, 1 signal sent(, 1 before .*)?$", done.stdout, re.M)
    assert re.search(r"^  rule     patient \(enforce\): 1 session, 0 under way; limit 1$", done.stdout, re.M)
    assert re.search(rf"^  claim    pid {patient.pid} app@\S+, rule patient: cancel \(1/2\) due in .*; limit; ",
                     done.stdout, re.M)
    assert re.search(r"stage: sent cancel to pid \d+ app@\S+ \(rule short\) \[end: by_us\]$", done.stdout, re.M)
    printed = json.loads(command("status", "--listen", web.listen, "--json").stdout)
    assert printed["instance"] == web.status()["instance"]


def test_the_command_says_why_it_has_nothing_to_say(stage, web, command, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text(stage.policy(WATCHFUL, more=""), encoding="utf-8")
    done = command("status", "--config", config)
    assert (done.returncode, done.stdout) == (66, "") and "has no web server" in done.stderr
    done = command("status", "--listen", web.listen)
    assert (done.returncode, done.stdout) == (69, "") and "no answer from" in done.stderr
    assert command("status", "--listen", "db1:9187").returncode == 64
    assert command("status", "--config", tmp_path / "none.yaml").returncode == 78
