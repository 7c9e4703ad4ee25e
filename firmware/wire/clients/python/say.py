"""Says a line for each message that mtcae_client.py reads from stdin, as JSON, and `error` for each bad frame: for a test
that compares it with another client."""
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mtcae_client as client

for message in client.frames(iter(lambda: sys.stdin.buffer.read(4096), b"")):
    bad = isinstance(message, client.BadFrame)
    line = "error" if bad else json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    sys.stdout.buffer.write(line.encode() + b"\n")
