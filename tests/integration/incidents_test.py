"""Known incidents, each played on a real server: what it does untreated, and what a rule makes of it.

Next to each of them a dump runs, and must go on. The blocked migration has a file of its own, blockers_test.py.
"""

from datetime import datetime, timedelta, timezone

import pytest

from support import shipped_policies
from support.session import ADMIN_SHUTDOWN, LOST, OK, QUERY_CANCELED, wait_until
from support.stage import UNBOUNDED, WATCHFUL, Stage, orders, outcome_of, stopped, succeeds
from support.statements import SLEEP
from support.throwaway import Throwaway


@pytest.fixture
def dump(stage):
    """A dump in the midst of its work, as pg_dump appears to the server."""
    made = stage.open("begin isolation level repeatable read read only", application_name="pg_dump")
    made.start("copy (select pg_sleep(600)) to stdout")
    wait_until(lambda: stage.row(made)["wait_event"] == "PgSleep")
    before = stage.row(made)
    yield made
    assert stage.is_as_before(made, before)


# -- connection slots, eaten by idle sessions of one service --------------------------------------------------------

KEPT, OTHERS, SLOTS = 4, 2, 22
TOO_MANY = "too-many-connections-of-one-service"
CONTROL = """
- name: control
  match: { application_name: control, state: idle, state_age: 500ms }
  escalate: [terminate]
"""


@pytest.fixture
def small(daemon):
    """A stage on a server with 22 unreserved slots."""
    with Throwaway([f"max_connections = {SLOTS + 3}", "superuser_reserved_connections = 3"]) as server:
        server.make_watchdog_role()
        for role in ("app", "worker", "worker_batch"):
            server.make_role(role)
        made = Stage(server, daemon)
        yield made
        made.close()


def gets_in(stage):
    try:
        return succeeds(stage.open(application_name="newcomer"))
    except ConnectionError:
        return False


def test_idle_sessions_of_one_service_make_room_again_when_slots_run_out_and_only_then(small):
    daemon = small.enforce(shipped_policies.rules_of(TOO_MANY, ("keep: 20", f"keep: {KEPT}")) + CONTROL)
    shop = [small.open("select 1", user="worker") for _ in range(KEPT + 4)]
    others = [small.open("select 1", user="worker_batch") for _ in range(OTHERS)]
    # As long as there is room, no session is ended, however long it is idle.
    assert small.is_gone(small.open("select 1", application_name="control"))
    assert daemon.all("intent", rule=TOO_MANY) == []

    before = [small.row(session) for session in shop]
    refused = None
    with stopped(daemon.pid):  # or it makes room as fast as a slow machine fills it
        while refused is None:
            try:
                shop.append(small.open("select 1", user="worker"))
            except ConnectionError as error:
                refused = str(error)
    # Untreated: no client gets in any more.
    assert "remaining connection slots are reserved" in refused or "sorry, too many clients" in refused

    wait_until(lambda: any(event["effect"] == "ended" for event in daemon.all("verified", rule=TOO_MANY)))
    # The server shows that a session has ended a moment before its slot is free.
    wait_until(lambda: gets_in(small))
    assert small.is_gone(shop[0]) and before[0] is not None  # the oldest goes first
    assert all(small.row(session) is not None for session in shop[-KEPT:])
    assert all(succeeds(session) for session in others)
    ended = {event["pid"] for event in daemon.all("intent", rule=TOO_MANY)}
    assert ended <= {session.pid for session in shop[:-KEPT]}


# -- an analyst's join on the primary in office hours ---------------------------------------------------------------


def hours(begin, end):
    """A window in UTC from and to this many minutes from now; it may cross midnight."""
    now = datetime.now(timezone.utc)
    start, stop = now + timedelta(minutes=begin), now + timedelta(minutes=end)
    return f'{{ from: "{start:%H:%M}", to: "{stop:%H:%M}", timezone: UTC }}'


OFFICE = 'during: { days: [mon-fri], from: "08:00", to: "18:00", timezone: Europe/Vienna }'
ANYBODY = """
- name: control
  match: { user: app, state: active, query_age: 700ms }
  escalate: [cancel]
"""
# What comes after a cancel that has no effect: on a slow machine the effect takes its time.
AT_LEISURE = ("after: 30s", "after: 2h")
NOW = (-60, 60)
LATER = (120, 180)


@pytest.mark.parametrize("key, window, is_ended", [("during", NOW, True), ("during", LATER, False),
                                                   ("not_during", NOW, False), ("not_during", LATER, True)])
