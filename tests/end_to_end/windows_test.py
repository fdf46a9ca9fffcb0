"""`pgcurfew windows`: when rules that have hours are open next, held against Python's own reading of time zones."""

import json
import re
from datetime import datetime, time, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

VIENNA = ZoneInfo("Europe/Vienna")


@pytest.fixture
def windows(command, tmp_path):
    """Runs `pgcurfew windows` on rules with these hours."""

    def run(*hours, arguments=(), top=""):
        path = tmp_path / "rules.yaml"
        rules = "".join(f"  - name: r{number}\n    match: {{ user: app }}\n    escalate: [alert]\n    {line}\n"
                        for number, line in enumerate(hours, 1))
        path.write_text(f"{top}rules:\n{rules}", encoding="utf-8")
        return command("windows", "--config", path, *arguments)

    return run


def stretches(done):
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def moment(text):
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def expected(now, days, start, end, count):
    """The window's next stretches in Vienna, as (start, end) in UTC: the first may be open already."""
    found = []
    day = now.astimezone(VIENNA).date() - timedelta(days=2)
    while len(found) < count:
        if day.weekday() in days:
            last_day = day if end > start else day + timedelta(days=1)
            # what Python makes of a wall time that exists twice: the first for fold 0, the last for fold 1
            begin = datetime.combine(day, start, VIENNA).astimezone(timezone.utc)
            finish = datetime.combine(last_day, end.replace(fold=1), VIENNA).astimezone(timezone.utc)
            if finish > now:
                found.append((max(begin, now), finish))
        day += timedelta(days=1)
    return found


@pytest.mark.parametrize("days, numbers, start, end", [
    ("[mon-fri]", range(5), time(8), time(18)),
    ("[sat, sun]", (5, 6), time(22), time(6)),
    ("[mon-sun]", range(7), time(12), time(12)),
], ids=["office", "nights", "whole-days"])
def test_the_next_stretches_are_those_of_another_reading_of_the_time_zone(windows, days, numbers, start, end):
    hours = f'during: {{ days: {days}, from: "{start:%H:%M}", to: "{end:%H:%M}", timezone: Europe/Vienna }}'
    now = datetime.now(timezone.utc).replace(microsecond=0)
    rule, = stretches(windows(hours, arguments=["--json", "--next", "400"]))
    assert rule["rule"] == "r1" and rule["timezone"] == "Europe/Vienna"
    said = [(moment(s["start"]), moment(s["end"]) if s["end"] else None) for s in rule["open"]]
    wanted = expected(now, numbers, start, end, 400)
    if start == end:
        assert said[0][1] is None and len(said) == 1  # each day's goes over into the next
        assert rule["open_now"] and abs(said[0][0] - now) < timedelta(minutes=1)
        return
    assert len(said) == 400
    if rule["open_now"]:
        assert abs(said[0][0] - now) < timedelta(minutes=1)
        assert said[0][1] == wanted[0][1]
    assert said[1:] == wanted[1:]
    for stretch in rule["open"]:
        local = moment(stretch["start"]).astimezone(VIENNA)
        assert stretch["start_local"] == f"{local:%a %Y-%m-%d %H:%M %Z}"


def test_the_default_is_five_stretches_in_words(windows):
    done = windows('during: { days: [mon], from: "08:00", to: "18:00", timezone: Europe/Vienna }')
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head == "rule r1 (Europe/Vienna)"
    assert len(lines) == 5
    form = re.compile(r"  Mon \d{4}-\d\d-\d\d 08:00 CES?T +- Mon \d{4}-\d\d-\d\d 18:00 CES?T  in \S.*, for 10h")
    now = re.compile(r"  now +- Mon \d{4}-\d\d-\d\d 18:00 CES?T  open now, for another \S.*")
    assert all(form.fullmatch(line) for line in lines[1:]), lines
    assert form.fullmatch(lines[0]) or now.fullmatch(lines[0]), lines


def test_rules_without_hours_are_not_listed(windows):
    done = windows("description: x", 'not_during: { from: "08:00", to: "18:00", timezone: UTC }')
    assert done.returncode == 0
    assert done.stdout.startswith("rule r2 (UTC)\n") and "r1" not in done.stdout


def test_it_says_so_where_no_rule_has_hours(windows):
    done = windows("description: x")
    assert (done.returncode, done.stdout, done.stderr) == (0, "no rule has hours: each is in force all the time\n", "")
    assert stretches(windows("description: x", arguments=["--json"])) == []


def test_what_is_open_all_the_time_has_no_end(windows):
    done = windows("during: { days: [mon-sun], timezone: UTC }")
    assert done.stdout == "rule r1 (UTC)\n  open now, and does not close within a year\n"


def test_a_window_takes_the_time_zone_of_the_main_file(windows):
    done = windows('during: { from: "00:00", to: "12:00" }', arguments=["--json"],
                   top="timezone: Asia/Tokyo\nservers: [ { name: a, conninfo: host=db } ]\n")
    rule, = stretches(done)
    assert rule["timezone"] == "Asia/Tokyo"
    assert all(moment(s["end"]).time() == time(3) for s in rule["open"])


@pytest.mark.parametrize("arguments, said", [(["--next", "0"], "--next"), (["--next", "x"], "--next"),
                                             (["--next", "1001"], "--next"), (["--nxt"], "--nxt")])
def test_a_wrong_command_line_ends_with_64(windows, arguments, said):
    done = windows("description: x", arguments=arguments)
    assert (done.returncode, done.stdout) == (64, "") and said in done.stderr


def test_a_bad_file_ends_with_78(windows):
    done = windows("during: { days: [mon], timezone: Europe/Wien }")
    assert (done.returncode, done.stdout) == (78, "") and 'unknown time zone "Europe/Wien"' in done.stderr


def test_a_file_that_is_not_there_ends_with_78(command, tmp_path):
    done = command("windows", "--config", tmp_path / "none.yaml")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.startswith(f"{tmp_path / 'none.yaml'}: error: cannot read the file: No such file")


def test_the_rules_of_drop_ins_are_among_them(command, tmp_path):
    main = tmp_path / "pgcurfew.yaml"
    main.write_text("timezone: UTC\nservers: [ { name: a, conninfo: host=db } ]\n", encoding="utf-8")
    (tmp_path / "policies.d").mkdir()
    (tmp_path / "policies.d" / "night.yaml").write_text(
        'rules: [ { name: night, match: { user: a }, during: { to: "06:00" }, escalate: [alert] } ]\n', encoding="utf-8")
    done = command("windows", "--config", main, "--next", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("rule night (UTC)\n") and len(done.stdout.splitlines()) == 2
