"""Checks mtcae_client.py against the protocol's golden frames; needs only the standard library."""
import json
import pathlib
import random
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import mtcae_client as client

GOLDEN = pathlib.Path(__file__).parents[2] / "tests" / "golden"


def golden():
    for path in sorted(GOLDEN.glob("*.hex")):
        frame = bytes.fromhex(path.read_text())
        assert frame[-1] == 0, f"{path.name}: no delimiter"
        yield path.stem, frame, json.loads(path.with_suffix(".json").read_text())


def test_decode():
    names = []
    for name, frame, said in golden():
        got = client.decode(frame[:-1], down=name.startswith("down"))
        assert got == said, f"{name}: {got} is not {said}"
        names.append(name)
    assert len(names) >= 22, f"golden frames are missing: {names}"
    return f"{len(names)} golden frames read"


def test_encode():
    def request(kind, name=None):
        return lambda m: client.request(kind, m[name or kind]["token"])
    makers = {"down-hello": lambda _: client.hello(), "down-ping": lambda m: client.ping(m["Ping"]["token"]),
              "down-set-time": lambda m: client.set_time(m["SetTime"]["token"], m["SetTime"]["unix_us"]),
              "down-slots-query": request("Slots", "SlotsQuery"), "down-confirm": request("Confirm"),
              "down-update-query": request("UpdateState", "UpdateQuery"), "down-rollback": request("Rollback"),
              "down-camera-modes-query": request("CameraModes", "CameraModesQuery"),
              "down-subscribe": lambda m: client.subscribe(**m["Subscribe"]),
              "down-camera": lambda m: client.camera(**m["Camera"]),
              "down-logs-query": lambda m: client.logs_query(m["LogsQuery"]["token"], m["LogsQuery"]["lines"])}
    # The client only looks at updates, it does not send them.
    left_out = {"down-update-begin", "down-update-finish", "down-update-chunk", "down-permit"}
    written = 0
    for name, frame, said in golden():
        assert client.stuff(client.unstuff(frame[:-1])) == frame, name
        if name.startswith("down") and name not in left_out:
            assert client.encode(makers.pop(name)(said)) == frame, name
            written += 1
    assert not makers, f"no golden frame for {list(makers)}"
    return f"{written} requests written"


def test_single_bits():
    count = 0
    for name, frame, _ in golden():
        for bit in range(8 * (len(frame) - 1)):
            bad = bytearray(frame[:-1])
            bad[bit // 8] ^= 1 << bit % 8
            for part in bytes(bad).split(b"\0"):
                try:
                    client.decode(part, down=name.startswith("down"))
                except client.BadFrame:
                    count += 1
                else:
                    raise AssertionError(f"{name}: accepted with bit {bit} flipped")
    return f"{count} pieces with a flipped bit refused"


def test_rules():
    def chunk(data):
        return b"\x40\1\2" + bytes([len(data)]) + data
    refused = [client.subscribe(1, status_every_ms=99), chunk(b"")]
    accepted = [client.subscribe(1, status_every_ms=100), client.subscribe(1, None, None, None), chunk(b"x")]
    for body in refused + accepted:
        try:
            client.decode(client.encode(body)[:-1], down=True)
        except client.BadFrame:
            assert body in refused, f"refused: {body}"
        else:
            assert body in accepted, f"accepted: {body}"
    return f"{len(refused)} requests that contradict themselves refused"


def test_stream():
    up = [(frame, said) for name, frame, said in golden() if name.startswith("up")]
    stream = b"\x05noise\0" + b"".join(frame for frame, _ in up) + b"x" * 1000 + b"\0" + up[0][0]
    draw = random.Random(1)
    for _ in range(50):
        cuts = sorted(draw.randrange(len(stream)) for _ in range(12))
        chunks = [stream[a:b] for a, b in zip([0] + cuts, cuts + [len(stream)])]
        got = list(client.frames(chunks))
        good = [message for message in got if not isinstance(message, client.BadFrame)]
        assert good == [said for _, said in up] + [up[0][1]]
        assert len(got) - len(good) == 2, [str(error) for error in got if error not in good]
    return "50 ways to cut a stream give the same messages"


if __name__ == "__main__":
    for test in (test_decode, test_encode, test_single_bits, test_rules, test_stream):
        print("python client:", test())
