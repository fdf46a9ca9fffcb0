"""Gates of databases: closed with a mark of the previous state, opened only if they are still as they were left."""

import threading
import time
from contextlib import suppress

import psycopg
import pytest

from support.session import wait_until, wait_until_quick
from support.throwaway import SUPERUSER

EPOCH = 946684800  # of PostgreSQL


def in_seconds(seconds):
    """A time of the server's clock, as it counts it."""
    return int((time.time() + seconds - EPOCH) * 1e6)


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


class Databases:
    """Databases that go away with the test."""

    def __init__(self, server):
        self.server = server
        self.made = []

    def make(self, name, options=""):
        self.server.execute(f"create database {quoted(name)} template template0 {options}")
        self.made.append(name)
        return name

    def limit(self, name):
        return self.server.execute("select datconnlimit from pg_database where datname = %s", [name])[0][0]

    def settings(self, name):
        rows = self.server.execute("select setconfig from pg_db_role_setting s join pg_database d "
                                   "on d.oid = s.setdatabase where datname = %s and setrole = 0", [name])
        return rows[0][0] if rows else []

    def set_limit(self, name, limit):
        self.server.execute(f"alter database {quoted(name)} connection limit {limit}")

    def drop(self):
        for name in self.made:
            self.server.execute(f"drop database if exists {quoted(name)}")


@pytest.fixture
def databases(server):
    made = Databases(server)
    yield made
    made.drop()


@pytest.fixture
def keeper(probe):
    """A link of the superuser, who may set a mark in any version."""
    return probe(user=SUPERUSER)


@pytest.fixture
def owner(server, databases):
    """A role that owns `owned`, and is nothing besides."""
    server.execute("create role gate_owner login")
    databases.make("owned", "owner gate_owner connection limit 12")
    yield "gate_owner"
    databases.drop()
    server.execute("drop role gate_owner")


def gate_of(probe, name):
    return probe.gates()["gates"][name]


# -- reading --------------------------------------------------------------------------------------------------------


def test_all_databases_are_read_with_their_limits(databases, keeper):
    databases.make("limited", "connection limit 7")
    read = keeper.gates()
    assert read["own_database"] == "postgres" and not read["in_recovery"]
    assert abs(read["taken_at"] - in_seconds(0)) < 60e6
    assert {"postgres", "template0", "template1", "limited"} <= set(read["gates"])
    oid, cluster = databases.server.execute("select oid::bigint, (select system_identifier::text from pg_control_system()) "
                                            "from pg_database where datname = 'limited'")[0]
    assert read["system_identifier"] == cluster
    assert read["gates"]["limited"] == {"oid": oid, "limit": 7, "mark": "", "is_mark": False, "is_template": False,
                                        "allows_connections": True, "access": "mark", "prepared": [], "slots": [],
                                        "logging_in": []}
    assert read["gates"]["template0"]["is_template"] and not read["gates"]["template0"]["allows_connections"]


def test_prepared_transactions_are_read_with_the_database_that_they_are_in(server, databases, keeper):
    databases.make("prepared_here")
    with server.connect(dbname="prepared_here") as connection:
        connection.execute("begin; create table t (); prepare transaction 'some \"gid\", {with} signs'")
    try:
        assert gate_of(keeper, "prepared_here")["prepared"] == ['some "gid", {with} signs']
        assert gate_of(keeper, "postgres")["prepared"] == []
    finally:
        server.execute("rollback prepared 'some \"gid\", {with} signs'", dbname="prepared_here")


def test_who_may_do_nothing_is_told_so(server, owner, probe):
    server.make_role("app")
    read = probe(user="app").gates()["gates"]
    assert {name: gate["access"] for name, gate in read.items() if name in ("owned", "postgres")} == {
        "owned": "none", "postgres": "none"}


def test_the_owner_may_close_but_not_mark(owner, probe):
    read = probe(user=owner).gates()["gates"]
    assert (read["owned"]["access"], read["postgres"]["access"]) == ("journal", "none")


