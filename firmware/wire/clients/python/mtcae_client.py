"""Reads the messages of an MTCAE-DFER board; decoding needs only the standard library, the port needs pyserial.

    python3 mtcae_client.py /dev/ttyUSB0

A frame is COBS(first byte | postcard body | CRC-32, little-endian) and a zero byte. The first byte is the version,
plus 128 in frames to the board. See ../../README.md for every field's unit.
"""
import struct
import sys
import zlib

VERSION, DOWN_BIT, MAX_FRAME, MAX_LONG_FRAME, STEPS = 2, 0x80, 256, 1048, 8192


class BadFrame(ValueError):
    """Bytes between two delimiters that are no message."""


# ---- frames ----------------------------------------------------------------------------------------------------

def unstuff(frame):
    """The content of a COBS frame given without its zero delimiter."""
    content, at = bytearray(), 0
    while at < len(frame):
        code = frame[at]
        if code == 0 or at + code > len(frame):
            raise BadFrame("broken framing")
        content += frame[at + 1:at + code]
        at += code
        if at < len(frame) and code < 255:
            content.append(0)
    return bytes(content)


def stuff(content):
    """The COBS frame of content, with its zero delimiter."""
    out, run = bytearray(), bytearray()
    for byte in content:
        if len(run) == 254:
            out += b"\xff" + run
            run = bytearray()
        if byte:
            run.append(byte)
        else:
            out += bytes([len(run) + 1]) + run
            run = bytearray()
    return bytes(out + bytes([len(run) + 1]) + run) + b"\0"


def decode(frame, down=False):
    """The message in a frame given without its delimiter, as {kind: fields}; raises BadFrame.

    Numbers are as on the wire: places and scores in steps of 1/8192 (see `fraction`).
    """
    most = MAX_LONG_FRAME if down else MAX_FRAME
    if len(frame) >= most:
        raise BadFrame(f"no delimiter within {most} bytes")
    content = unstuff(frame)
    if len(content) < 6 or zlib.crc32(content[:-4]) != struct.unpack("<I", content[-4:])[0]:
        raise BadFrame("wrong checksum")
    if bool(content[0] & DOWN_BIT) != down:
        raise BadFrame("the frame goes the other way; does the line echo?")
    if content[0] & ~DOWN_BIT != VERSION:
        raise BadFrame(f"protocol version {content[0] & ~DOWN_BIT}, this client reads {VERSION}")
    reader = Reader(content[1:-4])
    message = (DOWN if down else UP)(reader)
    if reader.rest:
        raise BadFrame("bytes behind the message")
    for kind, fields in message.items() if isinstance(message, dict) else ():
        if kind in RULES and not RULES[kind](fields):
            raise BadFrame(f"the fields of {kind} contradict each other")
    return message


def encode(content):
    """The frame to the board for a body made by `hello`, `ping`, `set_time` or `request`."""
    content = bytes([VERSION | DOWN_BIT]) + content
    return stuff(content + struct.pack("<I", zlib.crc32(content)))


def hello():
    """Asks the board for its Hello."""
    return b"\0"


def ping(token):
    """Asks the board for a Pong."""
    return b"\1" + varint(token)


def set_time(token, unix_us):
    """Tells the board the time in microseconds since 1970."""
    return b"\2" + varint(token) + varint(unix_us)


def request(kind, token):
    """Asks for "Slots", "UpdateState" or "CameraModes", for "Confirm" or "Rollback"."""
    return {"Slots": b"\3", "UpdateState": b"\5", "Confirm": b"\7", "Rollback": b"\x08",
            "CameraModes": b"\x0b"}[kind] + varint(token)


def logs_query(token, lines):
    """Asks for the newest lines of the board's log."""
    return b"\x09" + varint(token) + bytes([lines])


def frames(chunks):
    """The messages in an iterable of byte strings cut anywhere; a bad frame gives its BadFrame instead."""
    pending, skipping = b"", False
    for chunk in chunks:
        *whole, pending = (pending + chunk).split(b"\0")
        for frame in whole:
            if frame and not skipping:
                try:
                    yield decode(frame)
                except BadFrame as error:
                    yield error
            skipping = False
        if len(pending) >= MAX_FRAME:
            if not skipping:
                yield BadFrame(f"no delimiter within {MAX_FRAME} bytes")
            pending, skipping = b"", True


def fraction(steps):
    """A place as a fraction of the image's width or height, or a score from 0 to 1."""
    return steps / STEPS


def camera(token, action):
    """Tells the camera to "Stop" or "Start", or to use the mode {"Choose": {format, width, height, fps_tenths}}."""
    if action in ("Stop", "Start"):
        return b"\x0c" + varint(token) + varint(("Stop", "Start").index(action))
    mode = action["Choose"]
    name = mode["format"].encode()
    numbers = b"".join(varint(mode[field]) for field in ("width", "height", "fps_tenths"))
    return b"\x0c" + varint(token) + b"\2" + varint(len(name)) + name + numbers


