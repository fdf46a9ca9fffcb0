"""Drains by hand on a real server: exit statuses, commands in the empty database, Ctrl-C, what is left behind."""

import signal

from support.orders import config_of
from support.session import wait_until

QUICK = ["--wait", "0s", "--grace", "200ms"]


def outcome_of(process, timeout=60):
    output = process.communicate(timeout=timeout)[0]
    return process.returncode, output


def test_by_hand_the_exit_status_tells_whether_it_was_empty_to_the_end(by_hand, orders):
    orders.open("begin", "select 1")
    status, output = outcome_of(by_hand("drain", orders.name, "--for", "3s", *QUICK))
    assert (status, orders.is_as_before()) == (0, True), output
    orders.open("begin", "select 1", application_name="pg_dump")
    status, output = outcome_of(by_hand("drain", orders.name, "--for", "30s", "--give-up", "2s", *QUICK))
    assert (status, orders.is_as_before()) == (75, True), output
    assert "protected: dumps" in output


def test_by_hand_a_command_runs_in_the_empty_database_and_its_status_is_ours(server, by_hand, orders):
    orders.open("begin", "select 1")
    alone = "select case when count(*) = 1 then 3 else 4 end from pg_stat_activity " \
            "where datname = current_database() and backend_type = 'client backend'"
    script = f"exit $(psql -XAtc \"{alone}\" '{server.conninfo(user='postgres', dbname=orders.name)}')"
    status, output = outcome_of(by_hand("drain", orders.name, "--for", "60s", *QUICK, "--", "sh", "-c", script))
    assert (status, orders.is_as_before()) == (3, True), output
    status, output = outcome_of(by_hand("drain", orders.name, "--for", "60s", *QUICK, "--", "/no/such/command"))
    assert (status, orders.is_as_before()) == (127, True), output


def test_by_hand_a_rehearsal_runs_no_command(by_hand, orders, tmp_path):
    ran = tmp_path / "ran"
    status, output = outcome_of(by_hand("drain", orders.name, "--for", "60s", "--dry-run", "--",
                                        "touch", str(ran)))
    assert not ran.exists(), output
    assert (status, orders.is_as_before()) == (0, True), output


def test_by_hand_a_rehearsal_that_only_the_file_asked_for_does_not_pass_for_an_empty_database(
        server, by_hand, orders, tmp_path):
    (tmp_path / "pgcurfew.yaml").write_text(config_of(server, "", mode="dry-run"))
    ran = tmp_path / "ran"
    status, output = outcome_of(by_hand("drain", orders.name, "--for", "60s", "--", "touch", str(ran)))
    assert not ran.exists(), output
    assert (status, orders.is_as_before()) == (75, True), output


def test_by_hand_ctrl_c_gives_the_database_back(by_hand, orders):
    started = by_hand("drain", orders.name, "--for", "60s", *QUICK)
    wait_until(lambda: orders.limit == 0)
    started.send_signal(signal.SIGINT)
    status, output = outcome_of(started)
    assert (status, orders.is_as_before()) == (130, True), output


def test_by_hand_it_can_be_left_closed_and_reopened(by_hand, orders):
    status, output = outcome_of(by_hand("drain", orders.name, "--for", "60s", "--exit-when-empty", *QUICK))
    assert (status, orders.limit) == (0, 0), output
    status, output = outcome_of(by_hand("reopen", orders.name))
    assert (status, orders.is_as_before()) == (0, True), output
    status, output = outcome_of(by_hand("reopen", orders.name))
    assert status == 66 and "bears no mark" in output


def test_by_hand_what_was_killed_is_given_back_by_reopen_and_by_a_daemon_that_knows_nothing_of_it(
        server, by_hand, orders, daemon):
    for is_by_daemon in (False, True):
        started = by_hand("drain", orders.name, "--for", "4s", *QUICK)
        wait_until(lambda: orders.limit == 0)
        started.kill()
        started.wait()
        if is_by_daemon:
            config = config_of(server, "rules: [ { name: r, match: { user: nobody, state: idle, state_age: 1h }, "
                                       "escalate: [terminate] } ]")
            found = daemon(config).wait_for("gate_found")
            assert found["database"] == orders.name
            wait_until(orders.is_as_before, timeout=20)
        else:
            assert outcome_of(by_hand("reopen"))[0] == 0
            assert orders.is_as_before()
