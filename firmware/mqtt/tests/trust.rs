//! A real mosquitto that wants to know who it is: passwords, authorities, certificates.

mod common;

use common::{Broker, LONG, hello, mosquitto};
use mtcae_core::{Sink, SinkError};
use mtcae_mqtt::{MqttOptions, MqttSink, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use std::fs::{Permissions, set_permissions, write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const PASSWORD: &str = "correct horse";

fn options(broker: &Broker) -> MqttOptions {
    MqttOptions {
        host: "127.0.0.1".into(),
        port: broker.port,
        prefix: "mtcae".into(),
        device: "desk".into(),
        user: None,
        password_file: None,
        tls: None,
        home_assistant: false,
        unix_offset_us: None,
    }
}

/// Whether there is a connection, or why not; the broker's port and the folder's name left out.
fn outcome(broker: &Broker, options: &MqttOptions) -> String {
    let short = |why: String| {
        let folder = broker.folder.path().to_str().unwrap();
        why.replace(&broker.port.to_string(), "PORT").replace(folder, "...")
    };
    let mut sink = match MqttSink::open(options) {
        Ok(sink) => sink,
        Err(why) => return short(why.to_string()),
    };
    let end = Instant::now() + LONG;
    loop {
        if sink.session().is_some() {
            // With TLS 1.3 a broker refuses a certificate only after the client believes to be in; not so its answer.
            assert_eq!(sink.send(&hello()), Ok(()));
            return "connected".to_owned();
        }
        match sink.poll() {
            Ok(_) => assert!(Instant::now() < end, "neither a connection nor an end"),
            Err(SinkError::Lost(why)) => return short(why),
            Err(SinkError::Busy) => panic!("busy is no answer to a poll"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn secret(path: PathBuf, content: &str, mode: u32) -> PathBuf {
    write(&path, content).unwrap();
    set_permissions(&path, Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn only_the_right_password_is_let_in_and_no_error_tells_it() {
    let Some(program) = mosquitto() else { return };
    let tool = program.with_file_name("mosquitto_passwd");
    let tool = if tool.is_file() { tool } else { "mosquitto_passwd".into() };
    let broker = Broker::start(&program, "allow_anonymous false\npassword_file DIR/users", |folder| {
        let made = Command::new(&tool).args(["-b", "-c"]).arg(folder.join("users")).args(["desk", PASSWORD]).output();
        assert!(made.expect("mosquitto_passwd comes with mosquitto").status.success());
    });
    let file = |name: &str, content: &str, mode| Some(secret(broker.folder.path().join(name), content, mode));
    let with = |user: &str, password_file| {
        outcome(&broker, &MqttOptions { user: Some(user.into()), password_file, ..options(&broker) })
    };
    assert_eq!(with("desk", file("right", &format!("{PASSWORD}\n"), 0o600)), "connected");
    let refusals = [
        with("desk", file("wrong", "battery staple\n", 0o600)),
        with("robot", file("right", PASSWORD, 0o600)),
        with("desk", file("open", PASSWORD, 0o640)),
        with("desk", Some(broker.folder.path().join("missing"))),
        outcome(&broker, &options(&broker)),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    mqtt:127.0.0.1:PORT: the broker refused: user and password do not admit this board; see `user` and `password_file`
    mqtt:127.0.0.1:PORT: the broker refused: user and password do not admit this board; see `user` and `password_file`
    mqtt:127.0.0.1:PORT: password file .../open: its mode is 640, so that others may read it; accepted is 600: chmod 600 it
    mqtt:127.0.0.1:PORT: password file .../missing: No such file or directory (os error 2); the board file's `password_file` names it
    mqtt:127.0.0.1:PORT: the broker refused: user and password do not admit this board; see `user` and `password_file`
    "#);
    assert!(refusals.iter().all(|why| !why.contains(PASSWORD) && !why.contains("battery")));
}

/// An authority, whose certificate is in `NAME.pem`.
fn authority(folder: &Path, name: &str) -> Issuer<'static, KeyPair> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().unwrap();
    write(folder.join(name).with_extension("pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    Issuer::new(params, key)
}

/// A certificate for `host` in `NAME.pem`, its key in `NAME.key`.
fn certificate(folder: &Path, name: &str, host: &str, authority: &Issuer<'static, KeyPair>) -> (PathBuf, PathBuf) {
    let params = CertificateParams::new([host.to_owned()]).unwrap();
    let key = KeyPair::generate().unwrap();
    let path = folder.join(name).with_extension("pem");
    write(&path, params.signed_by(&key, authority).unwrap().pem()).unwrap();
    (path, secret(folder.join(name).with_extension("key"), &key.serialize_pem(), 0o600))
}

#[test]
fn only_a_broker_of_the_right_authority_is_trusted() {
    let Some(program) = mosquitto() else { return };
    let settings = "allow_anonymous true\ncertfile DIR/broker.pem\nkeyfile DIR/broker.key";
    let broker = Broker::start(&program, settings, |folder| {
        certificate(folder, "broker", "127.0.0.1", &authority(folder, "good"));
        authority(folder, "other");
    });
    let with = |host: &str, ca: &str| {
        let tls = Some(TlsFiles { ca: broker.folder.path().join(ca), client: None });
        outcome(&broker, &MqttOptions { host: host.into(), tls, ..options(&broker) })
    };
    assert_eq!(with("127.0.0.1", "good.pem"), "connected");
    let refusals = [
        with("127.0.0.1", "other.pem"),
        with("localhost", "good.pem"),
        with("127.0.0.1", "broker.key"),
        outcome(&broker, &options(&broker)),
    ];
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    mqtts:127.0.0.1:PORT: no encrypted connection: invalid peer certificate: UnknownIssuer; `ca` must be the certificate of the authority that signed the broker's
    mqtts:localhost:PORT: no encrypted connection: invalid peer certificate: certificate not valid for name "localhost"; certificate is only valid for IpAddress(127.0.0.1); `host` must be a name in the broker's certificate
    mqtts:127.0.0.1:PORT: authority's certificate .../broker.key: there is none in it; accepted is certificates in PEM
    mqtt:127.0.0.1:PORT: the broker closed the connection at once; TLS is on with `ca` and off without: is it there as well?
    "#);
    let open = Broker::open(&program);
    let ca = broker.folder.path().join("good.pem");
    let tls = Some(TlsFiles { ca, client: None });
    insta::assert_snapshot!(outcome(&open, &MqttOptions { tls, ..options(&open) }), @"mqtts:127.0.0.1:PORT: the broker closed the connection at once; TLS is on with `ca` and off without: is it there as well?");
}

#[test]
fn a_broker_may_want_certificates_of_its_clients() {
    let Some(program) = mosquitto() else { return };
    let settings = "allow_anonymous true\ncafile DIR/good.pem\ncertfile DIR/broker.pem\nkeyfile DIR/broker.key\n\
                    require_certificate true";
    let broker = Broker::start(&program, settings, |folder| {
        let (good, other) = (authority(folder, "good"), authority(folder, "other"));
        certificate(folder, "broker", "127.0.0.1", &good);
        certificate(folder, "desk", "desk", &good);
        certificate(folder, "stranger", "desk", &other);
    });
    let folder = broker.folder.path();
    let with = |client| {
        let tls = Some(TlsFiles { ca: folder.join("good.pem"), client });
        outcome(&broker, &MqttOptions { tls, ..options(&broker) })
    };
    let pair = |certificate: &str, key: &str| Some((folder.join(certificate), folder.join(key)));
    assert_eq!(with(pair("desk.pem", "desk.key")), "connected");
    let mut refusals =
        vec![with(None), with(pair("stranger.pem", "stranger.key")), with(pair("desk.pem", "stranger.key"))];
    set_permissions(folder.join("desk.key"), Permissions::from_mode(0o644)).unwrap();
    refusals.push(with(pair("desk.pem", "desk.key")));
    insta::assert_snapshot!(refusals.join("\n"), @r#"
    mqtts:127.0.0.1:PORT: no encrypted connection: received fatal alert: CertificateRequired; the broker wants a `certificate` and its `key`
    mqtts:127.0.0.1:PORT: no encrypted connection: received fatal alert: UnknownCA; the broker does not accept this board's `certificate`, or TLS 1.3
    mqtts:127.0.0.1:PORT: private key .../stranger.key: keys may not be consistent: KeyMismatch; accepted is the key of the client certificate
    mqtts:127.0.0.1:PORT: private key .../desk.key: its mode is 644, so that others may read it; accepted is 600: chmod 600 it
    "#);
}