def test_an_owner_with_the_right_to_the_parameter_may_mark(server, owner, probe):
    if server.version < 15:
        pytest.skip("rights to parameters came with 15")
    server.execute(f"grant set on parameter pgcurfew.drain to {owner}")
    try:
        link = probe(user=owner)
        assert gate_of(link, "owned")["access"] == "mark"
        closed = link.turn("owned", True)
        assert (closed["outcome"], gate_of(link, "owned")["mark"]) == ("closed", closed["mark"])
        assert link.turn("owned", False, mark=closed["mark"])["outcome"] == "opened"
        assert (gate_of(link, "owned")["limit"], gate_of(link, "owned")["mark"]) == (12, "")
    finally:
        server.execute(f"revoke set on parameter pgcurfew.drain from {owner}")


def test_a_server_that_does_not_tell_its_cluster_tells_its_gates_all_the_same(server, probe):
    """That is what a revoked right costs."""
    server.make_role("app")
    server.execute("revoke execute on function pg_catalog.pg_control_system() from public")
    try:
        read = probe(user="app").gates()
        assert read["system_identifier"] == "" and "postgres" in read["gates"]
    finally:
        server.execute("grant execute on function pg_catalog.pg_control_system() to public")


def test_a_locked_catalog_fails_the_reading_and_not_the_link(server, keeper):
    with server.connect(autocommit=False) as locker:
        locker.execute("lock pg_database in access exclusive mode")
        assert keeper.failing_gates()["sqlstate"] == "55P03"
        locker.rollback()
    assert "postgres" in keeper.gates()["gates"]


# -- closing --------------------------------------------------------------------------------------------------------


def test_a_closed_gate_keeps_everybody_out_and_says_what_was_before(server, databases, keeper):
    databases.make("shut", "connection limit 7")
    server.make_role("app")
    until = in_seconds(600)
    closed = keeper.turn("shut", True, drain="nightly", by="one", since=5, until=until)
    mark = f"limit=7 since=5 until={until} by=one drain=nightly"
    assert (closed["outcome"], closed["mark"], closed["limit"], closed["is_mark"]) == ("closed", mark, 0, True)
    assert databases.limit("shut") == 0 and databases.settings("shut") == [f"pgcurfew.drain={mark}"]
    with pytest.raises(psycopg.OperationalError, match="too many connections for database"):
        server.connect(dbname="shut", user="app")
    assert gate_of(keeper, "shut")["mark"] == mark


def test_an_opened_gate_is_as_it_was(databases, keeper):
    databases.make("back", "connection limit 7")
    databases.server.execute("alter database back set work_mem = '5MB'")
    closed = keeper.turn("back", True)
    opened = keeper.turn("back", False, mark=closed["mark"])
    assert (opened["outcome"], opened["limit"], opened["mark"]) == ("opened", 7, "")
    assert (databases.limit("back"), databases.settings("back")) == (7, ["work_mem=5MB"])


def test_a_database_that_had_no_limit_gets_none_back(databases, keeper):
    databases.make("unlimited")
    closed = keeper.turn("unlimited", True)
    assert closed["mark"].startswith("limit=-1 ")
    assert keeper.turn("unlimited", False, mark=closed["mark"])["limit"] == -1
    assert databases.limit("unlimited") == -1


def test_a_turn_leaves_the_bounds_of_the_session_as_they_were(server, databases, keeper):
    databases.make("bounds")
    closed = keeper.turn("bounds", True)
    assert keeper.turn("bounds", True, drain="no mark")["outcome"] == "failed"
    assert keeper.turn("bounds", False, mark=closed["mark"])["outcome"] == "opened"
    with server.connect(autocommit=False) as locker:
        locker.execute("lock pg_database in access exclusive mode")
        # with the bound of a turn it would wait for 0.5 s
        assert wait_until_quick(keeper.failing_gates, 0.4)["sqlstate"] == "55P03"


@pytest.mark.parametrize("name", [
    'with "quotes" and \'those\'', "back\\slash", "new\nline", "percent %I %L %s", "$pgcurfew$", "Grüße ☂",
    "x" * 63, "; drop database postgres; --", " "])
def test_any_name_can_be_closed_and_opened(databases, keeper, name):
    databases.make(name, "connection limit 3")
    closed = keeper.turn(name, True)
    assert (closed["outcome"], databases.limit(name)) == ("closed", 0)
    assert gate_of(keeper, name)["mark"] == closed["mark"]
    assert keeper.turn(name, False, mark=closed["mark"])["outcome"] == "opened"
    assert (databases.limit(name), databases.settings(name)) == (3, [])


