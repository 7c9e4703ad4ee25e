"""Reads a recording with the MCAP project's own library, by index and without, and checks each payload against its schema."""

import json
import struct
import sys
from collections import Counter

import jsonschema
from mcap.exceptions import EndOfFile
from mcap.reader import NonSeekingReader, SeekingReader
from mcap.records import Statistics

path = sys.argv[1]
whole = len(sys.argv) < 3 or sys.argv[2] != "cut"

with open(path, "rb") as file:
    straight = []
    try:
        for schema, channel, message in NonSeekingReader(file, validate_crcs=True).iter_messages(log_time_order=False):
            straight.append((schema, channel, message))
    except (EndOfFile, struct.error):
        # The library says the second where a number is cut through.
        if whole:
            raise

seen, validators = Counter(), {}
for schema, channel, message in straight:
    assert (channel.message_encoding, schema.encoding) == ("json", "jsonschema"), channel
    payload = json.loads(message.data)
    if schema.id not in validators:
        text = json.loads(schema.data)
        jsonschema.Draft202012Validator.check_schema(text)
        validators[schema.id] = jsonschema.Draft202012Validator(text)
    validators[schema.id].validate(payload)
    seen[schema.name] += 1
    if message.log_time != message.publish_time and "header" in payload:
        stamp = payload["header"]["stamp"]
        assert stamp["sec"] * 10**9 + stamp["nanosec"] == message.log_time, (payload, message)

report = {"schemas": dict(sorted(seen.items())), "messages": len(straight)}
if whole:
    with open(path, "rb") as file:
        reader = SeekingReader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert isinstance(summary.statistics, Statistics)
        counts = summary.statistics.channel_message_counts
        assert summary.statistics.message_count == sum(counts.values()) == len(straight)
        assert summary.statistics.chunk_count == len(summary.chunk_indexes)
        by_time = [(c.topic, m.log_time, m.sequence) for _, c, m in reader.iter_messages()]
        assert sorted(by_time) == sorted((c.topic, m.log_time, m.sequence) for _, c, m in straight)
        assert [time for _, time, _ in by_time] == sorted(time for _, time, _ in by_time)
        # By its topic's index alone.
        topic = "mtcae/messages"
        mine = list(reader.iter_messages(topics=[topic]))
        assert len(mine) == sum(c.topic == topic for _, c, _ in straight), len(mine)
        report["chunks"] = summary.statistics.chunk_count
        report["topics"] = len(summary.channels)
        report["library"] = reader.get_header().library
print(json.dumps(report))