def subscribe(token, report_every_ms=0, status_every_ms=1000, log="Info"):
    """Asks for reports of a face this far apart at least, for a status so often, and for log lines as serious as
    "Error", "Warn", "Info" or "Debug"; None for none."""
    level = None if log is None else ("Error", "Warn", "Info", "Debug").index(log)
    asked = [b"\0" if value is None else b"\1" + varint(value) for value in (report_every_ms, status_every_ms, level)]
    return b"\x0d" + varint(token) + b"".join(asked)


# ---- postcard --------------------------------------------------------------------------------------------------

class Reader:
    """The bytes of a body not read yet."""

    def __init__(self, body):
        self.rest = body

    def take(self, count):
        if count > len(self.rest):
            raise BadFrame("the message ends early")
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken


def varint(value):
    """Seven bits a byte, lowest first, the top bit set on all but the last."""
    out = bytearray()
    while value > 0x7f:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    return bytes(out) + bytes([value])


def unsigned(bits, most=None):
    most = 2 ** bits - 1 if most is None else most

    def read(reader):
        value, shift, byte = 0, 0, 0x80
        while byte & 0x80:
            byte = reader.take(1)[0]
            value |= (byte & 0x7f) << shift
            shift += 7
            if value > most or (byte == 0 and shift > 7):
                raise BadFrame("a number is out of range, or longer than needed")
        return value
    return read


def signed(bits, least=None, most=None):
    least = -2 ** (bits - 1) if least is None else least
    most = 2 ** (bits - 1) - 1 if most is None else most

    def read(reader):
        zigzag = unsigned(bits)(reader)
        value = zigzag >> 1 ^ -(zigzag & 1)
        if not least <= value <= most:
            raise BadFrame("a number is out of range")
        return value
    return read


def byte(reader):
    return reader.take(1)[0]


def text(most):
    def read(reader):
        try:
            value = reader.take(unsigned(32, most)(reader)).decode("utf-8")
        except UnicodeDecodeError:
            raise BadFrame("a text is not UTF-8") from None
        if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in value):
            raise BadFrame("a text holds a control character")
        return value
    return read


def option(item):
    def read(reader):
        tag = byte(reader)
        if tag > 1:
            raise BadFrame("an option is neither there nor absent")
        return item(reader) if tag else None
    return read


def listed(most, item):
    return lambda reader: [item(reader) for _ in range(unsigned(32, most)(reader))]


def array(count, item):
    return lambda reader: [item(reader) for _ in range(count)]


def record(**fields):
    return lambda reader: {name: field(reader) for name, field in fields.items()}


def choice(*names):
    return lambda reader: names[unsigned(32, len(names) - 1)(reader)]


def flag(reader):
    value = byte(reader)
    if value > 1:
        raise BadFrame("a yes or no is neither")
    return value == 1


def flags(*words):
    def read(reader):
        bits = byte(reader)
        if bits >= 1 << len(words):
            raise BadFrame("an unknown flag")
        return [word for at, word in enumerate(words) if bits >> at & 1]
    return read


def variant(**variants):
    named = list(variants.items())

    def read(reader):
        name, fields = named[unsigned(32, len(named) - 1)(reader)]
        return {name: fields(reader)} if fields else name
    return read


def kinds(long=None, **kinds):
    """A message: its kind's number and then its fields; {kind: fields}, or the bare name of a kind without fields.
    `long` has the kinds from 64 on."""
    numbered = {**dict(enumerate(kinds.items())), **dict(enumerate((long or {}).items(), 64))}

    def read(reader):
        number = unsigned(32)(reader)
        if number not in numbered:
            raise BadFrame(f"message kind {number} is unknown to this client; the peer is newer")
        name, fields = numbered[number]
        return {name: fields(reader)} if fields else name
    return read


# ---- messages: the fields in the order of the wire ---------------------------------------------------------------

u16, u32, u64 = unsigned(16), unsigned(32), unsigned(64)
coord, share = signed(16, -STEPS, 2 * STEPS), unsigned(16, STEPS)
size = signed(16, 0, 2 * STEPS)
times = record(p50_us=u32, p99_us=u32)

SLOT = record(transfer=u32, version=text(20), security_counter=u32,
              state=choice("Writing", "Ready", "Trial", "Confirmed", "Failed"))
SLOTS = record(active=option(choice("A", "B")), slots=array(2, option(SLOT)))
OFFER = record(length=unsigned(64, 1024 * (2 ** 32 - 1)), sha256=array(32, byte), name=text(24), version=text(20),
               security_counter=u32, families=listed(4, text(32)))
TOKEN = record(token=u32)
FACE = record(
    id=u32, area=record(x=coord, y=coord, w=size, h=size), landmarks=array(5, record(x=coord, y=coord)),
    confidence=share, scores=listed(8, share), label=option(byte), smoothing=choice("Unsure", "Holding", "Stable"),
    quality=flags("small", "dark", "oblique", "occluded", "partial"))
