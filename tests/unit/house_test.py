"""Rules that no compiler enforces: which folder may include which, and which folders must stay pure.

The table below is that of daemon/ARCHITECTURE.md, "The folders", for headers; the link interfaces of
daemon/CMakeLists.txt say the same for libraries.
"""

import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
DAEMON = REPOSITORY / "daemon"

EVERYWHERE = ("fmt/", "tl/expected.hpp")
POSIX = ("arpa/", "dirent.h", "errno.h", "fcntl.h", "linux/tcp.h", "net/", "netdb.h", "netinet/", "poll.h", "pwd.h", "signal.h", "spawn.h", "sys/",
         "termios.h", "time.h", "unistd.h")


@dataclass
class Folder:
    """What one folder may include.

    `foreign`: beginnings of header names, for any of its files. `confined`: beginnings of header names with the
    only file, or the number of files, that may include them. `pure`: no clock, no input, no output.
    """

    project: tuple
    foreign: tuple = EVERYWHERE
    confined: dict = field(default_factory=dict)
    pure: bool = False


_POLICY = ("base", "policy")
_YAML = _POLICY + ("policy/grammar", "policy/yaml")
_ENGINE = _POLICY + ("events", "engine")
_WATCH = _ENGINE + ("drains", "watch")
_APP = _WATCH + ("policy/reader", "policy/advice", "postgres", "report", "system", "app")

HOUSE = {
    "base": Folder(("base",), pure=True,
                   confined={"re2/": "pattern.cpp", "arpa/inet.h": "address.cpp", "cctz/": "time_zone.cpp"}),
    "policy": Folder(_POLICY, pure=True),
    "policy/grammar": Folder(_POLICY + ("policy/grammar",), pure=True),
    "policy/yaml": Folder(_YAML, confined={"yaml-cpp/": 1}, pure=True),
    "policy/advice": Folder(_YAML + ("policy/advice",), pure=True),
    "policy/reader": Folder(_YAML + ("policy/advice", "policy/reader"), pure=True),
    "policy/prose": Folder(_POLICY + ("policy/prose",), pure=True),
    "events": Folder(_POLICY + ("events",), pure=True),
    "engine": Folder(_ENGINE, pure=True),
    "drains": Folder(_ENGINE + ("drains",), pure=True),
    "watch": Folder(_WATCH, pure=True),
    "postgres": Folder(_WATCH + ("postgres",), EVERYWHERE + POSIX + ("libpq-fe.h",)),
    "report": Folder(_WATCH + ("report",), EVERYWHERE + POSIX,
                     {"spdlog/": 2, "nlohmann/": 2, "zlib.h": 1, "prometheus/": 1, "microhttpd.h": 1, "curl/": 1}),
    "system": Folder(("base", "system"), EVERYWHERE + POSIX + ("systemd/",)),
    "app": Folder(_APP, EVERYWHERE + POSIX),
    "cli": Folder(_APP + ("policy/grammar", "policy/prose", "cli"), EVERYWHERE + POSIX + ("nlohmann/",),
                  {"CLI11": 1, "CLI/": 1}),
    ".": Folder(("cli", "base")),
}

# Headers of the standard library that a pure folder has no use for: the world, and what needs more than one thread.
IMPURE_STANDARD = {"cstdio", "ctime", "filesystem", "fstream", "iostream", "print", "syncstream", "atomic", "barrier",
                   "condition_variable", "future", "latch", "mutex", "semaphore", "shared_mutex", "stop_token",
                   "thread"}
STANDARD = re.compile(r"[a-z_0-9]+")

