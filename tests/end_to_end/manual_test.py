"""The manual: its examples are taken by `check`, and its keys are those of the language, with the same defaults."""

import json
import re
import shutil
import subprocess

import pytest

from support.throwaway import REPOSITORY

PAGES = REPOSITORY / "packaging" / "man"
FILES = (PAGES / "pgcurfew.yaml.5.scd").read_text(encoding="utf-8")
LOG = (PAGES / "pgcurfew-log.5.scd").read_text(encoding="utf-8")
COMMANDS = (PAGES / "pgcurfew.8.scd").read_text(encoding="utf-8")
ROLLOUT = (PAGES / "pgcurfew-rollout.7.scd").read_text(encoding="utf-8")
ONCALL = (PAGES / "pgcurfew-oncall.7.scd").read_text(encoding="utf-8")

# Headings of the manual, and the mapping whose keys follow.
SECTIONS = {"MAIN FILE": None, "SERVERS": "server", "RULES": "rule", "MATCH": "match", "EXCEPTIONS": "except",
            "PROTECTION": "protect", "BLOCKERS": "blocks", "WHEN": "when", "HOURS": "window", "REPEAT": "repeat",
            "ESCALATION": "step", "DRAINS": "drain", "PGBOUNCER": "pgbouncer", "DRAIN EXCEPTIONS": "except_of_a_drain",
            "WAITING": "wait", "GIVING UP": "give_up", "SAFETY": "safety", "REPORT": "report", "RECORD": "record",
            "AUDIT": "entry_of_audit", "AUDIT FILE": "file", "AUDIT TABLE": "table", "WEB": "web",
            "WEB TLS": "tls", "WEB BASIC AUTH": "basic_auth"}
BUILT_IN = {"dumps", "backups", "agents", "sync-rep", "concurrent-index", "listeners"}


