"""The record of a state directory, as any program can read it."""

import json
import zlib


def lines(directory):
    """All whole lines of the record, in order, each checked: a dict for each event."""
    events = []
    for segment in sorted(directory.glob("record-*.jsonl")):
        *whole, _ = segment.read_bytes().split(b"\n")  # what comes after the last newline is torn
        for line in whole:
            body, _, crc = line.rpartition(b',"crc":"')
            assert crc == b'%08x"}' % zlib.crc32(body), line
            events.append(json.loads(line))
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    return events


def of(directory, kind, **fields):
    """Those of one kind with these fields."""
    return [event for event in lines(directory)
            if event["event"] == kind and all(event.get(key) == value for key, value in fields.items())]


def write(directory, events):
    """Writes a record with these events, as pgcurfew would."""
    text = b""
    for seq, event in enumerate(events, 1):
        body = json.dumps({"seq": seq, "run": "a", **event}, separators=(",", ":"))[:-1].encode()
        text += body + b',"crc":"%08x"}\n' % zlib.crc32(body)
    (directory / "record-00000000000000000001-1764511445000000.jsonl").write_bytes(text)