IMPURE_WORDS = {
    r"::now\(": "read a clock",
    r"\b(?:clock_gettime|gettimeofday|std::time|std::clock|localtime(?:_r)?|gmtime(?:_r)?)\s*\(": "read a clock",
    r"(?<![\w.:>])time\s*\(\s*(?:0|NULL|nullptr|&\w+)\s*\)": "read a clock",
    r"\bstd::(?:cout|cerr|clog|cin)\b": "use a stream of the process",
    r"\b(?:std::|fmt::)?(?:v?f?printf|print|println|puts|fputs|perror)\s*\(": "print",
    r"\b(?:std::)?[io]?fstream\b": "open a file",
    r"\b(?:std::)?(?:fopen|freopen|tmpfile)\s*\(": "open a file",
    r"(?<![\w.>])::(?:open|read|write|close|socket|connect|poll|select|send|recv)\s*\(": "call the system",
    r"\b(?:secure_)?getenv\s*\(": "read the environment",
    r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\b|(?<![\w.:>])sleep\s*\(": "wait",
    r"\b(?:std::)?(?:random_device|rand|srand)\b\s*[({]?": "throw dice",
    r"\b(?:std::)?(?:exit|abort|_exit|quick_exit)\s*\(": "end the process",
}

_INCLUDE = re.compile(r'^\s*#\s*include\s*(<([^>]+)>|"([^"]+)")')
_STRIPPED = re.compile(r'R"(\w*)\((?:.|\n)*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*(?:.|\n)*?\*/')


def code_of(text):
    """The text without comments and literals, with its lines where they were."""
    return _STRIPPED.sub(lambda m: "\n" * m.group().count("\n") if m.group()[0] in "/R" else '""', text)


def violations(daemon):
    """Everything in the tree of the daemon that breaks a law, as `daemon/engine/x.cpp:12: ...`."""
    found = []
    confined_users = {}
    for path in sorted(daemon.rglob("*.[ch]pp")):
        relative = path.relative_to(daemon)
        name = relative.parent.as_posix()
        where = f"daemon/{relative.as_posix()}"
        if name not in HOUSE:
            found.append(f"{where}:1: no folder {name} in the plan of the house")
            continue
        folder = HOUSE[name]
        text = path.read_text(encoding="utf-8")
        for number, line in enumerate(text.splitlines(), 1):
            include = _INCLUDE.match(line)
            if include:
                found += _judge_include(name, folder, path, include, f"{where}:{number}", confined_users)
        if folder.pure:
            for number, line in enumerate(code_of(text).splitlines(), 1):
                if _INCLUDE.match(line):
                    continue
                found += [f"{where}:{number}: {name} is pure and may not {what}"
                          for pattern, what in IMPURE_WORDS.items() if re.search(pattern, line)]
    for (name, prefix), users in sorted(confined_users.items()):
        allowed = HOUSE[name].confined[prefix]
        if isinstance(allowed, int) and len(users) > allowed:
            found.append(f"{users[-1]}: {name} may include <{prefix}...> in {allowed} file, but does in {len(users)}: "
                         f"{', '.join(user.split(':')[0] for user in users)}")
    return found


def _judge_include(name, folder, path, include, where, confined_users):
    label = "main.cpp" if name == "." else name
    quoted, angled, project = include.group(1), include.group(2), include.group(3)
    if project is not None:
        owner = project.rpartition("/")[0]
        if owner not in folder.project:
            return [f"{where}: {label} may not include {quoted}"]
        return []
    if STANDARD.fullmatch(angled):
        if folder.pure and angled in IMPURE_STANDARD:
            return [f"{where}: {label} is pure and may not include {quoted}"]
        return []
    for prefix, allowed in folder.confined.items():
        if angled.startswith(prefix):
            if isinstance(allowed, str) and path.name != allowed:
                return [f"{where}: {label} may include {quoted} in {allowed} only"]
            users = confined_users.setdefault((name, prefix), [])
            if not any(user.split(":")[0] == where.split(":")[0] for user in users):
                users.append(where)
            return []
    if not angled.startswith(folder.foreign):
        return [f"{where}: {label} may not include {quoted}"]
    return []


def test_every_folder_includes_only_what_the_plan_of_the_house_allows():
    found = violations(DAEMON)
    assert not found, "\n" + "\n".join(found)


def test_the_plan_names_every_folder_of_the_daemon():
    assert {p.relative_to(DAEMON).as_posix() for p in DAEMON.rglob("*") if p.is_dir()} == set(HOUSE) - {"."}


def circles(daemon):
    """Files that include each other in a circle, a header and its source being one; each as its sorted names."""
    includes = {}
    for path in sorted(daemon.rglob("*.[ch]pp")):
        name = path.relative_to(daemon).with_suffix("").as_posix()
        found = (_INCLUDE.match(line) for line in path.read_text(encoding="utf-8").splitlines())
        includes.setdefault(name, set()).update(
            i.group(3).removesuffix(".hpp") for i in found if i and i.group(3) and i.group(3) != f"{name}.hpp")

    def reached_from(name):
        seen, todo = set(), [name]
        while todo:
            for other in includes.get(todo.pop(), set()) - seen:
                seen.add(other)
                todo.append(other)
        return seen

    reached = {name: reached_from(name) for name in includes}
    return sorted({tuple(sorted(other for other in reached[name] if name in reached.get(other, ())))
                   for name in includes if name in reached[name]})


def test_no_includes_run_in_a_circle():
    assert circles(DAEMON) == []


def test_the_search_for_circles_bites(tmp_path):
    for name, text in {"a.hpp": "", "a.cpp": '#include "a.hpp"\n#include "b.hpp"\n', "b.hpp": '#include "c.hpp"\n',
                       "c.hpp": "", "c.cpp": '#include "a.hpp"\n', "d.cpp": '#include "a.hpp"\n'}.items():
        (tmp_path / name).write_text(text)
    assert circles(tmp_path) == [("a", "b", "c")]


@pytest.mark.parametrize("file, text, complaint", [
    ("engine/x.cpp", '#include "engine/x.hpp"\n\n#include <libpq-fe.h>\n',
     "daemon/engine/x.cpp:3: engine may not include <libpq-fe.h>"),
    ("engine/x.cpp", '#include "postgres/link.hpp"\n',
     'daemon/engine/x.cpp:1: engine may not include "postgres/link.hpp"'),
    ("policy/grammar/x.cpp", '#include "policy/reader/load.hpp"\n',
     'daemon/policy/grammar/x.cpp:1: policy/grammar may not include "policy/reader/load.hpp"'),
    ("base/x.hpp", '#include "policy/policy.hpp"\n', 'daemon/base/x.hpp:1: base may not include "policy/policy.hpp"'),
    ("base/x.cpp", "#include <re2/re2.h>\n", "daemon/base/x.cpp:1: base may include <re2/re2.h> in pattern.cpp only"),
    ("system/x.cpp", '#include "events/event.hpp"\n',
     'daemon/system/x.cpp:1: system may not include "events/event.hpp"'),
    ("report/x.cpp", "#include <libpq-fe.h>\n", "daemon/report/x.cpp:1: report may not include <libpq-fe.h>"),
    ("cli/x.cpp", "#include <systemd/sd-event.h>\n", "daemon/cli/x.cpp:1: cli may not include <systemd/sd-event.h>"),
    ("policy/x.cpp", "#include <fstream>\n", "daemon/policy/x.cpp:1: policy is pure and may not include <fstream>"),
    ("engine/x.cpp", "// ::now( is fine here\nauto t = std::chrono::steady_clock::now();\n",
     "daemon/engine/x.cpp:2: engine is pure and may not read a clock"),
    ("engine/x.cpp", "long t = time(nullptr);\n", "daemon/engine/x.cpp:1: engine is pure and may not read a clock"),
    ("policy/x.cpp", 'void f() {\n  std::cout << "x";\n}\n',
     "daemon/policy/x.cpp:2: policy is pure and may not use a stream of the process"),
    ("base/x.cpp", 'auto x = std::getenv("HOME");\n',
     "daemon/base/x.cpp:1: base is pure and may not read the environment"),
    ("garage/x.cpp", "", "daemon/garage/x.cpp:1: no folder garage in the plan of the house"),
])
def test_the_reader_of_includes_bites(tmp_path, file, text, complaint):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text, encoding="utf-8")
    assert violations(tmp_path) == [complaint]