MODE = record(format=text(8), width=u16, height=u16, fps_tenths=u16)
LEVEL = choice("Error", "Warn", "Info", "Debug")
CONDITION = choice("Unknown", "Good", "Strained", "Bad")
UP = kinds(
    Hello=record(protocol=byte, boot=u32, device=text(32), firmware=text(24), model=text(24), model_version=text(20),
                 engine=text(24), labels=listed(8, text(12))),
    Report=record(boot=u32, seq=u32, captured_us=u64, age_us=u32, width=u16, height=u16, dropped=u32,
                  faces=byte, face=option(FACE)),
    Status=record(
        boot=u32, uptime_ms=u64, unix_offset_us=option(signed(64)), engine=text(24),
        camera=choice("Starting", "Streaming", "Lost", "Ended", "Off", "Private"),
        sink=choice("Connecting", "Connected", "Lost"),
        counters=record(frames=u32, clips=u32, reports=u32, dropped_frames=u32, dropped_reports=u32, bad_received=u32,
                        reconnects=u32),
        fps_tenths=u16, temperature_tenths_c=option(signed(16)), rss_kib=u32,
        latency=record(decode=times, crop=times, infer=times, outputs=times, encode=times),
        parts=record(engine=CONDITION, storage=CONDITION, temperature=CONDITION, memory=CONDITION, clock=CONDITION),
        clips_tenths=u16),
    Log=record(level=LEVEL, at_us=u64, text=text(200)),
    Pong=record(token=u32, board_us=u64),
    Ack=TOKEN,
    Nack=record(token=u32, reason=choice("Unsupported", "BadValue", "Busy", "Failed"), detail=text(96)),
    Slots=record(token=u32, family=text(32), model=SLOTS, daemon=SLOTS, trial_starts_left=option(byte),
                 security_counter=u32, free_bytes=u64),
    UpdateState=record(
        token=u32, transfer=u32,
        phase=choice("Idle", "Receiving", "Verifying", "Verified", "Installing", "Installed"),
        chunks=u32, durable=u32, received=u32, later=unsigned(128), window=unsigned(16, 128), checked=u32),
    UpdateRefused=record(
        token=u32, transfer=u32,
        refusal=choice("WrongBoard", "NoSpace", "OlderCounter", "AlreadyInstalled", "Busy", "Storage", "Damaged",
                       "NotTrusted", "Unusable", "NotAllowed"),
        detail=text(96)),
    CameraMode=record(token=u32, index=u16, count=u16, mode=MODE, current=flag, readable=flag))
DOWN = kinds(
    Hello=None, Ping=TOKEN, SetTime=record(token=u32, unix_us=u64), SlotsQuery=TOKEN,
    UpdateBegin=record(token=u32, offer=OFFER), UpdateQuery=TOKEN, UpdateFinish=record(token=u32, transfer=u32),
    Confirm=TOKEN, Rollback=TOKEN, LogsQuery=record(token=u32, lines=byte),
    Permit=record(token=u32, permit=listed(160, byte)), CameraModesQuery=TOKEN,
    Camera=record(token=u32, action=variant(Stop=None, Start=None, Choose=MODE)),
    Subscribe=record(token=u32, report_every_ms=option(u16), status_every_ms=option(unsigned(32)), log=option(LEVEL)),
    long={"UpdateChunk": record(transfer=u32, index=u32, data=listed(1024, byte))})


def face_holds(face):
    index = face["label"]
    return (index is None or index < len(face["scores"])) and (face["smoothing"] == "Unsure") == (index is None)


# What must hold among the fields of a message.
RULES = {
    "Hello": lambda m: len(set(m["labels"])) == len(m["labels"]),
    "Report": lambda m: (m["faces"] == 0) == (m["face"] is None) and (m["face"] is None or face_holds(m["face"])),
    "UpdateState": lambda m: (m["checked"] <= m["durable"] <= m["received"] <= m["chunks"]
                              and m["later"] >> max(m["chunks"] - m["received"] - 1, 0) == 0),
    "CameraMode": lambda m: m["index"] < m["count"],
    "UpdateBegin": lambda m: m["offer"]["length"] > 0 and len(m["offer"]["families"]) > 0,
    "Subscribe": lambda m: m["status_every_ms"] is None or m["status_every_ms"] >= 100,
    "UpdateChunk": lambda m: len(m["data"]) > 0}


# ---- an example: prints each face's expression -------------------------------------------------------------------

def main(path):
    import serial  # pyserial
    port, labels = serial.Serial(path, 115200, timeout=1), []
    port.write(b"\0" + encode(hello()))
    for message in frames(iter(lambda: port.read(port.in_waiting or 1), None)):
        if isinstance(message, BadFrame):
            print("bad frame:", message, file=sys.stderr)
        elif "Hello" in message:
            labels = message["Hello"]["labels"]
            print("board", message["Hello"]["device"], "runs", message["Hello"]["model"])
        elif "Report" in message and (face := message["Report"]["face"]):
            index = face["label"]
            if index is None or index >= len(labels):
                print(f"face {face['id']}: unsure")
            else:
                score, age_ms = fraction(face["scores"][index]), message["Report"]["age_us"] / 1000
                print(f"face {face['id']}: {labels[index]} {score:.2f}, {age_ms:.0f} ms old")


if __name__ == "__main__":
    main(*sys.argv[1:])
