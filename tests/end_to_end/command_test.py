"""The command line: exit statuses, what `check` says of files, what `explain` says of sessions."""

import json
import os
import re
import socket
import subprocess

import pytest

from support.locks import contested_table, wait_for_lock
from support.stage import UNBOUNDED

# -- exit statuses --------------------------------------------------------------------------------------------------


def test_help_and_version_are_no_errors(command):
    done = command("--version")
    assert (done.returncode, done.stderr) == (0, "") and re.fullmatch(r"pgcurfew \d+\.\d+\.\d+\n", done.stdout)
    for arguments in [["--help"], ["run", "--help"], ["check", "--help"], ["explain", "--help"]]:
        done = command(*arguments)
        assert (done.returncode, done.stderr) == (0, "") and "Usage" in done.stdout
    listed = command("--help").stdout
    assert all(name in listed for name in ("run", "check", "explain"))


@pytest.mark.parametrize("arguments, said", [
    ([], "subcommand is required"),
    (["--frobnicate"], "--frobnicate"),
    (["run", "--frobnicate"], "--frobnicate"),
    (["run", "extra"], "extra"),
    (["run", "--log-format", "xml"], "json"),
    (["run", "--config"], "--config"),
    (["explain", "--pid", "abc"], "--pid"),
    (["explain", "--pid", "-3"], "--pid"),
    (["explain", "--pid", "0"], "--pid"),
    (["explain", "--pid", "99999999999"], "--pid"),
    (["frobnicate"], "frobnicate"),
])
def test_a_wrong_command_line_says_what_is_wrong_and_ends_with_64(command, arguments, said):
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (64, "")
    first, *rest = done.stderr.splitlines()
    assert first.startswith("pgcurfew: ") and said in first
    assert rest == ["pgcurfew: see pgcurfew --help"]


def test_the_complaint_about_a_pid_can_be_read(command):
    assert len(command("explain", "--pid", "abc").stderr.splitlines()[0]) < 100


def logged(done):
    """The events that a daemon logged instead of starting."""
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def unusable(tmp_path):
    """Paths at which there is no file to be read, and what is said of them."""
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "locked.yaml").write_text("mode: enforce\n")
    (tmp_path / "locked.yaml").chmod(0)
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    return tmp_path


@pytest.mark.parametrize("name, said", [("none.yaml", "No such file"), ("folder.yaml", "not a regular file"),
                                        ("locked.yaml", "Permission denied"), ("loop.yaml", "symbolic links"),
                                        ("pipe.yaml", "not a regular file")])
@pytest.mark.parametrize("arguments", [["run", "--config"], ["check"], ["explain", "--config"]],
                         ids=["run", "check", "explain"])
def test_a_file_that_cannot_be_read_ends_with_78(command, unusable, arguments, name, said):
    is_logged = arguments[0] == "run"
    # Root may read everything.
    drop = {"user": "nobody"} if name == "locked.yaml" and os.geteuid() == 0 else {}
    try:
        done = command(*arguments, unusable / name, **drop)
    except PermissionError:
        pytest.skip("nobody may not run the executable where it is")
    if is_logged:
        (error, end), refused = logged(done), {"event": "start_refused", "level": "ERROR"}
        assert (done.returncode, done.stderr, {**end, **refused}) == (78, "", end)
        assert error["message"].startswith("cannot read the file: ") and said in error["message"]
        assert (error["event"], error["level"], error["file"]) == ("configuration_error", "ERROR", str(unusable / name))
        hint = error.get("hint")
    else:
        assert (done.returncode, done.stdout) == (78, "")
        assert done.stderr.startswith(f"{unusable / name}: error: cannot read the file: ") and said in done.stderr
        hint = re.search("(?m)^hint: (.*)", done.stderr)
        hint = hint and hint[1]
    # a file that is there is not missing
    assert bool(hint) == (name == "locked.yaml") and "README" not in (hint or "")


@pytest.mark.parametrize("arguments", [["run", "--config"], ["check"], ["explain", "--config"]],
                         ids=["run", "check", "explain"])
