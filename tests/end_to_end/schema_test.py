"""`pgcurfew schema` and `pgcurfew check` on the same documents, good and bad.

The schema has to take whatever `check` takes, and to refuse whatever has another structure. What it cannot say is
listed in BEYOND, kind by kind, with the words in which `check` says it.
"""

import copy
import json
import re
import subprocess

import jsonschema
import pytest
import yaml

from support.throwaway import REPOSITORY

# What `check` alone can know, by its messages: all else that it refuses, the schema has to refuse too.
BEYOND = {
    "one value hangs on another": [
        r"^no server (is named|has the labels) ", r"^these hours have no time zone$", r"^step \w+ appears twice in ",
        r'" appears twice in "', r"^\w+ after \w+ is a step down$",
        r"^a (rule|drain) cannot enforce while its file is a dry run$",
        r"^duplicate (rule|server|drain) ", r"^a cancel has no effect on any state ", r"^the exception's \w+ (of .*)?is not ",
        r"^no rule can apply to backend_type ", r"^drains .* overlap: ", r"^this drain has no time zone$",
        r"^a drain of \S.* is not over before it comes again, ", r"^wait has to be the first step$",
        r"^latecomers are terminated, but sessions ", r" is due after .*, and the drain is over after ", r"^clocks in .* twice; ",
        r"^other machines could reach ", r"^a Unix-domain socket has no TLS$",
    ],
    "a range of durations, and of numbers in quotes": [r" is out of range$", r" must be longer than 0$"],
    "what stands behind a name or an expression": [
        r"^unknown time zone ", r" is not an? [a-z ]+ of cron$", r"^this schedule never begins$", r"^there is no 2", r"^invalid regular expression ", r"^the regular expression is empty$",
        r" is not an address$", r"^invalid prefix length in ", r" has bits set ", r"^invalid connection string: ", r" in conninfo is not a",
        r"^unknown \w+ in conninfo$", r"^conninfo has a different number of ports than of hosts$", r"^a host in conninfo is ",
    ],
    "how a number is written": [r" is finer than a microsecond$", r" has too many digits$"],
    "a way of writing YAML": [r" without quotes(: |$)", r" continues past the end of the line$", r"^duplicate key "],
}


class Loader(yaml.SafeLoader):
    """YAML as editors read it (version 1.2): no dates, no octal or sexagesimal numbers, true and false alone."""