def test_a_report_is_ended_while_the_office_is_open_and_left_alone_while_it_is_not(stage, dump, key, window, is_ended):
    stage.server.make_role("analyst")
    report = stage.running("select count(*), pg_sleep(600) from pg_class a, pg_class b", user="analyst")
    before = stage.row(report)
    rules = shipped_policies.rules_of("reports-in-office-hours", (OFFICE, f"{key}: {hours(*window)}"), AT_LEISURE)
    daemon = stage.enforce(rules + ANYBODY)
    control = stage.running()
    if is_ended:
        assert report.outcome() == QUERY_CANCELED
    assert control.outcome() == QUERY_CANCELED
    assert orders(daemon, report) == (["cancel"] if is_ended else [])
    assert is_ended or stage.is_as_before(report, before)
    assert orders(daemon, dump) == []


# -- a client that sends the cancelled query again for ever ---------------------------------------------------------


def insist(session, times):
    """What a client sees that sends its report again whenever that is cancelled."""
    seen = []
    while len(seen) < times:
        seen.append(session.run(SLEEP))
        if seen[-1] != QUERY_CANCELED:
            break
    return seen


def test_a_client_that_sends_the_cancelled_report_again_for_ever_loses_its_connection(stage, dump):
    stage.server.make_role("report_month")
    # Untreated, with a statement_timeout: it is at it for ever.
    assert insist(stage.open("set statement_timeout = '100ms'"), 8) == [QUERY_CANCELED] * 8
    # An hour of the file's is two seconds here; a day is long enough for a busy machine.
    daemon = stage.enforce(shipped_policies.rules_of("retrying-clients", ("within: 1h", "within: 1d"), AT_LEISURE) + ANYBODY)
    client = stage.open(user="report_month")
    seen = insist(client, 8)
    assert seen[:-1] == [QUERY_CANCELED] * 2
    assert seen[-1] in (ADMIN_SHUTDOWN, LOST)
    assert orders(daemon, client) == ["cancel"] * 2 + ["terminate"]
    assert stage.running().outcome() == QUERY_CANCELED
    assert orders(daemon, dump) == []


def test_another_application_has_a_count_of_its_own(stage):
    daemon = stage.enforce("""
- name: retrying
  match: { application_name: "APP*", state: active, query_age: 200ms }
  repeat: { times: 3, within: 10min, per: application_name, then: terminate }
  escalate: [cancel]
""")
    one, other = stage.open(), stage.open(application_name=f"{stage.app}-other")
    assert insist(one, 2) == [QUERY_CANCELED] * 2
    assert insist(other, 2) == [QUERY_CANCELED] * 2
    assert insist(one, 1) == [QUERY_CANCELED]
    assert insist(one, 1)[0] in (ADMIN_SHUTDOWN, LOST)
    assert orders(daemon, other) == ["cancel"] * 2


# -- bloat ----------------------------------------------------------------------------------------------------------


def test_a_forgotten_transaction_that_holds_back_vacuum_is_ended_for_the_transactions_since(stage):
    # A database of its own: a statement that another test left running in its own holds back vacuum as well.
    stage.server.execute("drop database if exists bloat")
    stage.server.execute("create database bloat")
    forgotten = stage.open("begin isolation level repeatable read", "select 1", dbname="bloat")
    harmless = stage.forgotten(dbname="bloat")  # holds no snapshot between its statements
    before = stage.row(harmless)
    stage.server.execute("create table bloated as select generate_series(1, 50)", dbname="bloat")
    stage.server.execute("delete from bloated", dbname="bloat")

    def is_held_back():
        # What vacuum has freed, the next row takes; that it also gives the page back is not certain.
        stage.server.execute("vacuum bloated", dbname="bloat")
        taken = stage.server.execute("insert into bloated values (0) returning ctid::text", dbname="bloat")
        return taken != [("(0,1)",)]

    # Untreated: what was deleted since then stays, however often it is vacuumed.
    assert is_held_back() and is_held_back()
    rules = shipped_policies.rules_of("bloat-and-wraparound", ("xmin_age: 50M", "xmin_age: 30"))
    daemon = stage.enforce(rules + WATCHFUL)
    stage.wait_until_seen(daemon)
    assert orders(daemon, forgotten) == []
    for _ in range(40):
        stage.superuser.execute("select txid_current()")
    young = stage.open("begin isolation level repeatable read", "select 1", dbname="bloat")
    assert stage.is_gone(forgotten)
    assert orders(daemon, forgotten) == ["alert", "terminate"]
    assert daemon.all("intent", pid=forgotten.pid)[0]["xmin_age"] >= 30
    assert stage.is_as_before(harmless, before)
    assert succeeds(young)
    assert {event["pid"] for event in daemon.all("intent")} == {forgotten.pid}
    young.close()
    wait_until(lambda: not is_held_back(), every=0.05)