def test_the_reader_of_includes_counts_the_files_that_include_a_confined_header(tmp_path):
    (tmp_path / "policy/yaml").mkdir(parents=True)
    for name in ("a.cpp", "b.cpp"):
        (tmp_path / "policy/yaml" / name).write_text("#include <yaml-cpp/yaml.h>\n#include <yaml-cpp/mark.h>\n")
    assert violations(tmp_path) == ["daemon/policy/yaml/b.cpp:1: policy/yaml may include <yaml-cpp/...> in 1 file, but does in 2: "
                                    "daemon/policy/yaml/a.cpp, daemon/policy/yaml/b.cpp"]


def test_the_reader_of_includes_lets_pass_what_is_allowed(tmp_path):
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "x.cpp").write_text(
        '#include "engine/x.hpp"\n#include <fmt/format.h>\n#include <vector>\n#include "base/time.hpp"\n'
        '/* std::cout\n   getenv("x") */\nauto s = "std::cout << time(nullptr)";\nauto a = session.now(1);\n'
        'auto n = policy.time(server);\nusing T = std::chrono::time_point<Clock>;\n')
    assert violations(tmp_path) == []


# -- what must not be in the repository -----------------------------------------------------------------------------

# Split, so that this file is not a finding of its own.
MACHINE_PATHS = re.compile(rb"(?<![\w.$}])/(?:wo" rb"rk|ro" rb"ot|ho" rb"me/\w+)/")


def tracked_files(repository):
    listed = subprocess.run(["git", "-c", "safe.directory=*", "-C", str(repository), "ls-files", "-z"],
                            capture_output=True)
    if listed.returncode == 0:
        return [repository / name for name in listed.stdout.decode().split("\0") if name]
    # not a checkout: a release's archive
    skipped = {"build", "__pycache__", ".pytest_cache", ".cache"}
    return [p for p in repository.rglob("*") if p.is_file() and not skipped & set(p.relative_to(repository).parts)]


def test_no_file_holds_a_path_of_the_machine_it_was_written_on():
    found = []
    for path in tracked_files(REPOSITORY):
        if path.is_symlink() or not path.is_file():
            continue
        for number, line in enumerate(path.read_bytes().splitlines(), 1):
            if MACHINE_PATHS.search(line):
                found.append(f"{path.relative_to(REPOSITORY)}:{number}: {line.decode(errors='replace').strip()}")
    assert not found, "\n" + "\n".join(found)


def test_the_search_for_paths_of_the_machine_bites():
    for path in (b"/wo" + b"rk/x", b'"/ro' + b'ot/.ssh"', b"see /ho" + b"me/me/notes"):
        assert MACHINE_PATHS.search(path)
    for harmless in (b"src/wo" + b"rk/x", b"/usr/bin/x", b"net" + b"/ro" + b"ot/"):
        assert not MACHINE_PATHS.search(harmless)