Loader.yaml_implicit_resolvers = {}
for tag, expression, first in [
        ("tag:yaml.org,2002:bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
        ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
        ("tag:yaml.org,2002:float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
        ("tag:yaml.org,2002:null", r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""])]:
    Loader.add_implicit_resolver(tag, re.compile(expression), list(first))


@pytest.fixture(scope="module")
def schema(pgcurfew):
    made = json.loads(subprocess.run([str(pgcurfew), "schema"], capture_output=True, check=True, timeout=60).stdout)
    jsonschema.Draft7Validator.check_schema(made)
    return made


@pytest.fixture(scope="module")
def validator(schema):
    return jsonschema.Draft7Validator(schema)


def is_beyond(message):
    return any(re.search(expression, message) for expressions in BEYOND.values() for expression in expressions)


def verdicts(command, paths):
    """For each file the errors that `check` has for it; none if it takes it."""
    done = command("check", *paths, timeout=300)
    assert done.returncode in (0, 78), done.stderr
    found = {str(path): [] for path in paths}
    for path, message in re.findall(r"^(/\S+?)(?::\d+:\d+)?: error: (.*)$", done.stderr, re.MULTILINE):
        found[path].append(message)
    assert any(found.values()) == (done.returncode == 78), done.stderr
    return found


# A document that has every key of the language; each part is taken by `check` as it is.
MAIN = """
mode: enforce
timezone: Europe/Vienna
servers:
  - { name: orders, conninfo: "host=db1 user=pgcurfew", labels: { env: prod, tier: "1" } }
  - { name: billing, conninfo: "host=db2 user=pgcurfew" }
protect:
  - { database: [a, "b*"], user: backup, application_name: /^x/, client_addr: [10.0.0.0/8, "::1", local] }
  - { backend_type: client backend, state: active, wait_event_type: Lock, wait_event: [tuple], query: "^copy" }
  - { query_id: [-4711, 12] }
unprotect: [listeners, dumps]
safety: { signals: 50 per 1min, share: 12.5%, quiet: 5min }
report: { query_text: none, server_log: true }
record: { keep: 90d, size: 4GB, required: true }
audit:
- journald
- file: { path: /var/log/pgcurfew/events.json, rotate: 1GB, keep: 30 }
- table: { conninfo: "host=audit dbname=dba" }
web:
  listen: "10.0.0.7:9187"
  tls: { certificate: /etc/pgcurfew/web.crt, key: /etc/pgcurfew/web.key }
  basic_auth: { user: prometheus, password_file: /etc/pgcurfew/web.password }
drains:
  - name: weekly
    description: Every Sunday.
    servers: [orders, { env: prod }]
    databases: [orders, "orders_*"]
    schedule: "0 2 * * sun"
    timezone: UTC
    duration: 45min
    announce: [24h, 15min]
    gate: pgbouncer
    pgbouncer: { conninfo: "host=pool port=6432", by: disable, pools: [orders, "orders_*"] }
    except:
      - { user: maintenance, database: [a, "b*"], application_name: x, client_addr: local, backend_type: client backend }
      - { state: active, wait_event_type: Lock, wait_event: [tuple], query: "^copy", query_id: 12 }
    escalate: [ wait: { for: 1min }, cancel, terminate: { after: 20s } ]
    while_draining: terminate
    give_up: { after: 5min, then: hold }
    afterwards: hold
    mode: dry-run
  - { name: once, databases: crm, at: "2999-12-01 02:00", duration: 1h 30min, gate: none, announce: 1h }
rules:
  - name: everything
    description: |
      Two
      lines.
    servers: [orders, "bill*", { env: prod }]
    match:
      database: app
      user: [a, b]
      application_name: "nightly-*"
      client_addr: 10.0.0.0/8
      backend_type: client backend
      state: [active, idle in transaction]
      wait_event_type: Client
      wait_event: ClientRead
      query: [select, "(?i)^copy"]
      query_id: -4711
      xmin_age: 50M
      query_age: 1h 30min
      transaction_age: 2h
      state_age: 500ms
      session_age: 1.5d
    except:
      - { user: etl, query_age: 2h, transaction_age: 3h, state_age: 2h, session_age: 3d }
      - { application_name: [x, y], query_id: 5 }
    per: [user, application_name]
    keep: 10
    victims: newest
    at_most: 1
    pause: 5s
    when: { connections_used: 85%, role: primary }
    during:
      - { days: [mon-fri, sun], from: "22:00", to: "06:00", timezone: UTC }
      - { days: sat }
    not_during: { from: "12:00", to: "24:00" }
    repeat: { times: 3, within: 10min, per: application_name, then: pause }
    escalate: [ alert, cancel: { after: 1s }, terminate: { after: 30s } ]
    mode: dry-run
  - name: blockers
    match: { blocks: { sessions: 2, user: migrator, blocked_for: 5s, state: active } }
    escalate: [ terminate ]
  - name: three
    match: { blocks: 3, blocks_for: 5s, state: idle in transaction }
    escalate: [ terminate ]
  - name: waiters
    match: { blocked_for: 5min, state: active }
    repeat: { times: 3, within: 10min, then: alert }
    escalate: [ cancel ]
"""


def documents():
    """(name, text) of all files that the repository has."""
    found = [("everything", MAIN)]
    for folder in ("policies", "tests/golden"):
        for path in sorted((REPOSITORY / folder).glob("*.yaml")):
            found.append((path.name, path.read_text(encoding="utf-8")))
    return found


def paths_of(node, path=()):
    """Every place in a document."""
    yield path
    if isinstance(node, dict):
        for key in node:
            yield from paths_of(node[key], path + (key,))
    if isinstance(node, list):
        for index in range(len(node)):
            yield from paths_of(node[index], path + (index,))


def at(document, path):
    for step in path:
        document = document[step]
    return document


REPLACEMENTS = [None, True, 5, -3, 1.5, "", "x", "10", "5m", "1h 30min", "30min 1h", "0s", "101%", "7%%", "08:00",
                "24:01", "mon-fryday", "fri-mon", "terminate", [], {}, [[]], {"x": "y"}, [None], "50X", "/[/",
                "10.0.0.0/99", "/x/", "0 2 * * mon-fri", "0 2 * *", "0 25 * * *", "2999-12-01 02:30", "2999-02-30 02:30", "1min",
               ["terminate"], [{"wait": {"for": "5s"}}, "cancel"], {"after": "1min"}, "Europe/Wien", "20 per 1min", "a\nb", [1, 2], ["active"]]


def mutations(document):
    """(what was done, the document with it), from a document without a fault."""
    for path in list(paths_of(document)):
        value = at(document, path)
        if path and isinstance(path[-1], str):
            changed = copy.deepcopy(document)
            del at(changed, path[:-1])[path[-1]]
            yield f"without {path}", changed
            changed = copy.deepcopy(document)
            parent = at(changed, path[:-1])
            parent[path[-1] + "x"] = parent.pop(path[-1])
            yield f"misspelt {path}", changed
        if isinstance(value, dict):
            for key in ("unknown", "after", "state_age", "days"):
                if key in value:
                    continue
                changed = copy.deepcopy(document)
                at(changed, path)[key] = "5s"
                yield f"{key} added to {path}", changed
        if path:
            for replacement in REPLACEMENTS:
                if replacement == value and type(replacement) is type(value):
                    continue
                changed = copy.deepcopy(document)
                at(changed, path[:-1])[path[-1]] = copy.deepcopy(replacement)
                yield f"{path} = {replacement!r}", changed


def as_yaml(document):
    """In YAML that reads the same in all versions: texts in quotes, numbers without."""
    return json.dumps(document, ensure_ascii=False, indent=1)


@pytest.mark.parametrize("name, text", documents(), ids=[name for name, _ in documents()])
def test_the_schema_takes_what_check_takes_and_refuses_other_structures(command, validator, tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    errors = verdicts(command, [path])[str(path)]
    taken = not errors
    try:
        document = yaml.load(text, Loader)
    except yaml.YAMLError:
        assert not taken
        return
    complaints = [error.message for error in validator.iter_errors(document)]
    if taken:
        assert complaints == []
    elif not complaints:
        assert all(is_beyond(error) for error in errors), errors


@pytest.mark.parametrize("path", sorted((REPOSITORY / "policies").glob("*.yaml")), ids=lambda path: path.stem)
def test_each_ready_policy_names_the_installed_schema_in_its_first_line(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=file:///usr/share/pgcurfew/schema.json"


def test_the_document_that_has_every_key_has_every_key(schema):
    document = yaml.load(MAIN, Loader)
    used = set()

    def collect(node):
        if isinstance(node, dict):
            used.update(node)
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            collect(child)

    collect(document)
    known = set(schema["properties"])
    for definition in schema["definitions"].values():
        known.update(definition.get("properties", {}))
    assert known <= used


def test_the_descriptions_come_from_the_table(schema):
    keep = schema["definitions"]["rule"]["properties"]["keep"]
    assert keep["description"].startswith("Number of sessions of each group that are left alone")
    assert "1 to 262143" in keep["description"] and "Default: none are left alone." in keep["description"]


@pytest.mark.slow
def test_the_schema_and_check_agree_on_every_mutation_of_a_document(command, validator, tmp_path):
    tried = {}
    for what, document in mutations(yaml.load(MAIN, Loader)):
        tried.setdefault(as_yaml(document), what)
    assert len(tried) > 3000

    texts = list(tried)
    found = []
    for first in range(0, len(texts), 200):
        batch = {}
        for number, text in enumerate(texts[first:first + 200]):
            path = tmp_path / f"{number}.yaml"
            path.write_text(text, encoding="utf-8")
            batch[str(path)] = text
        for path, errors in verdicts(command, list(batch)).items():
            text = batch[path]
            complaints = [error.message for error in validator.iter_errors(json.loads(text))]
            if not errors and complaints:
                found.append(f"{tried[text]}: check takes it, the schema does not: {complaints[0][:200]}")
            beyond = all(is_beyond(error) for error in errors)
            if errors and not complaints and not beyond:
                found.append(f"{tried[text]}: the schema takes it, check says: "
                             f"{[error for error in errors if not is_beyond(error)]}")
    assert not found, f"{len(found)} of {len(tried)}:\n" + "\n".join(found[:40])
