"""The messages of ROS 2 `hri_msgs` that a board publishes, as types of DDS, which ROS 2 speaks on the wire.

Names of types and topics are those that ROS 2's `rmw_cyclonedds_cpp` and `rmw_fastrtps_cpp` give them: a node finds them as
its own. Fields as in https://github.com/ros4hri/hri_msgs, commit 52bdab7fedaa92b281839c2cb221cc1e35e09f90.
"""

from dataclasses import dataclass, fields, is_dataclass
from typing import get_args, get_origin, get_type_hints

from cyclonedds.idl import IdlStruct
from cyclonedds.idl.types import array, float32, int32, sequence, uint32


@dataclass
class Time(IdlStruct, typename="builtin_interfaces.msg.dds_.Time_"):
    sec: int32
    nanosec: uint32


@dataclass
class Header(IdlStruct, typename="std_msgs.msg.dds_.Header_"):
    stamp: Time
    frame_id: str


@dataclass
class IdsList(IdlStruct, typename="hri_msgs.msg.dds_.IdsList_"):
    header: Header
    ids: sequence[str]


@dataclass
class NormalizedRegionOfInterest2D(IdlStruct, typename="hri_msgs.msg.dds_.NormalizedRegionOfInterest2D_"):
    header: Header
    xmin: float32
    ymin: float32
    xmax: float32
    ymax: float32
    c: float32


@dataclass
class NormalizedPointOfInterest2D(IdlStruct, typename="hri_msgs.msg.dds_.NormalizedPointOfInterest2D_"):
    x: float32
    y: float32
    c: float32


@dataclass
class FacialLandmarks(IdlStruct, typename="hri_msgs.msg.dds_.FacialLandmarks_"):
    header: Header
    landmarks: array[NormalizedPointOfInterest2D, 70]
    height: uint32
    width: uint32


@dataclass
class Expression(IdlStruct, typename="hri_msgs.msg.dds_.Expression_"):
    header: Header
    expression: str
    valence: float32
    arousal: float32
    confidence: float32


# The last word of an MQTT topic, and what is published there.
TYPES = {
    "tracked": IdsList,
    "roi": NormalizedRegionOfInterest2D,
    "landmarks": FacialLandmarks,
    "expression": Expression,
}


def message(kind, value):
    """The message of type `kind` that a board's JSON is, field by field; raises ValueError when it is no object or the fields are others."""
    if not isinstance(value, dict):
        raise ValueError(f"{kind.__name__} is an object, not {value!r}")
    names = [field.name for field in fields(kind)]
    if sorted(value) != sorted(names):
        raise ValueError(f"{kind.__name__} has the fields {names}, not {sorted(value)}")
    hints = get_type_hints(kind)
    return kind(**{name: _field(hints[name], value[name]) for name in names})


def _field(kind, value):
    if is_dataclass(kind):
        return message(kind, value)
    if isinstance(value, list):
        # `array[kind, n]` and `sequence[kind]` are annotated lists.
        item = get_args(kind)[0] if get_origin(kind) else None
        item = get_args(item)[0] if item is not None and get_origin(item) else item
        return [_field(item, each) for each in value]
    return value