# -- which server it is ---------------------------------------------------------------------------------------------


def test_a_rule_for_the_primary_does_nothing_on_the_standby_and_the_other_way_round(stage, standby_stage):
    stages = {"primary": stage, "standby": standby_stage}
    rules = "".join(f"""
- name: on-the-{role}
  when: {{ role: {role} }}
  match: {{ application_name: for-the-{role}, state: active, query_age: 400ms }}
  escalate: [cancel]
""" for role in stages)
    spared = [made.running(application_name=f"for-the-{other}")
              for made, other in ((stage, "standby"), (standby_stage, "primary"))]
    servers = {role: made.server.conninfo(user="pgcurfew") for role, made in stages.items()}
    daemon = stage.enforce(rules, servers=servers)
    for server in servers:
        daemon.wait_for("server_up", server=server)
    for role, made in stages.items():
        assert made.running(application_name=f"for-the-{role}").outcome() == QUERY_CANCELED
    assert {event["pid"] for event in daemon.all("intent")}.isdisjoint({session.pid for session in spared})
    for made, session in zip(stages.values(), spared):
        assert made.row(session)["state"] == "active"


def test_a_rule_for_some_servers_does_nothing_on_the_others(stage, standby_stage):
    servers = {"orders": stage.server.conninfo(user="pgcurfew"), "archive": standby_stage.server.conninfo(user="pgcurfew")}
    daemon = stage.enforce("""
- { name: here, servers: ["ord*"], match: { application_name: "cast-*", query_age: 400ms, state: active },
    escalate: [cancel] }
- { name: there, servers: [archive], match: { application_name: "cast-*", query_age: 900ms, state: active },
    escalate: [alert] }
""", servers=servers)
    for server in servers:
        daemon.wait_for("server_up", server=server)
    elsewhere = standby_stage.running()
    assert stage.running().outcome() == QUERY_CANCELED
    daemon.wait_for("outcome", pid=elsewhere.pid, rule="there")
    assert standby_stage.row(elsewhere)["state"] == "active"
    assert {(event["server"], event["rule"]) for event in daemon.all("intent")} == {("orders", "here"),
                                                                                   ("archive", "there")}


# -- protected by default -------------------------------------------------------------------------------------------

HARSH = """
- { name: busy, match: { user: app, state: active, query_age: 400ms }, escalate: [cancel] }
- { name: idle, match: { user: app, state: idle, state_age: 400ms }, escalate: [terminate] }
"""


def dumping(stage):
    return stage.running(application_name="pg_dump")


def backing_up(stage):
    return stage.running(application_name="pgBackRest [backup]")


def agent(stage):
    return stage.open("select 1", application_name="Patroni heartbeat")


def listening(stage):
    return stage.open("listen news")


def indexing(stage):
    """CREATE INDEX CONCURRENTLY, held up by a transaction that is older than it."""
    stage.server.execute("drop schema if exists own cascade; create schema own authorization app")
    stage.server.execute("create table own.indexed (n int); alter table own.indexed owner to app")
    stage.open("begin", "lock table own.indexed in row exclusive mode", user="postgres")
    return stage.waiting("create index concurrently on own.indexed (n)", "virtualxid")


def committing(stage):
    stage.server.execute("create table if not exists replicated (n int); grant all on replicated to app")
    made = stage.open("set synchronous_commit = on")
    made.start("insert into replicated values (1)")
    wait_until(lambda: stage.row(made)["wait_event"] == "SyncRep")
    return made


PROTECTED = {"dumps": dumping, "backups": backing_up, "agents": agent, "listeners": listening,
             "concurrent-index": indexing, "sync-rep": committing}


@pytest.mark.parametrize("name", PROTECTED)
def test_who_is_protected_by_default_is_left_alone_by_the_harshest_of_rules(stage, name):
    sacred = PROTECTED[name](stage)
    before = stage.row(sacred)
    daemon = stage.enforce(HARSH)
    assert stage.running().outcome() == QUERY_CANCELED
    assert stage.is_gone(stage.open("select 1"))
    assert orders(daemon, sacred) == []
    assert stage.is_as_before(sacred, before)


@pytest.mark.parametrize("options", ["concurrently false", "verbose /* concurrently */"])
def test_who_only_looks_like_a_concurrent_index_is_not_protected(stage, options):
    if "false" in options and stage.server.version < 14:
        pytest.skip("there is no such option")
    stage.server.execute("drop schema if exists own cascade; create schema own authorization app")
    stage.server.execute("create table own.mine (n int); alter table own.mine owner to app")
    wolf = stage.open()
    wolf.start(f"reindex ({options}) table own.mine; select pg_sleep(600)")
    wait_until(lambda: stage.row(wolf)["wait_event"] == "PgSleep")
    stage.enforce(HARSH)
    assert wolf.outcome() == QUERY_CANCELED


