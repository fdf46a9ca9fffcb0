"""A connection pooler between the daemon and the server is found out and refused: what it shows is not the server's."""

import pytest

from support.pgbouncer import PgBouncer
from support.session import QUERY_CANCELED
from support.stage import outcome_of

RULE = """
- name: limit
  match: { application_name: APP, state: active, query_age: 400ms }
  escalate: [cancel]
"""


@pytest.fixture(params=["session", "transaction"])
def pooler(request, server):
    """The conninfo of PgBouncer before the server."""
    made = PgBouncer(server, request.param, request.param)
    yield made.conninfo(user="pgcurfew")
    made.stop()


def test_a_pooler_is_refused_with_a_hint_and_the_server_itself_is_watched(stage, pooler):
    daemon = stage.start(RULE, servers={"pooled": pooler,
                                        "direct": stage.server.conninfo(user="pgcurfew")})
    down = daemon.wait_for("server_down", server="pooled")
    assert "pooler" in down["error"] + down["hint"]
    assert "the server itself" in down["hint"]
    session = stage.running()
    assert session.outcome() == QUERY_CANCELED
    assert outcome_of(daemon, session)["server"] == "direct"
    assert daemon.all("server_up", server="pooled") == []
