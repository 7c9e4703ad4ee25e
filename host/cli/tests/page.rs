//! `mtcae monitor --web` with a real client, Python's HTTP library, with many bad ones, and in a browser where there is one.

mod common;

use common::{Board, hello, mtcae, report};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A monitor with a page.
struct Monitor {
    child: Child,
    port: u16,
}

impl Monitor {
    fn start(board: &Board) -> Monitor {
        let arguments = ["monitor", "--port", &board.port, "--json", "--seconds", "120", "--web", "0"];
        let mut child = mtcae(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("page: http://127.0.0.1:").expect(&line);
        Monitor { child, port: address.trim_end_matches('/').parse().unwrap() }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks for the page and the first events, as a program would.
const CLIENT: &str = r#"
import http.client, json, sys
port = int(sys.argv[1])
def ask(path, method="GET", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request(method, path, headers=headers)
    return connection.getresponse()
page = ask("/")
text = page.read().decode()
assert page.status == 200 and text.startswith("<!doctype html>"), page.status
policy = page.headers["Content-Security-Policy"]
assert "default-src 'none'" in policy and "script-src 'sha256-" in policy and "unsafe" not in policy, policy
assert page.headers["X-Frame-Options"] == "DENY" and page.headers["Access-Control-Allow-Origin"] is None
assert ask("/", Host="evil.example").status == 403
assert ask("/", "POST").status == 405
assert ask("/etc/passwd").status == 404
events = ask("/events")
assert events.status == 200 and events.headers["Content-Type"].startswith("text/event-stream")
kinds, label = [], None
print("listening", flush=True)
while "report" not in kinds:
    line = events.readline().decode()
    if line.startswith("data: "):
        message = json.loads(line[6:])
        kinds.append(message["type"])
        if message["type"] == "report":
            label = message["face"]["label"]
print("hello" in kinds, label, flush=True)
"#;

#[test]
fn a_program_gets_the_page_and_the_events() {
    let mut board = Board::new();
    let monitor = Monitor::start(&board);
    board.wait_for_the_monitor();
    board.send(&hello());
    let client = Command::new("python3").args(["-c", CLIENT, &monitor.port.to_string()]).stdout(Stdio::piped()).spawn();
    let Ok(mut client) = client else {
        println!("skipped: the monitor's page in a real client because python3 does not start");
        return;
    };
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "listening");
    // It came after the hello and is told of it all the same.
    board.send(&report(0));
    assert_eq!(lines.next().unwrap().unwrap(), "True happy");
    assert!(client.wait().unwrap().success());
}

#[test]
fn many_slow_clients_and_noise_leave_the_monitor_as_it_is() {
    let mut board = Board::new();
    let mut monitor = Monitor::start(&board);
    board.wait_for_the_monitor();
    let connect = || TcpStream::connect(("127.0.0.1", monitor.port)).unwrap();
    let mut noise = connect();
    noise.write_all(&[0xff; 20_000]).ok();
    let idle: Vec<TcpStream> = (0..40).map(|_| connect()).collect();
    let mut answer = String::new();
    let mut late = connect();
    late.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    late.read_to_string(&mut answer).ok();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    drop(idle);
    (0..2_000).for_each(|seq| board.send(&report(seq)));
    assert!(monitor.child.try_wait().unwrap().is_none(), "the monitor goes on");
}

/// A browser's program, if one is installed.
fn browser() -> Option<&'static str> {
    let there = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(there)
}

/// What a browser's debugging port at `port` says of its pages.
fn pages(port: &str) -> Option<String> {
    let mut stream = TcpStream::connect(format!("127.0.0.1:{port}")).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    write!(stream, "GET /json/list HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    // It may keep the connection: then the time is over, and the answer is there all the same.
    let _ = stream.read_to_end(&mut answer);
    Some(String::from_utf8_lossy(&answer).into_owned())
}

#[test]
fn a_browser_draws_the_page() {
    let Some(browser) = browser() else {
        println!("skipped: the monitor's page in a browser because no chromium is installed");
        return;
    };
    let mut board = Board::new();
    let monitor = Monitor::start(&board);
    board.wait_for_the_monitor();
    board.send(&hello());
    let profile = tempfile::tempdir().unwrap();
    let log = std::fs::File::create(profile.path().join("log")).unwrap();
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--remote-debugging-port=0"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(format!("http://127.0.0.1:{}/", monitor.port))
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let (until, mut listed, mut seq) = (Instant::now() + Duration::from_secs(60), String::new(), 0);
    while !listed.contains("happy · mtcae monitor") && Instant::now() < until {
        board.send(&report(seq));
        seq += 1;
        std::thread::sleep(Duration::from_millis(100));
        let port = std::fs::read_to_string(profile.path().join("DevToolsActivePort")).unwrap_or_default();
        listed = port.lines().next().and_then(pages).unwrap_or(listed);
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let log = std::fs::read_to_string(profile.path().join("log")).unwrap();
    assert!(listed.contains("happy · mtcae monitor"), "{listed}\n{log}");
    assert!(!log.contains("Content Security Policy") && !log.contains("Uncaught"), "{log}");
}
