//! What a person reads when a board file is wrong.

use mtcae_board_configs::{MAX_BYTES, load, load_builtin};

const HEAD: &str = "[board]\nname = \"t\"\nfamily = \"pc\"\n";

/// The message for the smallest good file with `rest` below it.
fn message(rest: &str) -> String {
    message_of(&format!("{HEAD}{rest}"))
}

fn message_of(text: &str) -> String {
    load("robot.toml", text).expect_err("the file is wrong").to_string()
}

#[test]
fn the_head_alone_is_a_good_file() {
    load("robot.toml", HEAD).expect("everything else has a default");
}

#[test]
fn unknown_keys_and_sections() {
    insta::assert_snapshot!(message("[camera]\nwidht = 640\n"), @"robot.toml:5: unknown key `camera.widht` (set to 640) (did you mean `width`?); accepted in [camera]: source, max_side, device, formats, width, height, fps, timeout_ms, reopen_ms, exposure_us, mains, black_level, path, loop, realtime");
    insta::assert_snapshot!(message("[camera]\nzebra = \"a\\nb\"\n"), @r#"robot.toml:5: unknown key `camera.zebra` (set to "a\nb"); accepted in [camera]: source, max_side, device, formats, width, height, fps, timeout_ms, reopen_ms, exposure_us, mains, black_level, path, loop, realtime"#);
    insta::assert_snapshot!(message("[detecter]\nevery_ms = 100\n"), @"robot.toml:4: unknown key `detecter` (set to a table) (did you mean `detector`?); accepted in this file: board, camera, model, detector, estimate, report, update, pins, sink");
    insta::assert_snapshot!(message("[report]\nbaud = 9600\n"), @"robot.toml:5: unknown key `report.baud` (set to 9600) (did you mean `sink.baud`?); accepted in [report]: max_hz, status_every_ms, max_age_ms");
    insta::assert_snapshot!(message("[model]\nengine.name = \"tract\"\n"), @r#"robot.toml:5: `model.engine` is a table; accepted: one of "auto", "cuda", "tensorrt", "cpu-ort", "tract""#);
    insta::assert_snapshot!(message("[camera]\n\"wi dth\" = 1\n"), @r#"robot.toml:5: unknown key `camera."wi dth"` (set to 1) (did you mean `width`?); accepted in [camera]: source, max_side, device, formats, width, height, fps, timeout_ms, reopen_ms, exposure_us, mains, black_level, path, loop, realtime"#);
    insta::assert_snapshot!(message_of("fps = 30\n[board]\nname = \"t\"\nfamily = \"pc\"\n"), @"robot.toml:1: unknown key `fps` (set to 30) (did you mean `camera.fps`?); accepted in this file: board, camera, model, detector, estimate, report, update, pins, sink");
}

#[test]
fn keys_of_another_source_or_sink() {
    insta::assert_snapshot!(message("[camera]\nsource = \"v4l2\"\nloop = true\n"), @r#"robot.toml:6: unknown key `camera.loop` (set to true) (did you mean `camera.source = "file"`?); accepted in [camera]: source, max_side, device, formats, width, height, fps, timeout_ms, reopen_ms, exposure_us, mains, black_level"#);
    insta::assert_snapshot!(message("[camera]\nsource = \"file\"\npath = \"a.y4m\"\nfps = 3\n"), @r#"robot.toml:7: unknown key `camera.fps` (set to 3) (did you mean `camera.source = "v4l2"`?); accepted in [camera]: source, max_side, path, loop, realtime"#);
    insta::assert_snapshot!(message("[[sink]]\nkind = \"stdout\"\nport = \"/dev/ttyS0\"\n"), @r#"robot.toml:6: unknown key `sink[0].port` (set to "/dev/ttyS0") (did you mean `kind = "serial"`?); accepted in [[sink]]: kind, outbox"#);
}

#[test]
fn tcp_sinks() {
    let tcp = |rest: &str| message(&format!("[[sink]]\nkind = \"tcp\"\n{rest}\n"));
    insta::assert_snapshot!(tcp("port = \"/dev/ttyS0\""), @r#"robot.toml:6: unknown key `sink[0].port` (set to "/dev/ttyS0") (did you mean `kind = "serial"`?); accepted in [[sink]]: kind, outbox, listen, key, clients"#);
    insta::assert_snapshot!(message("[[sink]]\nkind = \"serial\"\nport = \"/dev/ttyS0\"\nlisten = \"0.0.0.0:1\"\n"), @r#"robot.toml:7: unknown key `sink[0].listen` (set to "0.0.0.0:1") (did you mean `kind = "tcp"`?); accepted in [[sink]]: kind, outbox, port, baud"#);
    insta::assert_snapshot!(message("[[sink]]\nkind = \"stdout\"\nclients = \"a\"\n"), @r#"robot.toml:6: unknown key `sink[0].clients` (set to "a") (did you mean `kind = "tcp"`?); accepted in [[sink]]: kind, outbox"#);
    insta::assert_snapshot!(tcp("listen = 7452"), @r#"robot.toml:6: `sink[0].listen` is 7452; accepted: an IP address and a port from 1 to 65535, for example "0.0.0.0:7452" or "[::]:7452""#);
    insta::assert_snapshot!(tcp("listen = \"localhost:7452\""), @r#"robot.toml:6: `sink[0].listen` is "localhost:7452"; accepted: an IP address and a port from 1 to 65535, for example "0.0.0.0:7452" or "[::]:7452""#);
    insta::assert_snapshot!(tcp("listen = \"0.0.0.0:0\""), @r#"robot.toml:6: `sink[0].listen` is "0.0.0.0:0"; accepted: an IP address and a port from 1 to 65535, for example "0.0.0.0:7452" or "[::]:7452""#);
    insta::assert_snapshot!(tcp("listen = \"0.0.0.0\""), @r#"robot.toml:6: `sink[0].listen` is "0.0.0.0"; accepted: an IP address and a port from 1 to 65535, for example "0.0.0.0:7452" or "[::]:7452""#);
    insta::assert_snapshot!(tcp("key = \"\""), @r#"robot.toml:6: `sink[0].key` is ""; accepted: a path of 1 to 1024 characters, in quotes"#);
    insta::assert_snapshot!(tcp("[[sink]]\nkind = \"tcp\""), @r#"robot.toml:6: `sink[1].listen` is "127.0.0.1:7452"; accepted: an address that no [[sink]] above has"#);
    insta::assert_snapshot!(tcp("[[sink]]\nkind = \"tpc\""), @r#"robot.toml:7: `sink[1].kind` is "tpc"; accepted: one of "serial", "stdout", "tcp", "mqtt""#);
}

#[test]
fn mqtt_sinks() {
    let mqtt = |rest: &str| message(&format!("[[sink]]\nkind = \"mqtt\"\nhost = \"broker.local\"\n{rest}\n"));
    let host = |host: &str| message(&format!("[[sink]]\nkind = \"mqtt\"\nhost = {host}\n"));
    insta::assert_snapshot!(message("[[sink]]\nkind = \"mqtt\"\n"), @"robot.toml:4: missing key `sink[0].host`; accepted: a host's name or IPv4 address, in quotes");
    insta::assert_snapshot!(host("\"mqtt://broker.local\""), @r#"robot.toml:6: `sink[0].host` is "mqtt://broker.local"; accepted: a host's name or IPv4 address, in quotes"#);
    insta::assert_snapshot!(host("\"::1\""), @r#"robot.toml:6: `sink[0].host` is "::1"; accepted: a host's name or IPv4 address, in quotes"#);
    insta::assert_snapshot!(mqtt("port = 0"), @"robot.toml:7: `sink[0].port` is 0; accepted: a whole number from 1 to 65535");
    insta::assert_snapshot!(mqtt("port = \"/dev/ttyS0\""), @r#"robot.toml:7: `sink[0].port` is "/dev/ttyS0"; accepted: a whole number from 1 to 65535"#);
    insta::assert_snapshot!(mqtt("prefix = \"a/#\""), @r#"robot.toml:7: `sink[0].prefix` is "a/#"; accepted: 1 to 64 of a-z, A-Z, 0-9, -, _ and, between them, /, in quotes"#);
    insta::assert_snapshot!(mqtt("prefix = \"/a\""), @r#"robot.toml:7: `sink[0].prefix` is "/a"; accepted: 1 to 64 of a-z, A-Z, 0-9, -, _ and, between them, /, in quotes"#);
    insta::assert_snapshot!(mqtt("password = \"x\""), @r#"robot.toml:7: unknown key `sink[0].password` (set to "...") (did you mean `password_file`?); accepted in [[sink]]: kind, outbox, port, baud, listen, key, clients, host, prefix, user, password_file, ca, certificate, home_assistant"#);
    insta::assert_snapshot!(mqtt("password_file = \"x\""), @r#"robot.toml:7: `sink[0].password_file` is "x"; accepted: a path, with `user` beside it"#);
    insta::assert_snapshot!(mqtt("ca = \"x\"\ncertificate = \"x\""), @r#"robot.toml:8: `sink[0].certificate` is "x"; accepted: a path, with `key` beside it"#);
    insta::assert_snapshot!(mqtt("ca = \"x\"\nkey = \"x\""), @r#"robot.toml:8: `sink[0].key` is "x"; accepted: a path, with `certificate` beside it"#);
    insta::assert_snapshot!(mqtt("certificate = \"x\"\nkey = \"y\""), @r#"robot.toml:7: `sink[0].certificate` is "x"; accepted: a path, with `ca` beside it"#);
    insta::assert_snapshot!(mqtt("home_assistant = \"yes\""), @r#"robot.toml:7: `sink[0].home_assistant` is "yes"; accepted: true or false"#);
    insta::assert_snapshot!(mqtt("listen = \"0.0.0.0:1\""), @r#"robot.toml:7: unknown key `sink[0].listen` (set to "0.0.0.0:1") (did you mean `kind = "tcp"`?); accepted in [[sink]]: kind, outbox, host, port, prefix, user, password_file, ca, certificate, key, home_assistant"#);
    insta::assert_snapshot!(mqtt("[[sink]]\nkind = \"mqtt\"\nprefix = \"b\"\nhost = \"broker.local\""), @r#"robot.toml:10: `sink[1].host` is "broker.local"; accepted: a broker (host and port) that no [[sink]] above has"#);
    insta::assert_snapshot!(message("[[sink]]\nkind = \"stdout\"\nprefix = \"a\"\n"), @r#"robot.toml:6: unknown key `sink[0].prefix` (set to "a") (did you mean `kind = "mqtt"`?); accepted in [[sink]]: kind, outbox"#);
}

#[test]
fn wrong_types() {
    insta::assert_snapshot!(message("[camera]\nfps = \"30\"\n"), @r#"robot.toml:5: `camera.fps` is "30"; accepted: a whole number from 1 to 240 (frames/s)"#);
    insta::assert_snapshot!(message("[camera]\nfps = 29.97\n"), @"robot.toml:5: `camera.fps` is 29.97; accepted: a whole number from 1 to 240 (frames/s)");
    insta::assert_snapshot!(message("camera = 3\n[model]\n"), @"robot.toml:4: unknown key `board.camera` (set to 3); accepted in [board]: name, family, description, memory_limit_mib, thermal");
    insta::assert_snapshot!(message_of("camera = \"v4l2\"\n"), @"robot.toml: missing key `board.name`; accepted: 1 to 32 of a-z, 0-9 and -, in quotes");
    insta::assert_snapshot!(message("[sink]\nkind = \"stdout\"\n"), @"robot.toml:4: `sink` is a table; accepted: 1 to 8 tables: [[sink]] on a line of its own, with the keys of each below");
    insta::assert_snapshot!(message("[camera]\nformats = \"MJPG\"\n"), @r#"robot.toml:5: `camera.formats` is "MJPG"; accepted: a list of one or more of "MJPG", "YUYV", "UYVY", "NV12", "GREY", "RGGB", "GRBG", "GBRG", "BA81", "RG10", "BA10", "GB10", "BG10", "pRAA", "pgAA", "pGAA", "pBAA", "RG12", "BA12", "GB12", "BG12", "pRCC", "pgCC", "pGCC", "pBCC", none twice"#);
    insta::assert_snapshot!(message("[camera]\nsource = \"file\"\npath = \"a\"\nloop = 1\n"), @"robot.toml:7: `camera.loop` is 1; accepted: true or false");
    insta::assert_snapshot!(message("[estimate]\nenter = 2026-01-01\n"), @"robot.toml:5: `estimate.enter` is 2026-01-01; accepted: a number from 0 to 1 (probability)");
}

#[test]
fn out_of_range() {
    insta::assert_snapshot!(message("[camera]\nfps = 1000\n"), @"robot.toml:5: `camera.fps` is 1000; accepted: a whole number from 1 to 240 (frames/s)");
    insta::assert_snapshot!(message("[camera]\nwidth = -640\n"), @"robot.toml:5: `camera.width` is -640; accepted: a whole number from 160 to 4096 (px)");
    insta::assert_snapshot!(message("[report]\nmax_hz = 0\n"), @"robot.toml:5: `report.max_hz` is 0; accepted: a number from 0.1 to 60 (1/s)");
    insta::assert_snapshot!(message("[estimate]\nenter = nan\n"), @"robot.toml:5: `estimate.enter` is nan; accepted: a number from 0 to 1 (probability)");
    insta::assert_snapshot!(message("[detector]\nthresholds = [0.6, 0.7]\n"), @"robot.toml:5: `detector.thresholds` is [0.6, 0.7]; accepted: a list of 3 numbers from 0 to 1");
    insta::assert_snapshot!(message("[detector]\nthresholds = [0.6, 0.7, 1.5]\n"), @"robot.toml:5: `detector.thresholds` is [0.6, 0.7, 1.5]; accepted: a list of 3 numbers from 0 to 1");
    insta::assert_snapshot!(message("[[sink]]\nkind = \"stdout\"\noutbox = 99999999999999999999\n"), @"robot.toml:6: `sink[0].outbox` is 99999999999999999999; accepted: a whole number from 1 to 1024 (messages)");
    insta::assert_snapshot!(message("[camera]\ndevice = \"webcam\"\n"), @r#"robot.toml:5: `camera.device` is "webcam"; accepted: "auto" or a path below /dev/, for example "/dev/v4l/by-id/...""#);
    insta::assert_snapshot!(message("[camera]\ndevice = \"/dev/../etc/passwd\"\n"), @r#"robot.toml:5: `camera.device` is "/dev/../etc/passwd"; accepted: "auto" or a path below /dev/, for example "/dev/v4l/by-id/...""#);
    insta::assert_snapshot!(message_of("[board]\nname = \"My Robot\"\nfamily = \"pc\"\n"), @r#"robot.toml:2: `board.name` is "My Robot"; accepted: 1 to 32 of a-z, 0-9 and -, in quotes"#);
}

#[test]
fn words_that_are_no_choice() {
    insta::assert_snapshot!(message("[model]\nengine = \"gpu\"\n"), @r#"robot.toml:5: `model.engine` is "gpu"; accepted: one of "auto", "cuda", "tensorrt", "cpu-ort", "tract""#);
    insta::assert_snapshot!(message("[camera]\nsource = \"gstreamer\"\n"), @r#"robot.toml:5: `camera.source` is "gstreamer"; accepted: one of "v4l2", "file""#);
    insta::assert_snapshot!(message("[camera]\nformats = [\"MJPG\", \"MJPG\"]\n"), @r#"robot.toml:5: `camera.formats` is ["MJPG", "MJPG"]; accepted: a list of one or more of "MJPG", "YUYV", "UYVY", "NV12", "GREY", "RGGB", "GRBG", "GBRG", "BA81", "RG10", "BA10", "GB10", "BG10", "pRAA", "pgAA", "pGAA", "pBAA", "RG12", "BA12", "GB12", "BG12", "pRCC", "pgCC", "pGCC", "pBCC", none twice"#);
    insta::assert_snapshot!(message("[camera]\nformats = [\"H264\"]\n"), @r#"robot.toml:5: `camera.formats` is ["H264"]; accepted: a list of one or more of "MJPG", "YUYV", "UYVY", "NV12", "GREY", "RGGB", "GRBG", "GBRG", "BA81", "RG10", "BA10", "GB10", "BG10", "pRAA", "pgAA", "pGAA", "pBAA", "RG12", "BA12", "GB12", "BG12", "pRCC", "pgCC", "pGCC", "pBCC", none twice"#);
    insta::assert_snapshot!(message("[camera]\nmains = 50\n"), @r#"robot.toml:5: `camera.mains` is 50; accepted: one of "auto", "50hz", "60hz""#);
    insta::assert_snapshot!(message("[camera]\nblack_level = 64\n"), @"robot.toml:5: `camera.black_level` is 64; accepted: a number from 0 to 0.5");
    insta::assert_snapshot!(message("[camera]\nexposure_us = \"auto\"\n"), @r#"robot.toml:5: `camera.exposure_us` is "auto"; accepted: a whole number from 0 to 1000000 (us)"#);
    insta::assert_snapshot!(message("[camera]\nformats = []\n"), @r#"robot.toml:5: `camera.formats` is []; accepted: a list of one or more of "MJPG", "YUYV", "UYVY", "NV12", "GREY", "RGGB", "GRBG", "GBRG", "BA81", "RG10", "BA10", "GB10", "BG10", "pRAA", "pgAA", "pGAA", "pBAA", "RG12", "BA12", "GB12", "BG12", "pRCC", "pgCC", "pGCC", "pBCC", none twice"#);
}

#[test]
fn missing_keys() {
    insta::assert_snapshot!(message_of(""), @"robot.toml: missing key `board.name`; accepted: 1 to 32 of a-z, 0-9 and -, in quotes");
    insta::assert_snapshot!(message_of("[board]\nname = \"t\"\n"), @"robot.toml:1: missing key `board.family`; accepted: 1 to 32 of a-z, 0-9 and -, in quotes");
    insta::assert_snapshot!(message("[camera]\nsource = \"file\"\n"), @"robot.toml:4: missing key `camera.path`; accepted: a path of 1 to 1024 characters, in quotes");
    insta::assert_snapshot!(message("[[sink]]\noutbox = 3\n"), @r#"robot.toml:4: missing key `sink[0].kind`; accepted: one of "serial", "stdout", "tcp", "mqtt""#);
    insta::assert_snapshot!(message("[[sink]]\nkind = \"stdout\"\n[[sink]]\nkind = \"serial\"\n"), @r#"robot.toml:6: missing key `sink[1].port`; accepted: a path below /dev/, for example "/dev/ttyTHS1""#);
}

#[test]
fn values_at_odds() {
    insta::assert_snapshot!(message("[estimate]\nenter = 0.4\nleave = 0.45\n"), @"robot.toml:6: `estimate.leave` is 0.45; accepted: a number from 0 to estimate.enter, which is 0.4");
    insta::assert_snapshot!(message("[estimate]\nenter = 0.2\n"), @"robot.toml:4: `estimate.leave` is 0.35; accepted: a number from 0 to estimate.enter, which is 0.2");
    let stdout = "[[sink]]\nkind = \"stdout\"\n";
    insta::assert_snapshot!(message(&stdout.repeat(2)), @r#"robot.toml:7: `sink[1].kind` is "stdout"; accepted: "stdout" for one [[sink]] at most"#);
    insta::assert_snapshot!(message(&"[[sink]]\nkind = \"serial\"\nport = \"/dev/ttyS0\"\n".repeat(2)), @r#"robot.toml:9: `sink[1].port` is "/dev/ttyS0"; accepted: a port that no [[sink]] above has"#);
    insta::assert_snapshot!(message(&stdout.repeat(9)), @"robot.toml:4: `sink` is 9 tables; accepted: 1 to 8 tables: [[sink]] on a line of its own, with the keys of each below");
    insta::assert_snapshot!(message_of(&format!("sink = []\n{HEAD}")), @"robot.toml:1: `sink` is []; accepted: 1 to 8 tables: [[sink]] on a line of its own, with the keys of each below");
}

#[test]
fn not_toml() {
    insta::assert_snapshot!(message("[camera\nfps = 30\n"), @"robot.toml:4: not valid TOML: unclosed table, expected `]`");
    insta::assert_snapshot!(message("[camera]\nfps = \n"), @"robot.toml:5: not valid TOML: string values must be quoted, expected literal string");
    insta::assert_snapshot!(message("[camera]\nfps = 30\nfps = 31\n"), @"robot.toml:6: not valid TOML: duplicate key");
    insta::assert_snapshot!(message("[camera]\n[camera]\n"), @"robot.toml:5: not valid TOML: duplicate key");
    insta::assert_snapshot!(message("\u{0}"), @"robot.toml:4: not valid TOML: key with no value, expected `=`");
    insta::assert_snapshot!(message_of(&format!("a = {}", "[".repeat(5000))), @"robot.toml:1: not valid TOML: cannot recurse further; max recursion depth met");
    insta::assert_snapshot!(message_of(&"#".repeat(MAX_BYTES + 1)), @"robot.toml: 65537 bytes long; accepted: a board file of at most 65536 bytes");
}

#[test]
fn boards_that_do_not_ship() {
    insta::assert_snapshot!(load_builtin("jetson-nano").expect_err("no such board").to_string(), @r#"no board is called "jetson-nano" (did you mean `jetson-orin-nano`?); boards that ship: demo, pc-webcam, jetson-orin-devkit, jetson-orin-nano"#);
    insta::assert_snapshot!(load_builtin("x\n").expect_err("no such board").to_string(), @r#"no board is called "x\n"; boards that ship: demo, pc-webcam, jetson-orin-devkit, jetson-orin-nano"#);
}