def test_a_drop_in_that_cannot_be_read_ends_with_78(command, stage, tmp_path, arguments):
    main = tmp_path / "pgcurfew.yaml"
    main.write_text(stage.policy("- { name: a, match: { query_age: 1s, state: active }, escalate: [cancel] }"))
    (tmp_path / "policies.d" / "folder.yaml").mkdir(parents=True)
    done = command(*arguments, main)
    assert done.returncode == 78
    if arguments[0] == "run":
        assert logged(done)[0]["file"].endswith("policies.d/folder.yaml")
        assert logged(done)[0]["message"] == "cannot read the file: it is not a regular file"
    else:
        assert "policies.d/folder.yaml: error: cannot read the file: it is not a regular file" in done.stderr


# -- check ----------------------------------------------------------------------------------------------------------

BAD = """\
mode: enforced
servers:
  - { name: orders, conninfo: "host=db1 password=hunter2", conninfos: x }
rules:
  - name: limit
    match: { state: active, query_age: 10 }
    escalate: [cancle]
  - name: limit
    match: { state: idle, state_age: 5min }
    escalate: [cancel]
  - name: everybody
    match: {}
    escalate: []
"""
BAD_SAID = """\
FILE:1:7: error: unknown mode "enforced"
  mode: enforced
        ^
hint: Did you mean "enforce"?
FILE:3:60: error: unknown key "conninfos" in a server
    - { name: orders, conninfo:...
hint: Did you mean "conninfo"?
FILE:6:40: error: duration "10" lacks a unit
      match: { state: active, query_age: 10 }
                                         ^
hint: The units are us, ms, s, min, h and d, as in 10min or 1h 30min.
FILE:7:16: error: unknown step "cancle"
      escalate: [cancle]
                 ^
hint: Did you mean "cancel"?
FILE:8:11: error: duplicate rule "limit"
    - name: limit
            ^
hint: The other one is at FILE:5.
FILE:10:16: error: a cancel has no effect on any state that this rule matches
      escalate: [cancel]
                 ^
hint: A cancel ends a statement that runs (state active); use terminate for the others.
FILE:12:12: error: "match" is empty
      match: {}
             ^
hint: Conditions are written as in { database: app, state: active }.
FILE:13:15: error: "escalate" is empty
      escalate: []
                ^
hint: Steps are written as in [ cancel, terminate: { after: 30s } ].
FILE: 8 errors
"""
GOOD = """\
mode: enforce
servers:
  - { name: orders, conninfo: "host=/nowhere dbname=postgres user=pgcurfew" }
protect:
  - { user: backup, application_name: "pg_dump*" }
rules:
  - name: app-query-timeout
    match: { database: [app, "app_*"], state: active, query_age: 10min }
    except:
      - { user: etl, query_age: 2h }
      - { user: night, application_name: "nightly-*" }
    escalate: [cancel, terminate: { after: 30s }]
  - name: forgotten
    match: { state: idle in transaction, state_age: 5min }
    escalate: [alert, terminate: { after: 1min }]
    mode: dry-run
"""
GOOD_SAID = """\
mode: enforce
server orders: /nowhere dbname=postgres user=pgcurfew
protected dumps: pg_dump, pg_dumpall and pg_restore (by application_name: any client can claim it)
protected backups: pg_basebackup, pgBackRest, Barman and pgcopydb; WAL-G and pg_probackup if PGAPPNAME names them \
(by application_name: any client can claim it)
protected agents: Patroni and repmgr (by application_name: any client can claim it)
protected sync-rep: commits that wait for synchronous replication: they cannot be undone any more
protected concurrent-index: CREATE INDEX, REINDEX and DROP INDEX CONCURRENTLY while they run: ended early, they leave \
an invalid index behind (by query: any client can claim it)
protected listeners: idle sessions whose last statement was LISTEN: they wait on purpose (by query: any client can claim it)
protected: user backup, application_name pg_dump*
app-query-timeout: cancels a query in database app or app_* that runs for 10min or longer; terminates the session \
30s later if it is still the same query; not for user etl before 2h; not for user night, application_name nightly-*.
forgotten: alerts about a session that is idle in transaction for 5min or longer; terminates the session 1min \
later if its state has not changed since; a dry run, so it only reports what it would do.
bounds per server: at most 20 signals per 1min, 15 of them to one role; within a second at most 25% of all client sessions, rounded down, three quarters of that to one role, but at least 5; past either bound no signals for 1min; if more sessions than that share fall due together, no signal before that time has passed
"""


