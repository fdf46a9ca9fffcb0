"""A gate that pgcurfew keeps closed shows in all its voices, whoever closed it."""

import re

from support import record
from support.session import PATIENCE_S, wait_until
from support.stage import WATCHFUL

# of the drain: much longer than the test takes
FOR_S = 900


def test_a_gate_that_was_closed_by_hand_shows_wherever_pgcurfew_shows_anything(stage, web, orders, by_hand, command,
                                                                               tmp_path):
    closing = by_hand("drain", orders.name, "--for", f"{FOR_S}s", "--wait", "0s", "--grace", "200ms", "--exit-when-empty")
    assert closing.wait(PATIENCE_S) == 0, closing.stdout.read()
    # read at the start, then once a minute
    stage.enforce(WATCHFUL, more=web.policy).wait_for("web_listening")
    (gate,) = wait_until(lambda: web.status()["servers"][0]["gates"])
    assert (gate["database"], gate["gate"]) == (orders.name, "connection-limit")
    assert gate["by"] and 0 < gate["until_in_s"] <= FOR_S
    assert web.sample("pgcurfew_closed_gates", server="stage") == 1
    assert "<h3>Closed gates</h3>" in web.ask("/").text
    said = command("status", "--listen", web.listen).stdout
    assert re.search(rf"^  gate     of database {orders.name} is closed for drain \S+, by \S+, since \S+, until \S+$", said, re.M)
    config = tmp_path / "pgcurfew.yaml"
    assert f"  database {orders.name}: its gate is closed for drain " in command("check", "--server", config).stdout
    assert by_hand("reopen", orders.name).wait(PATIENCE_S) == 0
    listed = command("history", "--directory", tmp_path, "--gates", "--database", orders.name).stdout.splitlines()
    # whoever comes later finds it closed
    turned = [line.split() for line in listed[1:] if "gate_found" not in line]
    assert [re.search(r"gate_\w+", " ".join(words))[0] for words in turned] == ["gate_closed", "gate_opened"]
    assert command("history", "--directory", tmp_path, "--gates", "--database", "nosuch").stdout.startswith("no gate was turned")
    closed = next(event["decision"] for event in record.lines(tmp_path) if event["event"] == "gate_closed")
    opened = next(event["decision"] for event in record.lines(tmp_path) if event["event"] == "gate_opened")
    assert [words[-1] for words in turned] == [closed, opened]
    stories = [command("history", "--directory", tmp_path, "--decision", one).stdout for one in (closed, opened)]
    assert stories[0] == stories[1] and "closed the gate of database" in stories[0] and "opened the gate of" in stories[0]
