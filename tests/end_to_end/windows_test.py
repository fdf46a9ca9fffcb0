"""`pgcurfew windows`: when rules that have hours are open and drains come next, held against Python's own reading of time zones."""

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


def local_text(local):
    """With seconds where there are any."""
    return f"{local:%a %Y-%m-%d %H:%M:%S %Z}" if local.second else f"{local:%a %Y-%m-%d %H:%M %Z}"


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
    before = datetime.now(timezone.utc).replace(microsecond=0)
    rule, = stretches(windows(hours, arguments=["--json", "--next", "400"]))
    after = datetime.now(timezone.utc)
    assert rule["rule"] == "r1" and rule["timezone"] == "Europe/Vienna"
    said = [(moment(s["start"]), moment(s["end"]) if s["end"] else None) for s in rule["open"]]
    if rule["open_now"]:
        assert before <= said[0][0] <= after
    if start == end:
        assert said[0][1] is None and len(said) == 1  # each day's goes over into the next
        assert rule["open_now"]
        return
    assert len(said) == 400
    # Its now lies between ours; and one that is open by then begins with that now.
    now = said[0][0] if rule["open_now"] else after
    wanted = expected(now, numbers, start, end, 400)
    if not rule["open_now"] and wanted[0][0] == after:
        wanted = expected(before, numbers, start, end, 400)  # it has opened since
    assert said == wanted
    for stretch in rule["open"]:
        local = moment(stretch["start"]).astimezone(VIENNA)
        assert stretch["start_local"] == local_text(local)


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
    assert (done.returncode, done.stdout, done.stderr) == (0, "no rule has hours: each is in force all the time; there are no drains\n", "")
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


# -- drains -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def drain_windows(command, tmp_path):
    """Runs `pgcurfew windows` on one drain of an hour, in Vienna, that begins so."""

    def run(begins, *arguments):
        path = tmp_path / "drains.yaml"
        path.write_text(f"drains: [ {{ name: d, databases: a, {begins}, timezone: Europe/Vienna, duration: 1h }} ]\n",
                        encoding="utf-8")
        return command("windows", "--config", path, *arguments)

    return run


def next_beginnings(now, fits, begin, count):
    """The next moments at `begin` in Vienna on days that fit, in UTC, the one that is under way included."""
    found = []
    day = now.astimezone(VIENNA).date() - timedelta(days=2)
    while len(found) < count:
        start = datetime.combine(day, begin, VIENNA).astimezone(timezone.utc)
        if start.astimezone(VIENNA).time() != begin:  # in a gap: right after it
            start = datetime.combine(day, time(begin.hour + 1), VIENNA).astimezone(timezone.utc)
        if fits(day) and start + timedelta(hours=1) > now:
            found.append(start)
        day += timedelta(days=1)
    return found


@pytest.mark.parametrize("schedule, fits, begin", [
    ("30 2 * * *", lambda day: True, time(2, 30)),
    ("0 3 * * sun", lambda day: day.weekday() == 6, time(3)),
    ("15 22 1,15 * *", lambda day: day.day in (1, 15), time(22, 15)),
    ("0 5 13 * 5", lambda day: day.day == 13 or day.weekday() == 4, time(5)),
], ids=["daily", "sundays", "days-of-the-month", "either-day"])
def test_the_next_windows_of_a_drain_are_those_of_another_reading_of_cron(drain_windows, schedule, fits, begin):
    before = datetime.now(timezone.utc)
    drain, = stretches(drain_windows(f'schedule: "{schedule}"', "--json", "--next", "400"))
    after = datetime.now(timezone.utc)
    assert (drain["drain"], drain["timezone"], drain["past"]) == ("d", "Europe/Vienna", None)
    said = [moment(window["start"]) for window in drain["windows"]]
    # one may have ended meanwhile
    assert said in (next_beginnings(before, fits, begin, 400), next_beginnings(after, fits, begin, 400))
    assert all(moment(window["end"]) - moment(window["start"]) == timedelta(hours=1) for window in drain["windows"])
    assert drain["under_way"] in (said[0] <= before, said[0] <= after)
    for window in drain["windows"]:
        local = moment(window["start"]).astimezone(VIENNA)
        assert window["start_local"] == local_text(local)


def test_the_windows_of_a_drain_are_told_in_words(drain_windows):
    done = drain_windows("schedule: 0 3 * * sun", "--next", "3")
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head == "drain d (Europe/Vienna)" and len(lines) == 3
    form = re.compile(r"  Sun \d{4}-\d\d-\d\d 03:00 CES?T +- Sun \d{4}-\d\d-\d\d 04:00 CES?T  "
                      r"(in \S.*, for 1h|under way, for another \S.*)")
    assert all(form.fullmatch(line) for line in lines), lines


def test_a_drain_that_is_under_way_says_for_how_long(drain_windows):
    began = datetime.now(timezone.utc) - timedelta(minutes=10)
    begins = f"at: {began.astimezone(VIENNA):%Y-%m-%d %H:%M}"
    if abs(datetime.strptime(begins, "at: %Y-%m-%d %H:%M").replace(tzinfo=VIENNA) - began) > timedelta(minutes=1):
        pytest.skip("clocks in Vienna were set back just now")
    began = began.replace(second=0, microsecond=0)

    def ago():
        return (datetime.now(timezone.utc) - began).total_seconds()

    before = ago()
    said = drain_windows(begins).stdout
    after = ago()
    told = re.search(r"  under way, for another (\d+)min(?: (\d+)s)?$", said, re.MULTILINE)
    assert told, said
    # to the second, rounded
    assert 3600 - after - 1 < int(told[1]) * 60 + int(told[2] or 0) < 3600 - before + 1, said
    before = ago()
    drain, = stretches(drain_windows(begins, "--json"))
    assert drain["under_way"] and len(drain["windows"]) == 1
    assert -ago() - 1 < drain["windows"][0]["begins_in_s"] < -before + 1


def test_a_drain_that_does_not_come_again_says_so(drain_windows):
    done = drain_windows("at: 2020-12-01 02:00")
    assert done.stdout == "drain d (Europe/Vienna)\n  past: it began Tue 2020-12-01 02:00 CET, and does not run again\n"
    drain, = stretches(drain_windows("at: 2020-12-01 02:00", "--json"))
    assert drain["windows"] == [] and not drain["under_way"]
    assert (drain["past"]["start"], drain["past"]["end"]) == ("2020-12-01T01:00:00Z", "2020-12-01T02:00:00Z")


def test_a_drain_that_comes_once_has_one_window(drain_windows):
    drain, = stretches(drain_windows("at: 2999-12-01 02:00", "--json", "--next", "100"))
    assert [window["start"] for window in drain["windows"]] == ["2999-12-01T01:00:00Z"]


@pytest.mark.parametrize("name", ["windows", "check", "run"])
def test_drains_that_overlap_within_a_year_end_with_78(command, tmp_path, name):
    path = tmp_path / "drains.yaml"
    text = "servers: [ { name: s, conninfo: host=/nowhere } ]\ndrains:\n" + "".join(
        f'- {{ name: d{minute}, databases: a, schedule: "{minute} 2 1 1 *", timezone: UTC, duration: 1h }}\n'
        for minute in ("0", "30"))
    path.write_text(text, encoding="utf-8")
    done = command(name, "--config", path)
    # a daemon logs it
    told, other = (done.stdout, done.stderr) if name == "run" else (done.stderr, done.stdout)
    assert (done.returncode, other) == (78, ""), done
    assert 'drains "d0" and "d30" overlap: both empty database a on server s at ' in told.replace('\\"', '"')