def examples(page):
    return re.findall(r"^```\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def section(page, heading):
    return re.search(rf"^# {re.escape(heading)}$(.*?)(?=^# |\Z)", page, re.MULTILINE | re.DOTALL)[1]


def entries(text):
    """Each key of a section with its text, as one line without markup."""
    found = {}
    for heads, body in re.findall(r"^(\*[^\n]*)\n((?:\t[^\n]*\n|Default: [^\n]*\n)+)", text, re.MULTILINE):
        plain = re.sub(r"\\(.)", r"\1", " ".join(body.split()).replace("++", ""))
        for key in re.findall(r"\*([^*]+)\*", heads):
            assert key not in found, f"{key} stands twice"
            found[key] = plain
    return found


@pytest.fixture(scope="module")
def schema(pgcurfew):
    return json.loads(subprocess.run([str(pgcurfew), "schema"], capture_output=True, check=True, timeout=60).stdout)


@pytest.mark.parametrize("number", range(len(examples(FILES))))
def test_each_example_is_taken(command, tmp_path, number):
    path = tmp_path / "example.yaml"
    path.write_text(examples(FILES)[number], encoding="utf-8")
    done = command("check", path)
    # this machine has none of the places that they name
    told = re.sub(r"^pgcurfew: warning: not possible now: .*\n(hint: .*\n)?", "", done.stderr, flags=re.M)
    assert (done.returncode, told) == (0, ""), examples(FILES)[number]


def test_there_are_examples():
    assert len(examples(FILES)) >= 9


@pytest.mark.parametrize("page, count", [(ROLLOUT, 2), (ONCALL, 1)], ids=["rollout", "oncall"])
def test_the_files_of_the_guides_are_taken(command, tmp_path, page, count):
    files = [text for text in examples(page) if not text.startswith("$ ")]
    assert len(files) == count
    for number, text in enumerate(files):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        done = command("check", path)
        assert (done.returncode, done.stderr) == (0, ""), text


def test_the_examples_of_the_readme_are_taken(command, tmp_path):
    made = re.findall(r"^```yaml\n(.*?)^```$", (REPOSITORY / "README.md").read_text(encoding="utf-8"),
                      re.MULTILINE | re.DOTALL)
    assert len(made) >= 2
    for number, text in enumerate(made):
        path = tmp_path / f"{number}.yaml"
        path.write_text(text, encoding="utf-8")
        done = command("check", path)
        assert (done.returncode, done.stderr) == (0, ""), text


def test_the_commands_of_the_readme_are_known(command):
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    made = set(re.findall(r"^\$ pgcurfew ([a-z-]+)", text, re.MULTILINE))
    assert {"check", "drain", "reopen"} <= made
    for name in made:
        options = set(re.findall(r"--[a-z-]+", command(name, "--help").stdout))
        for line in re.findall(rf"^\$ pgcurfew {name}( [^#\n]*)", text, re.MULTILINE):
            assert set(re.findall(r"--[a-z-]+", line.split(" -- ")[0])) <= options, line


@pytest.mark.parametrize("heading", SECTIONS)
def test_the_keys_are_those_of_the_language(schema, heading):
    mapping = SECTIONS[heading]
    properties = schema["definitions"][mapping]["properties"] if mapping else schema["properties"]
    required = (schema["definitions"][mapping].get("required", []) if mapping else schema["then"]["required"])
    told = entries(section(FILES, heading))
    if heading == "PROTECTION":
        assert BUILT_IN <= set(told)
        told = {key: text for key, text in told.items() if key not in BUILT_IN}
    assert set(told) == set(properties)
    for key, text in told.items():
        description = properties[key]["description"]
        default = re.search(r"Default: (.*?)\.(?: Example:|$)", description)
        said = re.search(r"Default: (.*)$", text)
        assert (said and said[1]) == (default and default[1]), f"{key}: {text} / {description}"
        bounds = re.search(r": (\S+ to .*?)\.(?: Default:| Example:|$)", description)
        assert bounds is None or bounds[1] in text, f"{key} lacks {bounds and bounds[1]}: {text}"
        assert ("Required." in text) == (key in required), key
        assert text.rstrip("\"").endswith(".") or said, f"{key}: {text}"


def test_each_mapping_of_the_language_has_its_section(schema):
    # mappings without keys of their own are described where they are used
    assert set(schema["definitions"]) - {"labels", "servers_by_labels"} == set(SECTIONS.values()) - {None}


def test_the_built_in_protections_are_those_of_the_language(schema):
    names = schema["properties"]["unprotect"]["anyOf"][0]["enum"]
    assert set(names) == BUILT_IN


def test_the_commands_and_their_options_are_all_there(command):
    listed = re.findall(r"^  ([a-z][a-z-]+) {2,}", command("--help").stdout, re.MULTILINE)
    assert len(listed) >= 5
    told = set(entries(section(COMMANDS, "COMMANDS")))
    assert told == set(listed)
    synopsis = section(COMMANDS, "SYNOPSIS")
    options = set(re.findall(r"--[a-z-]+", section(COMMANDS, "OPTIONS")))
    for name in listed:
        line = re.search(rf"^\*pgcurfew {name}\*(.*)$", synopsis, re.MULTILINE)[1]
        known = set(re.findall(r"--[a-z-]+", command(name, "--help").stdout)) - {"--help"}
        assert set(re.findall(r"--[a-z-]+", line)) == known, name
        assert known <= options


# Headings of pgcurfew-log(5) below which an event has its entry.
EVENTS = ("EVENTS OF DECISIONS", "EVENTS OF A SERVER", "EVENTS OF DRAINS", "EVENTS OF PGCURFEW")


def told_of_events(marked=False):
    """The text of each event, all of its paragraphs, by default without markup."""
    told = {}
    for heading in EVENTS:
        for heads, body in re.findall(r"^(\*[^\n]*)\n((?:\t[^\n]*\n|\n(?=\t))+)", section(LOG, heading), re.MULTILINE):
            told |= dict.fromkeys(re.findall(r"\*([^*]+)\*", heads), " ".join(body.split()) if marked else re.sub(r"[*_]|\\", "", " ".join(body.split())))
    return told


@pytest.fixture(scope="module")
def kinds(pgcurfew):
    """For each kind of event its entry in the catalogue, as `pgcurfew schema --log` shows it."""
    made = subprocess.run([str(pgcurfew), "schema", "--log"], capture_output=True, check=True, timeout=60).stdout
    return json.loads(made)["definitions"]


def test_the_events_of_the_log_are_those_of_the_catalogue(kinds):
    told = [name for heading in EVENTS for name in entries(section(LOG, heading))]
    assert sorted(told) == sorted(kinds)  # and none twice


def test_each_event_is_told_with_its_levels_and_its_meaning(kinds):
    told = told_of_events()
    assert len(told) >= 60
    for name, kind in kinds.items():
        text = told[name]
        levels = kind["properties"]["level"]["enum"]
        assert set(re.findall(r"\b(?:DEBUG|INFO|NOTICE|WARNING|ERROR)\b", text)) == set(levels), f"{name}: {text}"
        meaning = kind["description"].removesuffix(kind["description"][kind["description"].index(" MESSAGE_ID"):])
        assert meaning.removesuffix(".") in text, f"{name}: {meaning}: {text}"


def test_each_kind_of_event_has_an_emitter():
    catalogue = (REPOSITORY / "daemon/events/kind.hpp").read_text(encoding="utf-8")
    kinds = re.findall(r"^  (k[A-Z]\w+),$", re.search(r"enum class Kind \{(.*?)^};", catalogue, re.M | re.S)[1], re.M)
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "daemon").rglob("*.cpp"))
                   if path.parent.name != "events")
    assert len(kinds) >= 60
    assert [kind for kind in kinds if not re.search(rf"[(,?:]\s*Kind::{kind}\b", code)] == []