def test_a_name_that_is_no_text_in_our_encoding_can_be_closed(server, databases, keeper):
    """Names are bytes in the encoding of the client that gave them."""
    databases.make("latin", "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'")
    name = "gr\u00fc\u00df".encode("latin-1")
    limit = "select datconnlimit from pg_database where namesend(datname) = %s"
    with server.connect(dbname="latin", client_encoding="LATIN1") as connection:
        connection.execute("create database \"gr\u00fc\u00df\" template template0 connection limit 4")
        try:
            assert "gr\ufffd\ufffd" in keeper.gates()["gates"]  # JSON cannot represent them
            closed = keeper.turn(None, True, database_hex=name.hex())
            assert (closed["outcome"], server.execute(limit, [name])) == ("closed", [(0,)])
            assert keeper.turn(None, False, database_hex=name.hex(), mark=closed["mark"])["outcome"] == "opened"
            assert server.execute(limit, [name]) == [(4,)]
        finally:
            connection.execute("drop database \"gr\u00fc\u00df\"")


def test_a_database_that_is_not_there_cannot_be_closed(keeper):
    failed = keeper.turn("nowhere", True)
    assert (failed["outcome"], failed["error"]["sqlstate"]) == ("failed", "3D000")


def test_who_lacks_the_right_is_denied_and_nothing_changes(server, databases, probe):
    databases.make("foreign_one", "connection limit 5")
    server.make_role("app")
    denied = probe(user="app").turn("foreign_one", True)
    assert (denied["outcome"], denied["error"]["sqlstate"]) == ("denied", "42501")
    assert (databases.limit("foreign_one"), databases.settings("foreign_one")) == (5, [])


def test_an_owner_without_the_right_to_mark_closes_nothing_when_told_to_mark(databases, owner, probe):
    denied = probe(user=owner).turn("owned", True, access="mark")
    assert denied["outcome"] == "denied"
    assert (databases.limit("owned"), databases.settings("owned")) == (12, [])


# -- several drains -------------------------------------------------------------------------------------------------


def test_a_gate_that_another_drain_holds_is_left_to_it(databases, keeper):
    databases.make("held", "connection limit 7")
    first = keeper.turn("held", True, drain="first", until=in_seconds(600))
    second = keeper.turn("held", True, drain="second", until=in_seconds(900))
    assert (second["outcome"], second["mark"]) == ("held", first["mark"])
    assert gate_of(keeper, "held")["mark"] == first["mark"]


def test_a_gate_that_is_held_for_ever_is_left_to_its_drain(databases, keeper):
    databases.make("held", "connection limit 7")
    first = keeper.turn("held", True, drain="first")
    assert " until=reopen " in first["mark"]
    assert keeper.turn("held", True, drain="second")["outcome"] == "held"


def test_a_mark_past_its_time_is_taken_over_with_the_limit_that_it_kept(databases, keeper):
    databases.make("late", "connection limit 7")
    keeper.turn("late", True, drain="first", since=1, until=in_seconds(-1))
    taken = keeper.turn("late", True, drain="second", since=2, until=in_seconds(600))
    assert taken["outcome"] == "closed" and taken["mark"].startswith("limit=7 since=2 ")
    assert keeper.turn("late", False, mark=taken["mark"])["limit"] == 7


def test_the_same_drain_goes_on_from_when_it_closed_first(databases, keeper):
    databases.make("again", "connection limit 7")
    keeper.turn("again", True, by="one", since=1, until=in_seconds(600))
    again = keeper.turn("again", True, by="two", since=2, until=in_seconds(900))
    assert again["outcome"] == "closed" and again["mark"].startswith("limit=7 since=1 ")
    assert " by=two " in again["mark"]


def test_the_next_window_of_the_same_drain_begins_anew(databases, keeper):
    databases.make("weekly", "connection limit 7")
    keeper.turn("weekly", True, since=1, until=in_seconds(-1))
    again = keeper.turn("weekly", True, since=2, until=in_seconds(600))
    assert again["mark"].startswith("limit=7 since=2 ")


