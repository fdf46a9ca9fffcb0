"""Clients choose query texts: these neither blind the daemon, nor forge a line, nor leak through it."""

import json
import re

import pytest

from support.session import QUERY_CANCELED, Session, wait_until
from support.stage import UNBOUNDED, Stage, orders, outcome_of
from support.throwaway import Throwaway

CANCEL = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel]
"""
READING = CANCEL.replace("400ms", "400ms, query: /sleep/")
HOSTILE = ("select pg_sleep(600) /* \x1b[2J\x1b]0;owned\x07 */, '\"}\n{\"event\":\"forged\"}\r\n', "
           "'\u202ereversed', \"a\"\"b\" from (select 1 as \"a\"\"b\") q")


@pytest.fixture
def ascii_database(server):
    """A database that takes any bytes as text."""
    if not server.execute("select 1 from pg_database where datname = 'ascii'"):
        server.execute("create database ascii encoding 'SQL_ASCII' template template0")
    return "ascii"


def is_an_event(line):
    return "event" in json.loads(line)


def wait_until_told(daemon):
    """Waits until the outcome of a cancel is in a text log."""
    wait_until(lambda: any("sent cancel" in line for line in daemon.lines))


@pytest.mark.parametrize("watched_from", ["postgres", "ascii"])
@pytest.mark.parametrize("rule", [CANCEL, READING], ids=["a rule that reads no text", "a rule that reads the text"])
def test_bytes_that_are_no_text_do_not_blind_it(stage, ascii_database, rule, watched_from):
    stranger = stage.open(dbname=ascii_database, client_encoding="SQL_ASCII")
    stranger.pgconn.send_query(b"select pg_sleep(600), 'caf\xe9 \xff\xc3'")
    wait_until(lambda: stage.superuser.execute("select state from pg_stat_get_activity(%s)",
                                               [stranger.pid]).fetchone()[0] == "active")
    conninfo = stage.server.conninfo(user="pgcurfew", dbname=watched_from)
    daemon = stage.enforce(rule, servers={"stage": conninfo}, more=UNBOUNDED + "\nreport: { query_text: full }")
    neighbour = stage.running()
    assert stranger.outcome() == QUERY_CANCELED
    assert neighbour.outcome() == QUERY_CANCELED
    assert "caf\ufffd" in outcome_of(daemon, stranger)["query"]
    assert daemon.all("look_failed") == daemon.all("server_down") == []
    assert all(map(is_an_event, daemon.lines))


@pytest.mark.parametrize("query_text", ["redacted", "full", "none"])
def test_a_text_cannot_break_out_of_its_line_of_json(stage, query_text):
    session = stage.running(HOSTILE)
    daemon = stage.enforce(READING, more=UNBOUNDED + f"\nreport: {{ query_text: {query_text} }}")
    assert session.outcome() == QUERY_CANCELED
    query = outcome_of(daemon, session).get("query")
    assert (query == HOSTILE) == (query_text == "full")
    assert all(map(is_an_event, daemon.lines))
    assert daemon.all("forged") == []
    assert all(line.isascii() and line.isprintable() for line in daemon.lines)


@pytest.mark.parametrize("query_text", ["redacted", "full"])
def test_a_text_cannot_break_out_of_its_line_for_people(stage, query_text):
    session = stage.running(HOSTILE)
    daemon = stage.start(READING, more=UNBOUNDED + f"\nreport: {{ query_text: {query_text} }}", log_format="text")
    assert session.outcome() == QUERY_CANCELED
    wait_until_told(daemon)
    daemon.stop()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z (INFO|NOTICE|WARNING|ERROR) +\S", line)
               for line in daemon.lines)
    assert all(line.isprintable() and "\u202e" not in line for line in daemon.lines)
    assert any(f"pid={session.pid}" in line and "query=" in line for line in daemon.lines)


def test_an_application_name_cannot_forge_a_field(stage):
    name = 'x" outcome=denied "\x1b[31m'
    session = Session(stage.server.conninfo(user="app", application_name=name)).start("select pg_sleep(600)")
    daemon = stage.start("- { name: a, match: { application_name: 'x*outcome*', query_age: 400ms, state: active }, "
                         "escalate: [cancel] }", log_format="text")
    assert session.outcome() == QUERY_CANCELED
    session.close()
    wait_until_told(daemon)
    daemon.stop()
    told = [line for line in daemon.lines if "sent cancel to pid" in line]
    assert len(told) == 1 and r'application_name="x\" outcome=denied \"' in told[0]
    assert told[0].isprintable()


SECRETS = [
    ("alter role app password 'hunter2-literal'", "hunter2-literal"),
    ("select $tag$hunter2-dollar$tag$", "hunter2-dollar"),
    ("select E'\\'hunter2-escape'", "hunter2-escape"),
    ("select 1 -- hunter2-comment\n", "hunter2-comment"),
    ("select 1 /* /* nested */ hunter2-block */", "hunter2-block"),
    ("select 4111111111111111", "4111111111111111"),
    ("select U&'hunter2-unicode'", "hunter2-unicode"),
    ("select '" + "x" * 1100 + "hunter2-cut'", "xxxxx"),
]


@pytest.mark.parametrize("statement, secret", SECRETS, ids=[secret for _, secret in SECRETS])
@pytest.mark.parametrize("log_format", ["json", "text"])
def test_what_a_text_holds_of_secrets_is_not_told(stage, statement, secret, log_format):
    # In one message, so that the whole of it is the session's query.
    session = stage.running(f"select pg_sleep(600); {statement}")
    daemon = stage.start(READING, log_format=log_format, more=UNBOUNDED)
    assert session.outcome() == QUERY_CANCELED
    wait_until_told(daemon)
    daemon.stop()
    output = "\n".join(daemon.lines) + daemon.stderr
    assert "select pg_sleep" in output
    assert secret not in output


def test_texts_are_told_in_full_or_not_at_all_if_the_policy_says_so(stage):
    text = "select pg_sleep(600) /* 4711 */"
    for query_text, told in {"full": text, "none": None, "redacted": "select pg_sleep(?)"}.items():
        session = stage.running(text)
        daemon = stage.enforce(CANCEL, more=UNBOUNDED + f"\nreport: {{ query_text: {query_text} }}")
        assert (outcome_of(daemon, session).get("query") or "").strip() == (told or "")
        daemon.stop()


def test_a_reload_changes_how_texts_are_told(stage):
    daemon = stage.enforce(CANCEL)
    first = stage.running()
    assert outcome_of(daemon, first)["query"] == "select pg_sleep(?)"
    daemon.reload(stage.policy(CANCEL, more=UNBOUNDED + "\nreport: { query_text: full }"))
    daemon.wait_for("reload")
    second = stage.running()
    assert outcome_of(daemon, second)["query"] == "select pg_sleep(600)"
    assert orders(daemon, first) == ["cancel"]


# -- long texts -----------------------------------------------------------------------------------------------------

MOST = 16384  # bytes of a text that a look brings


@pytest.fixture(scope="module")
def roomy_server():
    """A server that keeps texts of 1 MB."""
    with Throwaway(["track_activity_query_size = '1MB'", "max_connections = 20"]) as made:
        made.make_watchdog_role()
        made.make_role("app")
        yield made


@pytest.mark.parametrize("letter", ["x", "\u20ac"])
def test_a_look_brings_the_first_bytes_of_a_text_and_no_more(roomy_server, probe, session, letter):
    text = f"select pg_sleep(600) /*{letter * 300_000}*/"
    talkative = session(on=roomy_server).start(text)
    link = probe(on=roomy_server)
    query = wait_until(lambda: link.look(texts="active")["sessions"][talkative.pid]["query"])
    seen = text.encode()[:MOST].decode(errors="replace")
    assert query.rstrip("\ufffd") == seen.rstrip("\ufffd")


def test_a_pattern_sees_what_stands_in_the_first_bytes(roomy_server, daemon):
    stage = Stage(roomy_server, daemon)
    try:
        within = stage.open().start(f"select pg_sleep(600) /*{'x' * (MOST - 100)} needle */")
        beyond = stage.open().start(f"select pg_sleep(600) /*{'x' * MOST} needle */")
        watching = stage.enforce(CANCEL.replace("400ms", "400ms, query: /needle/"))
        assert within.outcome() == QUERY_CANCELED
        stage.wait_until_seen(watching)
        assert orders(watching, beyond) == []
    finally:
        stage.close()
