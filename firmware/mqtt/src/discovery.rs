//! What makes Home Assistant find the board by itself: one retained configuration for each of its entities.

use crate::topics::{OFFLINE, ONLINE, Part, Publication, Qos, Topics};
use mtcae_wire::Hello;
use serde_json::{Value, json};

/// The prefix that Home Assistant listens to unless told otherwise.
const PREFIX: &str = "homeassistant";

/// An entity: its kind, its id below the device's, its name, the part it reads, and its other keys.
type Entity = (&'static str, &'static str, &'static str, Part, Value);

/// The configurations of the board that said `hello`.
pub(crate) fn configurations(topics: &Topics, hello: &Hello) -> Vec<Publication> {
    let device = hello.device.as_str();
    entities().into_iter().map(|entity| configuration(topics, hello, device, entity)).collect()
}

fn entities() -> [Entity; 5] {
    let diagnostic = "diagnostic";
    [
        // The newest face's: an id lives too short for an entity of its own.
        (
            "sensor",
            "expression",
            "Expression",
            Part::Expression,
            json!({
                "value_template": "{{ value_json.expression or 'unknown' }}", "icon": "mdi:emoticon-outline",
            }),
        ),
        (
            "binary_sensor",
            "face",
            "Face in view",
            Part::Tracked,
            json!({
                "value_template": "{{ 'ON' if value_json.ids | length > 0 else 'OFF' }}", "device_class": "occupancy",
            }),
        ),
        (
            "sensor",
            "camera",
            "Camera",
            Part::Status,
            json!({
                "value_template": "{{ value_json.camera }}", "entity_category": diagnostic,
            }),
        ),
        (
            "sensor",
            "fps",
            "Frame rate",
            Part::Status,
            json!({
                "value_template": "{{ value_json.fps }}", "unit_of_measurement": "fps", "entity_category": diagnostic,
            }),
        ),
        (
            "sensor",
            "temperature",
            "Temperature",
            Part::Status,
            json!({
                "value_template": "{{ value_json.temperature_c }}", "device_class": "temperature",
                "unit_of_measurement": "°C", "entity_category": diagnostic,
            }),
        ),
    ]
}

fn configuration(topics: &Topics, hello: &Hello, device: &str, entity: Entity) -> Publication {
    let (kind, id, name, part, mut keys) = entity;
    let unique = format!("mtcae_{device}_{id}");
    let mut set = |key: &str, value: Value| keys[key] = value;
    set("name", name.into());
    set("unique_id", unique.as_str().into());
    set("state_topic", topics.topic(part, "+").into());
    set("availability_topic", topics.topic(Part::Available, "").into());
    set("payload_available", ONLINE.into());
    set("payload_not_available", OFFLINE.into());
    set(
        "device",
        json!({
            "identifiers": [format!("mtcae_{device}")], "name": device, "sw_version": hello.firmware.as_str(),
            "model": format!("{} {}", hello.model.as_str(), hello.model_version.as_str()),
        }),
    );
    let topic = format!("{PREFIX}/{kind}/{unique}/config");
    Publication { topic, payload: keys.to_string(), qos: Qos::AtLeastOnce, retain: true }
}