def test_a_limit_that_was_changed_under_the_mark_is_what_the_next_closing_gives_back(databases, keeper):
    databases.make("changed", "connection limit 7")
    keeper.turn("changed", True, until=in_seconds(600))
    databases.set_limit("changed", 20)
    again = keeper.turn("changed", True, until=in_seconds(600))
    assert again["mark"].startswith("limit=20 ") and databases.limit("changed") == 0


def test_a_setting_that_is_no_mark_stops_the_closing(databases, keeper):
    databases.make("odd", "connection limit 7")
    databases.server.execute("alter database odd set pgcurfew.drain = 'limit=; drop'")
    assert gate_of(keeper, "odd")["mark"] == "limit=; drop" and not gate_of(keeper, "odd")["is_mark"]
    failed = keeper.turn("odd", True)
    assert (failed["outcome"], failed["error"]["sqlstate"]) == ("failed", "55000")
    assert databases.limit("odd") == 7


def test_a_mark_with_bytes_that_are_no_text_in_our_encoding_is_none(server, databases, keeper):
    """No mark of ours has them, and they could not be sent back to the server to be compared."""
    databases.make("odd", "connection limit 0")
    databases.make("raw", "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    with server.connect(dbname="raw") as raw:
        raw.execute(b"alter database odd set pgcurfew.drain = 'limit=7 since=1 until=2 by=caf\xe9 drain=nightly'")
    gate = gate_of(keeper, "odd")
    assert (gate["mark"], gate["is_mark"]) == ("limit=7 since=1 until=2 by=caf\ufffd drain=nightly", False)
    for drain in ("nightly", "another"):
        failed = keeper.turn("odd", True, drain=drain)
        assert (failed["outcome"], failed["error"]["sqlstate"]) == ("failed", "55000"), failed
    assert databases.limit("odd") == 0


@pytest.mark.parametrize("text", [rb"\xe0pgcurfew.drain=", rb"x\xffpgcurfew.drain=limit=7", rb"\xc3", rb"\xf0\x9f"])
def test_settings_of_others_that_are_no_text_in_our_encoding_hold_up_no_gate(server, databases, keeper, text):
    databases.make("raw", "encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C'")
    databases.make("honest", "connection limit 7")
    closed = keeper.turn("honest", True)
    with server.connect(dbname="raw") as raw:
        raw.execute(b"alter database raw set search_path = E'" + text + b"'")
        raw.execute(b"alter database honest set search_path = E'" + text + b"'")
    assert gate_of(keeper, "raw")["mark"] == ""
    assert gate_of(keeper, "honest")["mark"] == closed["mark"]
    for name in ("raw", "honest"):
        closed = keeper.turn(name, True)
        assert keeper.turn(name, False, mark=closed["mark"])["outcome"] == "opened"


def test_two_that_close_at_once_do_not_both_hold_it(databases, probe):
    databases.make("contested", "connection limit 7")
    links = [probe(user=SUPERUSER) for _ in range(4)]
    for _ in range(10):
        for number, link in enumerate(links):
            link.begin_turn("contested", True, drain=f"drain-{number}", until=in_seconds(600))
        replies = [link.end_turn() for link in links]
        assert sorted(reply["outcome"] for reply in replies).count("closed") == 1, replies
        held = {reply["mark"] for reply in replies if reply["outcome"] in ("closed", "held")}
        assert len(held) == 1 and held.pop().startswith("limit=7 ")
        mark = gate_of(links[0], "contested")["mark"]
        assert links[0].turn("contested", False, mark=mark)["limit"] == 7


def test_of_two_closings_that_meet_in_the_same_instant_the_later_one_looks_again(server, databases, probe):
    databases.make("meeting", "connection limit 7")
    link = probe(user=SUPERUSER)

    def meet():
        """What comes of it, if the other one was done in the half second for which the closing waits."""
        databases.set_limit("meeting", 7)
        with server.connect(autocommit=False) as other, server.connect() as watcher:
            other.execute("alter database meeting connection limit 9")
            link.begin_turn("meeting", True)
            wait_until(lambda: watcher.execute("select 1 from pg_locks where not granted and pid = %s",
                                               [link.facts["backend_pid"]]).fetchall() or link.has_spoken, every=0.001)
            other.commit()
        closed = link.end_turn()
        return closed if closed["error"]["sqlstate"] != "55P03" else None

    closed = wait_until(meet)
    assert closed["outcome"] == "closed" and closed["mark"].startswith("limit=9 ")


def test_a_lock_on_the_row_is_not_waited_for_long(server, databases, probe):
    databases.make("stuck", "connection limit 7")
    link = probe(user=SUPERUSER)
    with server.connect(autocommit=False) as other:
        other.execute("alter database stuck connection limit 9")
        failed = wait_until_quick(lambda: link.turn("stuck", True), 2)
        assert (failed["outcome"], failed["error"]["sqlstate"]) == ("failed", "55P03")
        assert "Another transaction" in failed["error"]["hint"]
        other.rollback()
    assert databases.limit("stuck") == 7


def test_whoever_dies_in_a_closing_leaves_all_or_nothing(server, databases, probe):
    databases.make("crash", "connection limit 7")
    for delay in (0, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01):
        link = probe(user=SUPERUSER)
        killer = threading.Timer(delay, link.process.kill)
        killer.start()
        with suppress(BrokenPipeError):  # it may be gone before this
            link.begin_turn("crash", True)
        link.process.wait()
        killer.join()
        wait_until(lambda pid=link.facts["backend_pid"]: not server.execute(
            "select 1 from pg_stat_activity where pid = %s", [pid]), every=0.01)
        marks = [text for text in databases.settings("crash") if text.startswith("pgcurfew.drain=limit=7 ")]
        assert (databases.limit("crash"), len(marks)) in ((7, 0), (0, 1))
        server.execute("alter database crash connection limit 7")
        server.execute("alter database crash reset pgcurfew.drain")


# -- opening --------------------------------------------------------------------------------------------------------


def test_a_limit_that_somebody_else_has_set_is_left_alone_and_the_mark_goes(databases, keeper):
    databases.make("theirs", "connection limit 7")
    closed = keeper.turn("theirs", True)
    databases.set_limit("theirs", 50)
    opened = keeper.turn("theirs", False, mark=closed["mark"])
    assert (opened["outcome"], opened["limit"], opened["mark"]) == ("foreign", 50, "")
    assert (databases.limit("theirs"), databases.settings("theirs")) == (50, [])


def test_a_gate_whose_mark_is_another_is_not_opened(databases, keeper):
    databases.make("taken", "connection limit 7")
    first = keeper.turn("taken", True, until=in_seconds(-1))
    second = keeper.turn("taken", True, drain="second", until=in_seconds(600))
    gone = keeper.turn("taken", False, mark=first["mark"])
    assert (gone["outcome"], gone["mark"], gone["limit"]) == ("gone", second["mark"], 0)
    assert databases.limit("taken") == 0


def test_a_gate_whose_mark_is_gone_is_not_opened(databases, keeper):
    databases.make("erased", "connection limit 7")
    closed = keeper.turn("erased", True)
    databases.server.execute("alter database erased reset all")
    assert keeper.turn("erased", False, mark=closed["mark"])["outcome"] == "gone"
    assert databases.limit("erased") == 0


def test_a_database_that_was_dropped_is_gone(keeper):
    assert keeper.turn("nowhere", False, mark="limit=7 since=1 until=reopen by=x drain=y")["outcome"] == "gone"


@pytest.mark.parametrize("in_journal", [False, True])
def test_what_is_opened_is_the_database_that_was_closed_whatever_its_name_is_now(server, databases, keeper, in_journal):
    where = {"access": "journal", "limit": 7} if in_journal else {}
    databases.make("renamed", "connection limit 7")
    oid = gate_of(keeper, "renamed")["oid"]
    closed = keeper.turn("renamed", True, oid=oid, **where)
    server.execute("alter database renamed rename to renamed_since")
    databases.made.append("renamed_since")
    databases.make("renamed", "connection limit 0")
    opened = keeper.turn("renamed", False, oid=oid, mark=closed["mark"], in_journal=in_journal, **where)
    assert (opened["outcome"], databases.limit("renamed_since"), databases.limit("renamed")) == ("opened", 7, 0)


def test_a_database_that_was_renamed_since_it_was_read_is_not_closed(server, databases, keeper):
    databases.make("moved", "connection limit 7")
    oid = gate_of(keeper, "moved")["oid"]
    server.execute("alter database moved rename to moved_since")
    databases.made.append("moved_since")
    databases.make("moved", "connection limit 7")
    failed = keeper.turn("moved", True, oid=oid)
    assert (failed["outcome"], failed["error"]["sqlstate"]) == ("failed", "3D000")
    assert (databases.limit("moved"), databases.limit("moved_since")) == (7, 7)


def test_a_text_that_is_no_mark_opens_nothing(databases, keeper):
    databases.make("odd", "connection limit 0")
    failed = keeper.turn("odd", False, mark="limit=7; drop", in_journal=True)
    assert (failed["outcome"], databases.limit("odd")) == ("failed", 0)


def test_an_owner_who_may_not_take_the_mark_away_opens_all_the_same(databases, owner, keeper, probe):
    closed = keeper.turn("owned", True)
    opened = probe(user=owner).turn("owned", False, access="journal", mark=closed["mark"])
    assert (opened["outcome"], opened["limit"], opened["mark"]) == ("opened", 12, closed["mark"])
    assert databases.limit("owned") == 12


# -- with the mark in the journal -----------------------------------------------------------------------------------


def test_an_owner_closes_and_opens_with_the_mark_elsewhere(databases, owner, probe):
    link = probe(user=owner)
    closed = link.turn("owned", True, access="journal", limit=12, until=in_seconds(600))
    assert (closed["outcome"], closed["in_journal"], closed["limit"]) == ("closed", True, 0)
    assert closed["mark"].startswith("limit=12 ")
    assert (databases.limit("owned"), databases.settings("owned")) == (0, [])
    opened = link.turn("owned", False, access="journal", mark=closed["mark"], in_journal=True)
    assert (opened["outcome"], databases.limit("owned")) == ("opened", 12)


def test_a_limit_that_the_journal_does_not_know_stops_the_closing(databases, owner, probe):
    changed = probe(user=owner).turn("owned", True, access="journal", limit=5)
    assert (changed["outcome"], changed["limit"], databases.limit("owned")) == ("failed", 12, 12)
    assert changed["error"]["message"] == "the connection limit of the database is 12 now"


def test_a_gate_that_the_journal_has_closed_can_be_closed_again(databases, owner, probe):
    databases.set_limit("owned", 0)
    closed = probe(user=owner).turn("owned", True, access="journal", limit=12)
    assert closed["outcome"] == "closed" and closed["mark"].startswith("limit=12 ")


def test_a_gate_that_was_seen_to_be_theirs_stays_closed_though_it_is_0_again(databases, owner, probe):
    link = probe(user=owner)
    ours = link.turn("owned", True, access="journal", limit=12)
    left = link.turn("owned", False, access="journal", mark=ours["mark"], in_journal=True, is_theirs=True)
    assert (left["outcome"], left["limit"], databases.limit("owned")) == ("foreign", 0, 0)


def test_a_mark_in_the_server_keeps_the_journal_from_opening(databases, owner, keeper, probe):
    link = probe(user=owner)
    ours = link.turn("owned", True, access="journal", limit=12)
    theirs = keeper.turn("owned", True, drain="other")
    refused = link.turn("owned", False, access="journal", mark=ours["mark"], in_journal=True)
    assert (refused["outcome"], refused["error"]["sqlstate"]) == ("failed", "55006")
    assert keeper.turn("owned", False, mark=theirs["mark"])["limit"] == 0
    opened = link.turn("owned", False, access="journal", mark=ours["mark"], in_journal=True)
    assert (opened["outcome"], databases.limit("owned")) == ("opened", 12)


# -- standby --------------------------------------------------------------------------------------------------------


def test_a_standby_reads_its_gates_and_turns_none(standby, probe):
    link = probe(on=standby, user=SUPERUSER)
    read = link.gates()
    assert read["in_recovery"] and "postgres" in read["gates"]
    failed = link.turn("postgres", True)
    assert failed["outcome"] == "failed" and "recovery" in failed["error"]["message"]
    assert link.gates()["gates"]["postgres"]["limit"] == -1