def test_check_says_all_that_is_wrong_at_once_each_with_its_place_and_a_hint(command, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    done = command("check", path)
    assert done.stderr.replace(str(path), "FILE") == BAD_SAID
    assert (done.returncode, done.stdout) == (78, "")


def test_check_warns_of_a_password_in_the_file_and_does_not_show_it(command, tmp_path):
    path = tmp_path / "secret.yaml"
    path.write_text(GOOD.replace("user=pgcurfew", "user=pgcurfew password=hunter2"))
    done = command("check", path)
    assert (done.returncode, done.stdout) == (0, GOOD_SAID)
    assert f"{path}:3:31: warning: conninfo contains a password\n" in done.stderr
    assert "PGPASSFILE" in done.stderr and "hunter2" not in done.stderr


def test_a_bad_file_is_refused_with_the_same_words_by_every_command(command, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    done = command("explain", "--config", path)
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.replace(str(path), "FILE") + "FILE: 8 errors\n" == BAD_SAID


def test_a_bad_file_is_told_of_by_a_daemon_as_its_log_tells_everything(command, tmp_path):
    path = tmp_path / "bad.yaml"
    path.write_text(BAD)
    done = command("run", "--config", path)
    *errors, end = logged(done)
    assert (done.returncode, done.stderr, end["message"]) == (78, "", "the configuration has 8 errors; not started")
    heads = re.findall(r"(?m)^FILE:(\d+):(\d+): (?:error|warning): (.*)", BAD_SAID)
    assert [(str(e["line"]), str(e["column"]), e["message"]) for e in errors] == heads
    hints = re.findall("(?m)^hint: (.*)", BAD_SAID.replace("FILE", str(path)))
    assert [event["hint"] for event in errors if "hint" in event] == hints
    lines = command("run", "--log-format", "text", "--config", path).stdout.splitlines()
    assert len(lines) == 9 and all(re.match(r"\S+ \S+Z ERROR   ", line) for line in lines)


def test_what_is_wrong_before_the_start_has_its_priority_in_the_journal(pgcurfew, tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text(BAD)
    for arguments, begins in ((["run", "--config", bad], '<3>{"ts"'), (["explain", "--config", bad], f"<3>{bad}:1:7: error"),
                              (["run", "--frobnicate"], "<3>pgcurfew: ")):
        read, write = os.pipe()
        status = os.fstat(write)
        done = subprocess.run([pgcurfew, *arguments], stdout=write, stderr=write, timeout=60,
                              env={**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"})
        os.close(write)
        with os.fdopen(read) as lines:
            said = lines.read().splitlines()
        assert done.returncode in (64, 78) and said[0].startswith(begins)
        assert all(line.startswith("<3>") for line in said)


def test_check_says_of_a_good_file_what_it_will_do(command, tmp_path):
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    done = command("check", path)
    assert (done.returncode, done.stdout, done.stderr) == (0, GOOD_SAID, "")


def test_check_takes_several_files_and_fails_if_one_is_bad(command, tmp_path):
    for name, text in {"bad.yaml": BAD, "good.yaml": GOOD}.items():
        (tmp_path / name).write_text(text)
    done = command("check", tmp_path / "bad.yaml", tmp_path / "good.yaml")
    assert done.returncode == 78
    assert GOOD_SAID in done.stdout and f"{tmp_path / 'good.yaml'}:\n" in done.stdout
    assert f"{tmp_path / 'bad.yaml'}: 8 errors\n" in done.stderr


def test_check_reads_the_drop_ins_of_a_main_file_too(command, tmp_path):
    (tmp_path / "pgcurfew.yaml").write_text(GOOD)
    (tmp_path / "policies.d").mkdir()
    (tmp_path / "policies.d" / "a.yaml").write_text("rules: [ { name: forgotten, match: { state: idle } } ]\n")
    done = command("check", tmp_path / "pgcurfew.yaml")
    assert done.returncode == 78
    assert f"{tmp_path}/policies.d/a.yaml:1:" in done.stderr and 'duplicate rule "forgotten"' in done.stderr


def test_drain_warns_of_an_exception_that_any_client_can_claim(command, tmp_path):
    def said(*excepted):
        options = [word for one in excepted for word in ("--except", one)]
        done = command("drain", "orders", "--for", "1min", "--config", tmp_path / "none.yaml", *options)
        assert done.returncode == 78
        return [line for line in done.stderr.splitlines() if "--except" in line]

    assert said("user=job", "application_name=vacuumdb") == [
        "pgcurfew: warning: --except application_name=vacuumdb relies on application_name, which any client can choose",
        "pgcurfew: hint: Any client can stay that way: write --except user=NAME."]
    assert said("user=job", "client_addr=local") == []


# -- explain --------------------------------------------------------------------------------------------------------

RULES = """
- name: far
  match: { application_name: APP, state: active, query_age: 1h }
  escalate: [cancel]
- name: near
  match: { application_name: APP, state: active, query_age: 10min, query: /sleep/ }
  escalate: [cancel, terminate: { after: 30s }]
- name: idle
  match: { application_name: APP, state: idle, state_age: 2h }
  escalate: [terminate]
"""


@pytest.fixture
def explain(stage, command, tmp_path):
    """Runs `explain` on the stage's server."""

    def run(*arguments, rules=RULES, **policy):
        path = tmp_path / "explain.yaml"
        path.write_text(stage.policy(rules, **policy))
        return command("explain", "--config", path, *arguments)

    return run


def test_explain_says_of_each_session_what_comes_next_and_when(stage, explain):
    busy, idle, other = stage.running(), stage.open("select 1"), stage.open(application_name="somebody")
    sacred = stage.running(user="postgres")
    done = explain(more=UNBOUNDED + "\nprotect: [ { user: postgres } ]")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert re.fullmatch(r"server stage \(PostgreSQL \d+\.\d+, primary\)", head)
    heading, *lines = lines
    assert heading.split()[:4] == ["pid", "database", "user", "application_name"]
    said = {int(line.split()[0]): line for line in lines}
    assert re.search(r"near: cancel in (9min|10min|5\d\d(\.\d+)?s)", said[busy.pid])
    assert "idle: terminate in " in said[idle.pid]
    assert "no rule matches" in said[other.pid]
    assert "never touched: on the protect list" in said[sacred.pid]
    assert all(word in said[busy.pid] for word in ("postgres", "app", "active"))


def test_explain_as_json_holds_the_same_for_machines(stage, explain):
    busy, idle = stage.running(), stage.open("select 1")
    done = explain("--json")
    (server,) = json.loads(done.stdout)
    assert (server["server"], server["missing_privileges"]) == ("stage", [])
    sessions = {session["pid"]: session for session in server["sessions"]}
    nearest = sessions[busy.pid]["nearest"]
    assert (nearest["rule"], nearest["step"], nearest["verdict"]) == ("near", "cancel", "due")
    assert 500 < nearest["due_in_s"] <= 600
    assert sessions[idle.pid]["nearest"]["rule"] == "idle"
    assert "rules" not in sessions[busy.pid]


def test_explain_of_one_pid_shows_every_rule_with_every_condition_and_its_margin(stage, explain):
    session = stage.running("select pg_sleep(600), 'hunter2'")
    stage.wait_until_older(session, "query_start", 0.2)
    rules = RULES + """
- name: overdue
  match: { application_name: APP, query_age: 100ms, state: active }
  except: [ { user: app } ]
  escalate: [cancel]
"""
    done = explain("--pid", session.pid, rules=rules)
    assert (done.returncode, done.stderr) == (0, "")
    blocks = re.split(r"\n  rule ", done.stdout)
    assert blocks[0].startswith(f"server stage, pid {session.pid} (session ") and "hunter2" not in done.stdout
    assert "query: select pg_sleep(?), ?" in blocks[0]
    far, near, idle, overdue = blocks[1:]
    assert "yes state: active" in far and re.search(r"no  query_age: 1h \(is .*, .* to go\)", far)
    assert near.startswith("near: cancel in ") and "yes query: /sleep/" in near
    assert idle.startswith("idle: does not match") and "no  state: idle (is active)" in idle
    assert overdue.startswith("overdue: exempt by exception 1")
    assert re.search(r"yes query_age: 100ms \(is .*, past it by .*\)", overdue)


def test_explain_of_one_pid_as_json_has_margins_in_seconds(stage, explain):
    session = stage.running()
    (server,) = json.loads(explain("--json", "--pid", session.pid).stdout)
    (told,) = server["sessions"]
    assert told["pid"] == session.pid and [rule["rule"] for rule in told["rules"]] == ["far", "near", "idle"]
    conditions = {condition["field"]: condition for condition in told["rules"][0]["conditions"]}
    # The last one goes without saying in a rule.
    assert set(conditions) == {"application_name", "state", "query_age", "backend_type"}
    assert conditions["state"] == {"field": "state", "wanted": "active", "actual": "active", "holds": True}
    assert not conditions["query_age"]["holds"] and -3600 < conditions["query_age"]["margin_s"] < -3500


def test_explain_of_a_pid_that_is_nobody_says_so(explain):
    done = explain("--pid", 1)
    assert (done.returncode, done.stdout) == (66, "")
    assert done.stderr == "pgcurfew: no server has a session with pid 1\n"


def test_explain_touches_nobody(stage, explain):
    session = stage.running()
    stage.wait_until_older(session, "query_start", 0.1)
    before = stage.row(session)
    done = explain(rules="- { name: a, match: { application_name: APP, query_age: 1ms }, escalate: [terminate] }")
    assert re.search(rf"{session.pid} .* a: terminate now", done.stdout)
    assert stage.is_as_before(session, before)


def test_explain_says_which_of_those_that_are_due_have_to_wait_and_for_what(stage, explain):
    first, second = stage.forgotten(), stage.forgotten()
    stage.wait_until_older(second, "state_change", 0.1)
    rules = """
- name: slow
  match: { application_name: APP, state: idle in transaction, state_age: 100ms }
  at_most: 1
  escalate: [terminate]
"""
    done = explain(rules=rules, more=UNBOUNDED)
    assert re.search(rf"{first.pid} .* slow: terminate now\n", done.stdout)
    assert re.search(rf'{second.pid} .* slow: terminate now, when its "at_most" lets it through\n', done.stdout)
    (server,) = json.loads(explain("--json", rules=rules, more=UNBOUNDED).stdout)
    held = {session["pid"]: session["nearest"].get("held_by") for session in server["sessions"] if session["nearest"]}
    assert held == {first.pid: None, second.pid: "at_most"}
    done = explain("--pid", second.pid, rules=rules.replace("  at_most: 1\n", ""),
                   more="safety: { signals: 1 per 1min, share: 100% }")
    assert "rule slow: terminate now, when the breaker lets it through\n" in done.stdout


def test_explain_of_a_server_out_of_reach_ends_with_69_and_tells_of_the_others(stage, explain):
    session = stage.running()
    servers = {"dead": "host=/nowhere user=pgcurfew", "stage": stage.server.conninfo(user="pgcurfew")}
    done = explain(servers=servers)
    assert done.returncode == 69
    assert done.stderr.startswith("pgcurfew: server dead: ") and "/nowhere" in done.stderr
    assert str(session.pid) in done.stdout
    told = json.loads(explain("--json", servers=servers).stdout)
    assert told[0]["error"] and told[1]["sessions"]


@pytest.mark.slow
def test_explain_of_a_server_that_never_answers_ends_with_69_after_ten_seconds(explain):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = explain(servers={"silent": f"host=127.0.0.1 port={listener.getsockname()[1]}"})
    assert (done.returncode, done.stderr) == (69, "pgcurfew: server silent: no reply within ten seconds\n")


def test_explain_shows_a_strangers_text_safely(stage, explain):
    session = stage.running("select pg_sleep(600) as \"\x1b[2J\u202e\"", application_name=f"{stage.app}\x7f")
    for arguments in ([], ["--pid", session.pid], ["--json"], ["--json", "--pid", session.pid]):
        done = explain(*arguments)
        assert str(session.pid) in done.stdout
        assert all(line.isprintable() and "\u202e" not in line for line in done.stdout.splitlines())


def test_explain_of_one_who_waits_says_why_a_rule_on_blockers_is_not_for_him(stage, explain):
    with contested_table(stage.server) as table:
        root = stage.forgotten(f"select * from {table}")
        waiter = stage.open().start(f"alter table {table} add m int")
        wait_for_lock(stage.superuser, waiter)
        rules = """
- name: blockers
  match: { application_name: APP, blocks: { user: nobody_else, sessions: 1 } }
  escalate: [terminate]
"""
        waits = explain("--pid", waiter.pid, rules=rules).stdout
        assert "no  waits: for no lock itself (is waiting for one)" in waits
        blocks = explain("--pid", root.pid, rules=rules).stdout
        assert "yes waits: for no lock itself (is not waiting)" in blocks
        assert re.search(r"no  blocks: .* \(is 0 that fit, of 1\)", blocks)
