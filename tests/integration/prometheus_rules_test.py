"""The alerts that are shipped for Prometheus: each fires for what it is for, and none for a healthy pgcurfew."""

import copy
import json
import re
import subprocess

import pytest
import yaml

from support.throwaway import REPOSITORY

RULES = REPOSITORY / "packaging" / "prometheus" / "pgcurfew.rules.yml"
DASHBOARD = REPOSITORY / "packaging" / "grafana" / "pgcurfew.json"

ALERTS = {rule["alert"]: rule for rule in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"][0]["rules"]}

# A healthy pgcurfew: each series and its values, one a minute.
HEALTHY = {
    "up": "1x300",
    'pgcurfew_server_up{server="s"}': "1x300",
    'pgcurfew_last_look_age_seconds{server="s"}': "1x300",
    'pgcurfew_last_look_age_bound_seconds{server="s"}': "20x300",
    'pgcurfew_holds_still{server="s"}': "0x300",
    'pgcurfew_privilege{server="s",privilege="pg_signal_backend"}': "1x300",
    'pgcurfew_breaker_open{server="s",mode="enforce",scope="tenant"}': "0x300",
    'pgcurfew_events_total{event="unkillable"}': "3x300",
    'pgcurfew_orders_total{server="s",rule="r",mode="enforce",step="cancel",outcome="denied"}': "2x300",
    'pgcurfew_orders_total{server="s",rule="r",mode="enforce",step="cancel",outcome="signalled"}': "0+1x300",
    "pgcurfew_record_writable": "1x300",
    "pgcurfew_record_lost_events_total": "5x300",
    'pgcurfew_audit_working{place="journald"}': "1x300",
    'pgcurfew_audit_lost_events_total{place="journald"}': "2x300",
    "pgcurfew_config_last_reload_successful": "1x300",
    'pgcurfew_closed_gates{server="s"}': "0x300",
    "pgcurfew_web_failing": "0x300",
    "pgcurfew_loop_age_seconds": "0x300",
}

# What makes each alert fire, alone: other values of some series.
SICK = {
    "PgcurfewDown": {"up": "0x300"},
    "PgcurfewServerDown": {'pgcurfew_server_up{server="s"}': "0x300"},
    "PgcurfewBlind": {'pgcurfew_last_look_age_seconds{server="s"}': "21x300"},
    "PgcurfewHoldsStill": {'pgcurfew_holds_still{server="s"}': "1x300"},
    "PgcurfewPrivilegeMissing": {'pgcurfew_privilege{server="s",privilege="pg_signal_backend"}': "0x300"},
    "PgcurfewBreakerOpen": {'pgcurfew_breaker_open{server="s",mode="enforce",scope="tenant"}': "2x300"},
    "PgcurfewUnkillable": {'pgcurfew_events_total{event="unkillable"}': "0+1x300"},
    "PgcurfewSignalsFail": {
        'pgcurfew_orders_total{server="s",rule="r",mode="enforce",step="cancel",outcome="denied"}': "0+1x300"},
    "PgcurfewRecordFails": {"pgcurfew_record_writable": "0x300"},
    "PgcurfewAuditFails": {'pgcurfew_audit_working{place="journald"}': "0x300"},
    "PgcurfewAuditLost": {'pgcurfew_audit_lost_events_total{place="journald"}': "2x260 4x39"},
    "PgcurfewReloadRefused": {"pgcurfew_config_last_reload_successful": "0x300"},
    "PgcurfewGateClosedLong": {'pgcurfew_closed_gates{server="s"}': "1x300"},
    "PgcurfewWebFailing": {"pgcurfew_web_failing": "1x300"},
    "PgcurfewLoopHangs": {"pgcurfew_loop_age_seconds": "60x300"},
}


def series(name):
    family, _, labels = name.partition("{")
    return f'{family}{{job="pgcurfew",instance="a"{"," if labels else ""}{labels or "}"}'


def fires(tmp_path, changes):
    """The alerts that fire after four and a half hours."""
    found = set()
    values = {**HEALTHY, **changes}
    # promtool says what fires only where it differs from what was expected: nothing is
    test = {"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [{
        "interval": "1m", "input_series": [{"series": series(name), "values": value} for name, value in values.items()],
        "alert_rule_test": [{"eval_time": "270m", "alertname": name, "exp_alerts": []} for name in ALERTS]}]}
    path = tmp_path / "test.yml"
    path.write_text(yaml.safe_dump(test), encoding="utf-8")
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, text=True, timeout=60)
    found.update(re.findall(r"alertname: ?(\w+)", done.stdout + done.stderr))
    assert (done.returncode == 0) == (not found), done.stdout + done.stderr
    return found


def test_promtool_takes_the_rules():
    done = subprocess.run(["promtool", "check", "rules", RULES], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_healthy_pgcurfew_fires_nothing(tmp_path):
    assert fires(tmp_path, {}) == set()


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_fires_for_what_it_is_for_and_alone(tmp_path, alert):
    assert fires(tmp_path, copy.copy(SICK[alert])) == {alert}


def test_the_metrics_that_alerts_and_dashboard_name_are_served(stage, tmp_path):
    from support.stage import WATCHFUL
    from support.web import Web, free_port

    web = Web(free_port())
    drains = 'drains: [ { name: d, databases: x, schedule: "0 2 * * *", timezone: UTC, duration: 45min, gate: none } ]'
    audit = f"audit: [ file: {{ path: {tmp_path}/events.json }} ]"
    stage.enforce(WATCHFUL, more=f"{web.policy}\n{drains}\n{audit}").wait_for("web_listening")
    served = {name.partition("{")[0] for name in web.metrics()}
    dashboard = DASHBOARD.read_text(encoding="utf-8")
    json.loads(dashboard)
    for text in (RULES.read_text(encoding="utf-8"), dashboard):
        named = set(re.findall(r"\b(?:pgcurfew|process)_[a-z_]+", text)) - {"pgcurfew_events"}
        assert len(named) > 5
        assert named <= served
