"""Places of audit: each gets what the record has, in order, whatever happens to it, to the daemon or to the disk."""

import json
import os
import random
import re
import signal
import time

import psycopg
import pytest

from support import record
from support.daemon import Daemon
from support.journal import Journal, can_have_a_journal
from support.session import PATIENCE_S, QUERY_CANCELED, wait_until
from support.throwaway import Throwaway

RULE = """
- name: short
  match: { application_name: "t*", state: active, query_age: 200ms }
  escalate: [cancel]
"""
UNBOUNDED = "safety: { signals: 10000 per 1s, share: 100% }\n"
SERVER = "servers: [ { name: a, conninfo: host=db1 } ]\nrules: [ { name: r, match: { user: x }, escalate: [ alert ] } ]\n"


@pytest.fixture(scope="module")
def archive():
    """A server for the table, of its own: tests stop and start it."""
    with Throwaway(["max_connections = 20"]) as throwaway:
        throwaway.make_role("app")
        yield throwaway


@pytest.fixture
def table(archive, command):
    """An empty table in a database of its own, made as the manual says."""
    name = f"audit_{time.monotonic_ns()}"
    archive.execute(f'create database "{name}" template template0 encoding utf8')
    script = command("setup-sql", "--audit").stdout
    archive.execute(script, dbname=name)
    return Table(archive, name)


class Table:
    def __init__(self, server, name):
        self.server = server
        self.name = name
        self.conninfo = server.conninfo(user="pgcurfew", dbname=name)
        self.entry = f'- table: {{ conninfo: "{self.conninfo}" }}\n'

    def ask(self, sql, **who):
        return self.server.execute(sql, **{"dbname": self.name, **who})

    def ids(self):
        return [row[0] for row in self.ask("select id from pgcurfew_audit.events order by seq")]


@pytest.fixture
def enforce(stage, state):
    def start(audit, more=UNBOUNDED, environment=None):
        return stage.enforce(RULE, more=f"{more}audit:\n{audit}",
                             environment={"STATE_DIRECTORY": str(state), **(environment or {})})

    return start


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "log" / "events.json"
    path.parent.mkdir()
    return path


def file_entry(path, more=""):
    return f"- file: {{ path: {path}{more} }}\n"


def cancel_one(stage, name="t"):
    assert stage.open(application_name=name).run("select pg_sleep(120)") == QUERY_CANCELED


def recorded_ids(state):
    return [event["id"] for event in record.lines(state)]


def ids_in(path):
    text = path.read_text(encoding="ascii") if path.exists() else ""
    assert not text or text.endswith("\n")
    return [json.loads(line)["id"] for line in text.splitlines()]


def has_all(state, ids):
    return lambda: ids() == recorded_ids(state)


def stop(daemon, state, ids):
    """Stops it when the place has everything; of what the stop adds, the place need not have all yet."""
    wait_until(has_all(state, ids))
    count = len(ids())
    daemon.stop()
    assert len(ids()) >= count and ids() == recorded_ids(state)[:len(ids())]


# -- the file -----------------------------------------------------------------------------------------------------


