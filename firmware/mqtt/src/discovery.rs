//! What makes Home Assistant find the board by itself: one retained configuration for each of its entities.

use mtcae_json::{OFFLINE, ONLINE, Part, Publication, Qos, Topics};
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
    Publication { part, topic, payload: keys.to_string(), qos: Qos::AtLeastOnce, retain: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_wire::Text;
    use serde_json::Value;

    fn hello() -> Hello {
        Hello {
            protocol: mtcae_wire::VERSION,
            boot: 7,
            device: "desk".into(),
            firmware: "0.1.0".into(),
            model: "edge".into(),
            model_version: "1.2.0".into(),
            engine: "tract".into(),
            labels: mtcae_wire::heapless::Vec::from_slice(&["neutral", "happy"].map(Text::from)).unwrap(),
        }
    }

    #[test]
    fn home_assistant_is_told_of_every_entity() {
        let topics = Topics::new("mtcae", "desk");
        let all = configurations(&topics, &hello());
        assert!(all.len() <= mtcae_json::MOST_AT_ONCE && all.iter().all(|p| p.retain && p.qos == Qos::AtLeastOnce));
        let names: Vec<&str> = all.iter().map(|p| p.topic.as_str()).collect();
        insta::assert_snapshot!(names.join("\n"), @r#"
        homeassistant/sensor/mtcae_desk_expression/config
        homeassistant/binary_sensor/mtcae_desk_face/config
        homeassistant/sensor/mtcae_desk_camera/config
        homeassistant/sensor/mtcae_desk_fps/config
        homeassistant/sensor/mtcae_desk_temperature/config
        "#);
        insta::assert_snapshot!(all[0].payload, @r#"{"availability_topic":"mtcae/desk/available","device":{"identifiers":["mtcae_desk"],"model":"edge 1.2.0","name":"desk","sw_version":"0.1.0"},"icon":"mdi:emoticon-outline","name":"Expression","payload_available":"online","payload_not_available":"offline","state_topic":"mtcae/desk/faces/+/expression","unique_id":"mtcae_desk_expression","value_template":"{{ value_json.expression or 'unknown' }}"}"#);
        for publication in &all {
            let json: Value = serde_json::from_str(&publication.payload).unwrap();
            assert_eq!(json["payload_available"], ONLINE);
            assert_eq!(json["availability_topic"], topics.topic(Part::Available, ""));
        }
    }
}