def test_message_ids_are_each_once_and_never_change(kinds):
    """Catalogues of messages and filters of others name them."""
    ids = {name: re.search(r"MESSAGE_ID ([0-9a-f]{32})\.$", kind["description"])[1] for name, kind in kinds.items()}
    assert len(set(ids.values())) == len(ids)
    known = dict(line.split() for line in (REPOSITORY / "tests/golden/message_ids.txt").read_text().splitlines())
    assert ids == known


def test_the_holds_of_the_log_are_those_of_the_program():
    code = (REPOSITORY / "daemon/watch/holds.cpp").read_text(encoding="utf-8")
    entry = re.search(r"^\*hold_over\*$(.*?)^\*", section(LOG, "EVENTS OF A SERVER"), re.MULTILINE | re.DOTALL)[1]
    told = {name.replace("\\", "") for name in re.findall(r"_([a-z](?:[a-z]|\\_)+)_", entry)}
    assert len(told) >= 6
    assert told <= set(re.findall(r'\{Hold::k\w+,\s*"(\w+)"', code))


def test_the_outcomes_are_those_of_the_program():
    order = (REPOSITORY / "daemon" / "engine" / "order.cpp").read_text(encoding="utf-8")
    made = set(re.findall(r'return "([a-z_]+)";', re.search(r"name_of\(ReplyKind.*?\n}", order, re.DOTALL)[0]))
    outcome = re.search(r"^\*outcome\*$.*?(?=^\*)", section(LOG, "EVENTS OF DECISIONS"), re.MULTILINE | re.DOTALL)[0]
    told = set(re.findall(r"_((?:[a-z]|\\_)+)_(?:, | \()", outcome))
    assert {name.replace("\\_", "_") for name in told} == made | {"alerted", "would_signal"}


def test_the_fields_of_the_log_are_those_of_the_catalogue(kinds):
    """Fields of only one event are in its entry."""
    told = told_of_events(marked=True)
    common = set(re.findall(r"\*([a-z_]+)\*", section(LOG, "FIELDS OF ALL EVENTS") + section(LOG, "FIELDS OF DECISIONS")))
    fields = {field for kind in kinds.values() for field in kind["properties"]}
    assert len(fields) >= 100
    assert fields - set(re.findall(r"\*([a-z_]+)\*", LOG)) == set()
    for field in fields - common:
        having = [name for name, kind in kinds.items() if field in kind["properties"]]
        if len(having) == 1:
            assert f"*{field}*" in told[having[0]], f"{field} of {having[0]}"


def test_the_exit_statuses_are_those_of_the_program():
    header = (REPOSITORY / "daemon" / "app" / "exit_code.hpp").read_text(encoding="utf-8")
    statuses = re.findall(r"kExit\w+ = (\d+)", header)
    assert statuses == list(entries(section(COMMANDS, "EXIT STATUS")))


@pytest.mark.parametrize("page", ["pgcurfew.8", "pgcurfew.yaml.5", "pgcurfew-log.5", "pgcurfew-rollout.7", "pgcurfew-oncall.7"])
def test_the_pages_are_formatted_without_a_warning(tmp_path, page):
    if not shutil.which("scdoc") or not shutil.which("man"):
        pytest.skip("no scdoc or man here")
    made = tmp_path / page
    source = (PAGES / f"{page}.scd").read_bytes()
    made.write_bytes(subprocess.run(["scdoc"], input=source, capture_output=True, check=True).stdout)
    done = subprocess.run(["man", "--warnings", "-l", str(made)], capture_output=True, text=True,
                          env={"MANWIDTH": "100", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "NAME" in done.stdout
