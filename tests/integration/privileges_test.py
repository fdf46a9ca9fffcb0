"""What it lacks, it says: in the log, in the status line, and in `explain`'s exit status."""

import time

import pytest

from support.session import QUERY_CANCELED, wait_until
from support.stage import UNBOUNDED, orders, outcome_of, outcomes, succeeds

CANCEL = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel]
"""


@pytest.fixture
def role(server):
    """Makes roles for the daemon with some of its grants."""
    made = []

    def make(name, *grants, options=""):
        server.execute(f"create role {name} login {options}")
        made.append(name)
        for grant in grants:
            server.execute(f"grant {grant} to {name}")
        return name

    yield make
    for name in made:
        server.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s", [name])
        server.execute(f"drop role {name}")


def told_as_missing(daemon):
    return [event["privilege"] for event in daemon.all("privilege_missing")]


def test_without_pg_read_all_stats_it_says_that_it_is_blind(stage, role, notify_socket):
    hidden = stage.running()
    daemon = stage.enforce(CANCEL, user=role("watches_blind", "pg_signal_backend"),
                           environment=notify_socket.environment())
    blind = daemon.wait_for("blind")
    assert blind["hidden"] >= 1 and blind["level"] == "ERROR"
    assert "pg_read_all_stats" in blind["hint"]
    assert told_as_missing(daemon) == ["pg_read_all_stats"]
    notify_socket.wait_for(lambda m: "lacks pg_read_all_stats" in m.get("STATUS", ""))
    assert orders(daemon, hidden) == []


def test_without_pg_signal_backend_it_says_so_and_its_signals_are_denied(stage, role, notify_socket):
    session = stage.running()
    daemon = stage.enforce(CANCEL, user=role("watches_only", "pg_read_all_stats"),
                           environment=notify_socket.environment())
    assert outcome_of(daemon, session)["sqlstate"] == "42501"
    assert told_as_missing(daemon) == ["pg_signal_backend"]
    notify_socket.wait_for(lambda m: "lacks pg_signal_backend" in m.get("STATUS", ""))
    assert outcomes(daemon, session) == [("cancel", "denied")]


def test_a_role_that_does_not_inherit_its_grants_lacks_them(stage, role):
    daemon = stage.enforce(CANCEL, user=role("noinherit", "pg_read_all_stats", "pg_signal_backend",
                                             options="noinherit"))
    daemon.wait_for("blind")
    assert told_as_missing(daemon) == ["pg_read_all_stats", "pg_signal_backend"]


def test_what_is_granted_while_it_runs_works_after_a_reload(stage, role):
    name = role("learns", "pg_read_all_stats")

    def is_in_time():
        session = stage.running()
        daemon = stage.enforce(CANCEL, user=name)
        assert outcome_of(daemon, session)["outcome"] == "denied"
        stage.server.execute(f"grant pg_signal_backend to {name}")
        granted = time.monotonic()
        daemon.reload()
        outcome_of(daemon, session, outcome="signalled")
        took = time.monotonic() - granted
        assert session.outcome() == QUERY_CANCELED
        daemon.stop()
        stage.server.execute(f"revoke pg_signal_backend from {name}")
        return took < 3

    # Without the reload it would come by itself, but half a minute later: each time, and a slow machine is so now and then.
    wait_until(is_in_time)


def test_with_the_grants_of_the_repository_nothing_is_missing(stage, notify_socket):
    session = stage.running()
    daemon = stage.enforce(CANCEL, environment=notify_socket.environment())
    assert session.outcome() == QUERY_CANCELED
    assert told_as_missing(daemon) == daemon.all("blind") == []
    assert not any("lacks" in status for status in notify_socket.statuses())


@pytest.mark.parametrize("grants, missing", [(["pg_read_all_stats"], "pg_signal_backend"),
                                             (["pg_signal_backend"], "pg_read_all_stats")])
def test_explain_ends_with_77_and_names_what_is_missing(stage, role, command, tmp_path, grants, missing):
    path = tmp_path / "pgcurfew.yaml"
    path.write_text(stage.policy(CANCEL, user=role("explains", *grants), more=UNBOUNDED))
    done = command("explain", "--config", path)
    assert done.returncode == 77
    assert f"role explains lacks {missing}\npgcurfew: hint: GRANT {missing} TO explains;" in done.stderr
    assert succeeds(stage.open())


# -- membership in the role of the session ----------------------------------------------------------------------------


@pytest.fixture
def member(role, server):
    """A role that may see everything, and is a member of `app` and of nothing else that could signal."""
    name = role("member_of_app", "pg_read_all_stats", "app")
    server.make_role("stranger")
    return name


@pytest.fixture
def ask(stage, command, tmp_path):
    def run(*arguments, user):
        path = tmp_path / "pgcurfew.yaml"
        path.write_text(stage.policy(CANCEL.replace("400ms", "1ms"), user=user))
        return command(*arguments, "--config", path)
    return run


def test_a_member_of_the_sessions_role_may_signal_it_and_says_nothing_else(stage, member, ask, notify_socket):
    session = stage.running()
    explained, checked = ask("explain", user=member), ask("check", "--server", user=member)
    assert (explained.returncode, checked.returncode) == (0, 0), explained.stderr + checked.stderr
    assert "deny" not in explained.stdout + checked.stdout
    assert "lacks" not in explained.stderr + checked.stderr
    daemon = stage.enforce(CANCEL, user=member, environment=notify_socket.environment())
    assert session.outcome() == QUERY_CANCELED
    assert told_as_missing(daemon) == []
    assert not any("lacks" in status for status in notify_socket.statuses())


def test_of_a_session_of_another_role_a_member_says_that_the_right_is_missing(stage, member, ask):
    stage.running(user="stranger")
    explained, checked = ask("explain", user=member), ask("check", "--server", user=member)
    assert (explained.returncode, checked.returncode) == (77, 77)
    assert "deny it: our role is a member of neither pg_signal_backend nor stranger\n" in explained.stdout
    assert "(1 of them the server will deny, because our role is a member of neither pg_signal_backend nor theirs)" in checked.stdout
    assert "role member_of_app lacks pg_signal_backend" in explained.stderr and "superuser" not in explained.stdout
    rehearsing = stage.enforce(CANCEL, user=member, mode="dry-run")
    denied = rehearsing.wait_for("outcome")
    assert (denied["outcome"], denied["detail"]) == (
        "denied", "Our role is a member of neither pg_signal_backend nor the session's role.")


def test_of_a_superusers_session_no_right_is_said_to_be_missing(stage, member, ask):
    stage.running(user="postgres")
    explained, checked = ask("explain", user=member), ask("check", "--server", user=member)
    assert (explained.returncode, checked.returncode) == (0, 0)
    assert "deny it: a superuser's session\n" in explained.stdout
    assert "(1 of them superusers', which the server will deny)" in checked.stdout
    rehearsing = stage.enforce(CANCEL, user=member, mode="dry-run")
    assert rehearsing.wait_for("outcome")["detail"] == "The session is a superuser's."