@pytest.mark.parametrize("name", PROTECTED)
def test_a_protection_that_is_switched_off_by_name_protects_nobody(stage, name):
    profane = PROTECTED[name](stage)
    is_idle = stage.row(profane)["state"] == "idle"
    daemon = stage.enforce(HARSH, more=f"{UNBOUNDED}\nunprotect: [{name}]")
    assert outcome_of(daemon, profane)["outcome"] == "signalled"
    assert orders(daemon, profane)[:1] == (["terminate"] if is_idle else ["cancel"])
    if is_idle:
        assert stage.is_gone(profane)
    else:
        # a commit that is cancelled while it waits for a standby is committed all the same
        assert profane.outcome() == (OK if name == "sync-rep" else QUERY_CANCELED)


# -- all of it at once ----------------------------------------------------------------------------------------------


def test_a_dump_runs_to_its_end_next_to_all_of_the_ready_policies(stage):
    stage.server.execute("drop table if exists precious; create table precious as select 1 as n")
    stage.server.execute("alter table precious owner to app")
    stage.server.make_role("migrator")
    stage.superuser.execute("select pg_advisory_lock(51)")
    dump = stage.open("begin isolation level repeatable read read only", "select * from precious",
                      application_name="pg_dump")
    # It waits for no session: it is the root blocker of those that wait for it.
    dump.start("do $$ begin while not pg_try_advisory_xact_lock(51) loop perform pg_sleep(0.02); end loop; end $$")
    wait_until(lambda: stage.row(dump)["wait_event"] == "PgSleep")
    before = stage.row(dump)
    migration = stage.open(user="postgres").start("alter table precious add m int")
    wait_until(lambda: stage.row(migration)["wait_event_type"] == "Lock")
    rewrites = {"blockers": [("blocks: 10,", "blocks: 1,")], "bloat-and-wraparound": [("400M", "5"), ("50M", "5")],
                "reports-in-office-hours": [(OFFICE, f"during: {hours(*NOW)}")],
                "nobody-holds-up-migrations": [("user: migrator, blocked_for", "user: postgres, blocked_for")],
                "application-query-timeout": [('database: [app, "app_*"]', "database: postgres")]}
    daemon = stage.enforce("".join(shipped_policies.rules_of(name, *rewrites.get(name, []))
                                   for name in shipped_policies.names() if "\nrules:" in shipped_policies.text_of(name)))
    # A client that does the same under another name is ended, more than once and in more than one way.
    impostor = stage.open("begin isolation level repeatable read read only", "select * from pg_class",
                          application_name="psql")
    for _ in range(20):
        stage.superuser.execute("select txid_current()")
    assert stage.is_gone(impostor)
    assert stage.running().outcome() in (QUERY_CANCELED, ADMIN_SHUTDOWN)
    assert orders(daemon, dump) == []
    assert stage.is_as_before(dump, before)
    stage.superuser.execute("select pg_advisory_unlock(51)")
    assert dump.outcome() == OK
    assert dump.run("commit") == OK
    assert migration.outcome() == OK


def test_an_idle_session_beyond_the_kept_ones_goes_whichever_end_is_asked_for(stage):
    pool = [stage.open("select 1") for _ in range(5)]
    stage.wait_until_older(pool[-1], "state_change", 0.5)
    daemon = stage.enforce("""
- name: pool
  match: { application_name: APP, state: idle, session_age: 400ms }
  keep: 3
  victims: newest
  escalate: [terminate]
""")
    assert stage.is_gone(pool[3]) and stage.is_gone(pool[4])
    assert all(succeeds(session) for session in pool[:3])
    for session in pool[3:]:
        outcome_of(daemon, session, outcome="signalled")
    assert {event["pid"] for event in daemon.all("intent")} == {pool[3].pid, pool[4].pid}


def test_a_group_that_is_too_large_goes_as_a_whole_if_that_is_asked_for(stage):
    crowd = [stage.open("select 1") for _ in range(4)]
    few = [stage.open("select 1", application_name=f"{stage.app}-few") for _ in range(3)]
    stage.wait_until_older(few[-1], "state_change", 0.5)
    daemon = stage.enforce("""
- name: crowds
  match: { application_name: "APP*", state: idle, session_age: 400ms }
  per: application_name
  keep: 3
  victims: all
  escalate: [terminate]
""")
    assert all(stage.is_gone(session) for session in crowd)
    assert all(succeeds(session) for session in few)
    assert {event["pid"] for event in daemon.all("intent")} == {session.pid for session in crowd}
