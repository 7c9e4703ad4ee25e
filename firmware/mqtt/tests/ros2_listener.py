"""Listens, as a ROS 2 node would, to topics of DDS, and prints one JSON object for each message.

    ros2_listener.py SECONDS TOPIC=TYPE...       for example: rt/humans/faces/tracked=hri_msgs/msg/IdsList

The bytes of a message are read by `rosbags`, another implementation of ROS 2's types and encoding, from definitions in the
form of `.msg` files; names of topics and types are those that the domain itself announces.
"""

import json
import sys
import time

import numpy
from cyclonedds.builtin import BuiltinDataReader, BuiltinTopicDcpsPublication
from cyclonedds.core import Policy, Qos
from cyclonedds.domain import DomainParticipant
from cyclonedds.sub import DataReader
from cyclonedds.topic import Topic
from cyclonedds.util import duration
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

import hri

# From https://github.com/ros4hri/hri_msgs, commit 52bdab7fedaa92b281839c2cb221cc1e35e09f90, without comments and constants.
DEFINITIONS = {
    "hri_msgs/msg/IdsList": "std_msgs/Header header\nstring[] ids",
    "hri_msgs/msg/NormalizedRegionOfInterest2D": "std_msgs/Header header\nfloat32 xmin\nfloat32 ymin\nfloat32 xmax\nfloat32 ymax\nfloat32 c",
    "hri_msgs/msg/NormalizedPointOfInterest2D": "float32 x\nfloat32 y\nfloat32 c",
    "hri_msgs/msg/FacialLandmarks": "std_msgs/Header header\nhri_msgs/NormalizedPointOfInterest2D[70] landmarks\nuint32 height\nuint32 width",
    "hri_msgs/msg/Expression": "std_msgs/Header header\nstring expression\nfloat32 valence\nfloat32 arousal\nfloat32 confidence",
}


def plain(value):
    """A message of rosbags as JSON."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__ if name != "__msgtype__"}
    if isinstance(value, (list, numpy.ndarray)):
        return [plain(each) for each in value]
    return value.item() if isinstance(value, numpy.generic) else value


def main(seconds, wanted):
    store = get_typestore(Stores.ROS2_HUMBLE)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    participant = DomainParticipant(0)
    qos = Qos(Policy.Reliability.Reliable(duration(milliseconds=100)), Policy.History.KeepLast(10))
    readers = {}
    for topic, kind in (each.split("=") for each in wanted):
        here = {known.__name__: known for known in hri.TYPES.values()}[kind.rsplit("/", 1)[-1]]
        readers[topic] = (kind, DataReader(participant, Topic(participant, topic, here), qos))
    announced = BuiltinDataReader(participant, BuiltinTopicDcpsPublication)
    print(json.dumps({"ready": True}), flush=True)
    end = time.monotonic() + float(seconds)
    while time.monotonic() < end:
        for one in announced.take(N=100):
            if getattr(one, "topic_name", None):
                print(json.dumps({"announced": one.topic_name, "type": one.type_name}), flush=True)
        for topic, (kind, reader) in readers.items():
            for sample in reader.take(N=100):
                if isinstance(sample, tuple(hri.TYPES.values())):
                    message = store.deserialize_cdr(sample.serialize(), kind)
                    print(json.dumps({"topic": topic, "message": plain(message)}), flush=True)
        time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
