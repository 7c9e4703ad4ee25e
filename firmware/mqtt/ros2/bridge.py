#!/usr/bin/env python3
"""Copies what a board says over MQTT to the topics that ROS 2 nodes listen to. Needs no ROS 2, but `cyclonedds` and `paho-mqtt` 2.

    pip install cyclonedds paho-mqtt
    bridge.py HOST PORT PREFIX/DEVICE        for example: bridge.py 127.0.0.1 1883 mtcae/desk

ROS_DOMAIN_ID is heeded. Ends with Ctrl-C.
"""

import json
import os
import sys

import paho.mqtt.client as mqtt
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.pub import DataWriter
from cyclonedds.topic import Topic
from cyclonedds.util import duration

import hri

# What ROS 2 calls its default: reliable, the last ten.
DEFAULT = Qos(Policy.Reliability.Reliable(duration(milliseconds=100)), Policy.History.KeepLast(10))


class Bridge:
    """A writer for each topic, for as long as its face is tracked."""

    def __init__(self, root, domain):
        self.root = root
        self.participant = DomainParticipant(domain)
        self.writers = {}

    def write(self, topic, payload):
        name = topic.removeprefix(self.root)
        kind = hri.TYPES.get(name.rsplit("/", 1)[-1])
        if kind is None:
            return
        message = hri.message(kind, json.loads(payload))
        if name not in self.writers:
            ros = Topic(self.participant, "rt/humans/" + name, kind)
            self.writers[name] = DataWriter(self.participant, ros, DEFAULT)
        self.writers[name].write(message)
        if kind is hri.IdsList:
            for old in [n for n in self.writers if n != name and n.split("/")[1] not in message.ids]:
                del self.writers[old]


def main(host, port, device):
    bridge = Bridge(device + "/", int(os.environ.get("ROS_DOMAIN_ID", "0")))
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)

    def on_message(_client, _userdata, received):
        try:
            bridge.write(received.topic, received.payload)
        # Any client of the broker may write there, and DDS refuses values and names with exceptions of no kind.
        except Exception as error:
            print(f"{received.topic}: {error}", file=sys.stderr)

    client.on_connect = lambda client, *_: client.subscribe(device + "/faces/#")
    client.on_subscribe = lambda *_: print("subscribed", flush=True)
    client.on_message = on_message
    client.connect(host, int(port))
    client.loop_forever()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    try:
        main(*sys.argv[1:])
    except KeyboardInterrupt:
        pass
