"""The rule files under policies/, and how to try one without waiting for its minutes."""

import re
import textwrap

from support.throwaway import REPOSITORY

DIRECTORY = REPOSITORY / "policies"

_MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000, "min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_DURATION = re.compile(r"((?:(?:query|transaction|state|session)_age|blocks_for|blocked_for|after|within|pause): *)"
                       r"([0-9][0-9a-z. ]*[a-z])")
_NO_AGES = ("after:", "within:", "pause:")
_EXCEPTION = re.compile(r" *- \{ (?:user|application_name):")


def names():
    return sorted(path.stem for path in DIRECTORY.glob("*.yaml"))


def text_of(name):
    return (DIRECTORY / f"{name}.yaml").read_text(encoding="utf-8")


def _microseconds(text):
    parts = re.findall(r"([0-9.]+) *([a-z]+)", text)
    return sum(round(float(number) * _MICROSECONDS[unit]) for number, unit in parts)


def rules_of(name, *rewrites):
    """A file's rules, sped up, as items of a list; `rewrites`: (old text, new text) for what a test cannot have."""
    text = text_of(name).partition("\nrules:\n")[2]
    for old, new in rewrites:
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return textwrap.dedent(sped_up(text))


def sped_up(text, smallest_ms=400):
    """The same text with every age and wait divided by one number, so that the smallest age becomes smallest_ms.

    Exceptions' later limits stay 50 times as long: on a busy machine nobody who is exempt shall reach them in a test.
    """
    ages = [_microseconds(written) for key, written in _durations(text) if key.strip() not in _NO_AGES]
    if not ages:
        return text
    divisor = min(ages) / (smallest_ms * 1000)

    def sped_up_line(line):
        if line.lstrip().startswith("#"):
            return line
        factor = 50 if _EXCEPTION.match(line) else 1
        return _DURATION.sub(lambda match: f"{match[1]}{round(_microseconds(match[2]) * factor / divisor)}us", line)

    return "".join(sped_up_line(line) for line in text.splitlines(keepends=True))


def _durations(text):
    return [match.groups() for line in text.splitlines() if not line.lstrip().startswith("#")
            for match in _DURATION.finditer(line)]
