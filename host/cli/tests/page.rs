//! `mtcae monitor --web` with a real client, Python's HTTP library, and with many bad ones.

mod common;

use common::{Board, hello, mtcae, report};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

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