def test_the_file_has_the_lines_of_the_record(stage, enforce, state, file):
    daemon = enforce(file_entry(file))
    cancel_one(stage)
    daemon.wait_for("ended")
    stop(daemon, state, lambda: ids_in(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines == record.lines(state)[:len(lines)]
    assert oct(file.stat().st_mode & 0o777) == "0o640"


def test_the_file_has_each_event_once_whenever_the_daemon_is_killed(stage, enforce, state, file):
    choice = random.Random(3)
    for _ in range(12):
        daemon = enforce(file_entry(file))
        session = stage.open(application_name="t").start("select pg_sleep(120)")
        daemon.wait_for("outcome")
        time.sleep(choice.random() * 1.5)
        daemon.kill()
        stage.server.end([session])
    daemon = enforce(file_entry(file))
    wait_until(has_all(state, lambda: ids_in(file)))
    daemon.stop()


def test_a_directory_that_is_gone_is_reported_and_made_up_for(stage, enforce, state, file):
    daemon = enforce(file_entry(file))
    wait_until(lambda: ids_in(file))
    file.parent.rename(file.parent.with_name("away"))
    cancel_one(stage)
    failed = daemon.wait_for("audit_failed")
    assert failed["audit"] == f"file {file}"
    assert failed["error"] == f"could not use directory {file.parent}: No such file or directory"
    file.parent.with_name("away").rename(file.parent)
    daemon.wait_for("audit_again")
    stop(daemon, state, lambda: ids_in(file))


def test_a_file_is_rotated(stage, enforce, state, file):
    daemon = enforce(file_entry(file, ", rotate: 1MB, keep: 3"))
    wait_until(lambda: ids_in(file))
    daemon.kill()
    # many events: the daemon's own would take too long
    lines = file.read_bytes()
    last = lines.splitlines()[-1]
    file.write_bytes(lines + (last + b"\n") * (1_100_000 // len(last)))
    daemon = enforce(file_entry(file, ", rotate: 1MB, keep: 3"))
    wait_until(file.with_name("events.1.json").exists)
    wait_until(lambda: ids_in(file) and ids_in(file) == recorded_ids(state)[-len(ids_in(file)):])
    daemon.stop()


def test_a_place_that_a_reload_adds_gets_the_events_of_the_running_daemon(stage, enforce, state, file):
    first = enforce(file_entry(file.with_name("first.json")))
    first.stop()
    count = len(recorded_ids(state))
    daemon = stage.enforce(RULE, environment={"STATE_DIRECTORY": str(state)}, more=UNBOUNDED)
    daemon.reload(stage.policy(RULE, more=UNBOUNDED + "audit:\n" + file_entry(file)))
    daemon.wait_for("reload")
    wait_until(has_all(state, lambda: recorded_ids(state)[:count] + ids_in(file)))
    daemon.reload(stage.policy(RULE, more=UNBOUNDED))
    wait_until(lambda: len(daemon.all("reload")) == 2)
    daemon.stop()


# -- the table ----------------------------------------------------------------------------------------------------


def test_the_table_says_what_happened_to_a_session(stage, enforce, state, table):
    daemon = enforce(table.entry)
    victim = stage.open(application_name="t")
    assert victim.run("select pg_sleep(120), 'secret'") == QUERY_CANCELED
    ended = daemon.wait_for("ended")
    stop(daemon, state, table.ids)
    # a disk that is slow just then is told of, too
    rows = list(table.ask("select event, rule, usename, datname, step, outcome, ended, backend_start from pgcurfew_audit.events "
                          f"where pid = {ended['pid']} and event <> 'intent_late' order by ts, seq"))
    assert [row[0] for row in rows] == ["intent", "outcome", "verified", "ended"]
    assert {row[1:4] for row in rows} == {("short", "app", "postgres")}
    assert (rows[1][4:6], rows[3][6]) == (("cancel", "signalled"), ended["end"])
    stored = list(table.ask("select data from pgcurfew_audit.events order by seq"))
    assert [row[0] for row in stored] == record.lines(state)[:len(stored)]


def test_each_role_sees_what_was_done_to_its_own_sessions_only(stage, enforce, state, table, archive):
    daemon = enforce(table.entry)
    cancel_one(stage)
    stage.open(user="postgres", application_name="t").start("select 1")
    daemon.wait_for("ended")
    stop(daemon, state, table.ids)
    archive.execute("do $$ begin create role other login; exception when duplicate_object then null; end $$")
    view = "select distinct event from pgcurfew_audit.my_events"
    assert {row[0] for row in table.ask(view, user="app")} == {"intent", "outcome", "verified", "ended"}
    assert list(table.ask(view, user="other")) == []
    for user in ("app", "pgcurfew"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            table.ask("select 1 from pgcurfew_audit.events", user=user)
    for statement in ("delete from pgcurfew_audit.events", "update pgcurfew_audit.events set rule = 'x'"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            table.ask(statement, user="pgcurfew")


def test_plans_and_names_that_stand_for_several_tell_nothing_of_others(archive, table):
    row = "insert into pgcurfew_audit.events (ts, id, seq, run, level, event, usename, datname, pid, decision, data) values "
    several = "m\ufffdller"
    for number in range(200):
        table.ask(f"{row} (now(), 'e{number}', {number}, 'r', 'NOTICE', 'outcome', "
                  f"'{('app', 'someone', several)[number % 3]}', 'orders', {number % 3}, 'd-{number % 3}', '{{}}')")
    table.ask("analyze pgcurfew_audit.events")
    archive.execute("do $$ begin create role other login; exception when duplicate_object then null; end $$")
    archive.execute(f'drop role if exists "{several}"')
    archive.execute(f'create role "{several}" login')

    def plan(condition, more):
        return table.ask(f"explain ({more}) select * from pgcurfew_audit.my_events where {condition}", user="other",
                         options="-c enable_seqscan=off -c enable_bitmapscan=off")

    for there, absent in (("pid = 1", "pid = 7"), ("decision = 'd-1'", "decision = 'd-7'"), ("datname = 'orders'", "datname = 'nosuch'"),
                          ("pid = 1 and ts > now() - interval '1h'", "pid = 1 and ts < now() - interval '1h'")):
        for more in ("analyze, costs off, timing off, summary off, buffers off", "costs"):
            found = [re.sub(r"Filter: \(.*", "", line) for (line,) in plan(there, more)]
            assert found == [re.sub(r"Filter: \(.*", "", line) for (line,) in plan(absent, more)], there
    assert list(table.ask("select * from pgcurfew_audit.my_events", user=several)) == []
    assert len(table.ask("select * from pgcurfew_audit.my_events", user="app")) == 67
    archive.execute(f'drop role "{several}"')


def test_the_table_has_each_event_once_whatever_stops(stage, enforce, state, table):
    """The daemon is killed and the table's server stopped, again and again, at random instants."""
    choice = random.Random(5)
    for number in range(8):
        daemon = enforce(table.entry)
        session = stage.open(application_name="t").start("select pg_sleep(120)")
        daemon.wait_for("outcome")
        time.sleep(choice.random() * 1.5)
        if number % 3 == 1:
            table.server.crash()
            cancel_one(stage)
            table.server.revive()
        daemon.kill()
        stage.server.end([session])
    daemon = enforce(table.entry)
    wait_until(has_all(state, table.ids))
    daemon.stop()


def test_a_server_that_is_away_is_reported_and_made_up_for(stage, enforce, state, table):
    daemon = enforce(table.entry)
    wait_until(lambda: table.ids())
    table.server.crash()
    cancel_one(stage)
    failed = daemon.wait_for("audit_failed")
    assert failed["audit"].startswith("table ") and f"dbname={table.name}" in failed["audit"]
    table.server.revive()
    daemon.wait_for("audit_again")
    wait_until(has_all(state, table.ids))
    daemon.stop()


def test_a_server_that_hangs_delays_neither_signals_nor_the_stop(stage, enforce, table):
    daemon = enforce(table.entry)
    wait_until(lambda: table.ids())
    (pid,) = [row[0] for row in table.ask("select pid from pg_stat_activity where application_name = 'pgcurfew audit' "
                                          f"and datname = '{table.name}'")]
    os.kill(pid, signal.SIGSTOP)
    try:
        cancel_one(stage)
        daemon.wait_for("audit_failed", error="no reply within 10 s")
        cancel_one(stage)
        daemon.stop()
    finally:
        os.kill(pid, signal.SIGCONT)


def test_an_idle_connection_that_the_server_ends_is_no_trouble(stage, enforce, state, table, archive):
    archive.execute(f'alter database "{table.name}" set idle_session_timeout = \'300ms\'')
    daemon = enforce(table.entry)
    for _ in range(3):
        cancel_one(stage)
        wait_until(has_all(state, table.ids))
        time.sleep(0.6)
    daemon.stop()
    assert not daemon.all("audit_failed")


def test_a_missing_partition_loses_nothing(stage, enforce, state, table):
    daemon = enforce(table.entry)
    wait_until(lambda: table.ids())
    table.ask("drop table pgcurfew_audit.events_default")
    cancel_one(stage)
    failed = daemon.wait_for("audit_failed")
    assert 'no partition of relation "events" found' in failed["error"]
    count = len(record.lines(state))
    table.ask("create table pgcurfew_audit.again partition of pgcurfew_audit.events default")
    daemon.wait_for("audit_again")
    wait_until(lambda: set(recorded_ids(state)[-count:]) & set(table.ids()) and table.ids()[-1] == recorded_ids(state)[-1])
    daemon.stop()
    assert not daemon.all("audit_lost")


def test_a_locked_table_leaves_no_backends_behind(stage, enforce, state, table):
    daemon = enforce(table.entry)
    wait_until(lambda: table.ids())
    with table.server.connect(autocommit=False, dbname=table.name) as holder:
        holder.execute("lock table pgcurfew_audit.events in access exclusive mode")
        cancel_one(stage)
        assert daemon.wait_for("audit_failed")["error"] == "canceling statement due to lock timeout"
        wait_until(lambda: not list(table.ask("select 1 from pg_locks where not granted")))
        holder.rollback()
    daemon.wait_for("audit_again")
    wait_until(has_all(state, table.ids))
    daemon.stop()


def test_a_row_that_the_server_refuses_stops_no_other(stage, enforce, state, table):
    """As a trigger of a DBA could, with a data exception."""
    table.ask("create function refuse() returns trigger language plpgsql as $$ begin if new.event = 'outcome' then "
              "raise data_exception using message = 'not that one'; end if; return new; end $$")
    table.ask("create trigger refuse before insert on pgcurfew_audit.events for each row execute function refuse()")
    daemon = enforce(table.entry)
    cancel_one(stage)
    lost = daemon.wait_for("audit_lost")
    assert (lost["lost"], lost["error"]) == (1, "not that one")
    refused = {event["id"] for event in record.of(state, "outcome")}
    wait_until(lambda: table.ids() == [key for key in recorded_ids(state) if key not in refused])
    daemon.stop()


def test_without_its_table_it_says_what_to_do(stage, enforce, archive):
    archive.execute("drop database if exists bare")
    archive.execute("create database bare template template0 encoding utf8")
    conninfo = archive.conninfo(user="app", dbname="bare")
    daemon = enforce(f'- table: {{ conninfo: "{conninfo}" }}\n')
    failed = daemon.wait_for("audit_failed")
    assert failed["error"].startswith('relation "pgcurfew_audit.events" does not exist')
    assert "setup-sql --audit" in failed["hint"]
    daemon.stop()


def test_a_database_in_another_encoding_is_refused(stage, enforce, archive, command):
    archive.execute("drop database if exists latin")
    archive.execute("create database latin template template0 encoding latin1 locale 'C'")
    daemon = enforce(f'- table: {{ conninfo: "{archive.conninfo(user="app", dbname="latin")}" }}\n')
    assert "encoding UTF8" in daemon.wait_for("audit_failed")["error"]
    daemon.stop()
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        archive.execute(command("setup-sql", "--audit").stdout, dbname="latin")


def test_hostile_names_and_texts_are_stored_as_they_are_shown(stage, enforce, state, table):
    daemon = enforce(table.entry)
    name = "t'); drop table pgcurfew_audit.events; --\\u0000"
    session = stage.open(application_name=name)
    assert session.run("select pg_sleep(120) /* \\u0000 \x01 ' */") == QUERY_CANCELED
    daemon.wait_for("ended")
    stop(daemon, state, table.ids)
    assert name in {row[0] for row in table.ask("select application_name from pgcurfew_audit.events")}


def test_the_script_can_be_run_again_and_quotes_its_role(archive, command):
    archive.execute("drop database if exists again")
    archive.execute("create database again template template0 encoding utf8")
    role = "o'Brien \"x\" \\"
    script = command("setup-sql", "--audit", "--role", role).stdout
    for _ in range(2):
        archive.execute(script, dbname="again")
    (found,) = archive.execute("select has_table_privilege(oid, 'pgcurfew_audit.events', 'insert'), "
                               "has_table_privilege(oid, 'pgcurfew_audit.events', 'select') from pg_roles "
                               "where rolname = %s", [role], dbname="again")
    assert found == (True, False)


def test_a_schema_of_another_role_is_refused(archive, command):
    archive.execute("drop database if exists taken")
    archive.execute("create database taken template template0 encoding utf8")
    archive.execute("create schema pgcurfew_audit authorization app", dbname="taken")
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        archive.execute(command("setup-sql", "--audit").stdout, dbname="taken")


def test_a_table_whose_owner_nobody_trusts_gets_no_event(enforce, archive, command, table):
    """A trigger of the owner's would run with our privileges."""
    for change in ("alter schema pgcurfew_audit owner to app", "alter table pgcurfew_audit.events_default owner to app"):
        table.ask(change)
        daemon = enforce(table.entry)
        assert "belongs to app, which is neither a superuser nor" in daemon.wait_for("audit_failed")["error"]
        daemon.stop()
        assert table.ids() == []
        table.ask(change.replace("to app", "to current_user"))
    table.ask(f'alter database "{table.name}" owner to app')
    table.ask("alter table pgcurfew_audit.events owner to app")
    daemon = enforce(table.entry)
    wait_until(table.ids)
    daemon.stop()
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
        table.ask(f'alter database "{table.name}" owner to current_user; {command("setup-sql", "--audit").stdout}')


def test_the_connection_of_the_table_is_no_second_pgcurfew(stage, server, command, state, enforce):
    """On the watched server itself, under our role: it neither makes us wait as an elder nor counts as a session."""
    server.execute("drop database if exists own_audit")
    server.execute("create database own_audit template template0 encoding utf8")
    server.execute(command("setup-sql", "--audit").stdout, dbname="own_audit")
    entry = f'- table: {{ conninfo: "{server.conninfo(user="pgcurfew", dbname="own_audit")}" }}\n'
    daemon = enforce(entry)
    wait_until(lambda: server.execute("select 1 from pg_stat_activity where application_name = 'pgcurfew audit'"))
    pid = daemon.all("server_up")[-1]["backend_pid"]
    server.execute(f"select pg_terminate_backend({pid})")  # so that the other one is older
    wait_until(lambda: len(daemon.all("server_up")) == 2)
    cancel_one(stage)
    daemon.stop()
    assert not daemon.all("elder")
    server.execute("drop database own_audit with (force)")


def test_of_two_daemons_on_one_directory_one_copies(stage, enforce, state, file):
    first = enforce(file_entry(file))
    wait_until(lambda: ids_in(file))
    second = enforce(file_entry(file))
    failed = second.wait_for("audit_failed")
    assert "another process holds" in failed["error"]
    first.stop()
    second.wait_for("audit_again")
    wait_until(has_all(state, lambda: ids_in(file)))
    second.stop()


# -- several, and what check says ---------------------------------------------------------------------------------


def test_a_drain_by_hand_is_copied_by_the_running_daemon(stage, orders, by_hand, tmp_path, file):
    daemon = stage.enforce(RULE, more=UNBOUNDED + "audit:\n" + file_entry(file),
                           environment={"STATE_DIRECTORY": str(tmp_path)})
    process = by_hand("drain", orders.name, "--for", "1min", "--wait", "0s", "--grace", "1s", "--exit-when-empty")
    assert process.wait(PATIENCE_S) == 0
    wait_until(lambda: ids_in(file) == recorded_ids(tmp_path))
    assert len({event["run"] for event in record.lines(tmp_path)}) == 2
    daemon.stop()


def test_check_says_where_events_go_and_what_stands_in_the_way(command, tmp_path, file):
    main = tmp_path / "main.yaml"
    main.write_text(f"{SERVER}record: {{ keep: 90d, required: true }}\n"
                    f"audit:\n{file_entry(file)}{file_entry(tmp_path / 'none' / 'x')}"
                    "- table: { conninfo: \"host=audit dbname=dba user=u password=topsecret\" }\n")
    done = command("check", main)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith(("record:", "audit:"))]
    assert lines == ["record: events are kept for 90d, up to 1GB; without it no signal is sent and no gate is closed",
                     f"audit: events are copied to file {file}",
                     f"audit: events are copied to file {tmp_path}/none/x",
                     "audit: events are copied to table audit dbname=dba user=u"]
    assert (f"pgcurfew: warning: not possible now: audit file {tmp_path}/none/x: could not use directory {tmp_path}/none: "
            "No such file or directory\n") in done.stderr
    assert "topsecret" not in done.stdout + done.stderr and "conninfo contains a password" in done.stderr


def test_check_server_tries_the_table(stage, command, tmp_path, table, archive):
    main = tmp_path / "main.yaml"
    main.write_text(stage.policy(RULE, more="audit:\n" + table.entry), encoding="utf-8")
    done = command("check", "--server", main)
    assert "audit: events can be added to table " in done.stdout and done.returncode == 0, done.stderr
    table.ask("revoke insert on pgcurfew_audit.events from pgcurfew")
    done = command("check", "--server", main)
    assert "permission denied for table events" in done.stderr and done.returncode == 69
    table.ask("drop schema pgcurfew_audit cascade")
    done = command("check", "--server", main)
    assert "setup-sql --audit" in done.stderr and done.returncode == 69


@pytest.mark.parametrize("audit, complaint", [
    ("- syslog", "Did you mean \"journald\"?"), ("journald", '"audit" has to be a list'), ("- file: { path: events.json }", "absolute path"),
    ("- file: { path: /var/ }", "absolute path"), ("- file: { rotate: 1MB }", 'has no "path"'),
    ("- table: { }", '"table" is empty'), ("- table: { conninfo: \"host=a port=x\" }", "port"), ("- { }", '"audit" is empty'),
    ("- journald\n- journald", 'twice in "audit"'), ("- file: { path: /x/y }\n- file: { path: /x//y }", "an earlier entry"),
    ("- table: { conninfo: host=a }\n- table: { conninfo: host=a connect_timeout=3 }", "an earlier entry"), ("- { file: { path: /x/y }, table: { conninfo: x } }", "a second place")])
def test_mistakes_are_refused(command, tmp_path, audit, complaint):
    main = tmp_path / "main.yaml"
    main.write_text(f"{SERVER}audit:\n{audit}\n"
                    if audit.startswith("-") else
                    f"{SERVER}audit: {audit}\n")
    done = command("check", main)
    assert done.returncode != 0
    assert complaint in done.stderr


# -- journald -----------------------------------------------------------------------------------------------------


@pytest.fixture
def journal():
    if not can_have_a_journal():
        pytest.skip("needs root, systemd-journald and a mount namespace")
    made = Journal()
    yield made
    made.close()


@pytest.fixture
def enforce_inside(stage, state, pgcurfew, tmp_path, journal):
    """Starts daemons in the namespace of the journal."""
    started = []

    def start():
        config = tmp_path / "journal.yaml"
        config.write_text(stage.policy(RULE, more=UNBOUNDED + "audit: [ journald ]\n"), encoding="utf-8")
        wrapper = tmp_path / "inside"
        wrapper.write_text(f"#!/bin/sh\nexec {' '.join(journal.inside)} {pgcurfew} \"$@\"\n", encoding="utf-8")
        wrapper.chmod(0o755)
        daemon = Daemon(wrapper, config, environment={"STATE_DIRECTORY": str(state)})
        started.append(daemon)
        daemon.wait_for("server_up")
        return daemon

    yield start
    for daemon in started:
        daemon.kill()


def test_the_journal_can_be_asked_by_rule_and_priority(stage, state, enforce_inside, journal):
    daemon = enforce_inside()
    cancel_one(stage)
    ended = daemon.wait_for("ended")
    wait_until(has_all(state, journal.ids), every=0.1)
    of_rule = [entry for entry in journal.entries("PGCURFEW_RULE=short") if entry["PGCURFEW_EVENT"] != "intent_late"]
    assert [entry["PGCURFEW_EVENT"] for entry in of_rule] == ["intent", "outcome", "verified", "ended"]
    intent, outcome = of_rule[:2]
    assert (intent["PGCURFEW_PID"], intent["PRIORITY"]) == (str(ended["pid"]), "6")
    assert intent["MESSAGE"] == daemon.all("intent")[0]["message"]
    assert outcome["MESSAGE_ID"] == "ec818e05c4c4533668e84ee244df1713"
    warnings = journal.run("journalctl", "--no-pager", "-p", "warning", "-o", "json", "SYSLOG_IDENTIFIER=pgcurfew").stdout
    levels = {json.loads(line)["PGCURFEW_EVENT"] for line in warnings.splitlines()}
    assert levels == {event.kind for event in daemon.events if event["level"] in ("WARNING", "ERROR")}
    daemon.stop()


def test_a_journald_that_stands_still_delays_neither_signals_nor_the_stop(stage, state, enforce_inside, journal):
    daemon = enforce_inside()
    wait_until(journal.ids, every=0.1)
    journal.hold_still()
    while not daemon.all("audit_failed"):  # its socket takes some entries before it is full
        cancel_one(stage)
    assert daemon.all("audit_failed")[0]["error"] == "no answer within 15 s"
    cancel_one(stage)
    daemon.stop()
    journal.go_on()
    enforce_inside().stop()
    wait_until(lambda: set(journal.ids()) == set(recorded_ids(state)), every=0.1)
