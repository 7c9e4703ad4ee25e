//! The page's server: one thread that waits for connections, and one for each of a few.

use super::audience::Audience;
use super::http::{self, Answer};
use sha2::{Digest, Sha256};
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The page: one file, nothing from elsewhere.
const PAGE: &str = include_str!("page.html");
/// Connections at once; one more is refused.
const CONNECTIONS: usize = 16;
/// How long a browser may take to ask, and to take what it is sent.
const PATIENCE: Duration = Duration::from_secs(5);
/// Without events a sign of life goes out so often, which finds out who has gone.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// The running threads; dropping it stops them all, within half a second.
pub struct Server {
    port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    port: u16,
    policy: String,
    audience: Arc<Audience>,
    stop: Arc<AtomicBool>,
    connections: AtomicUsize,
}

impl Server {
    /// Serves `listener`, which is at `port`.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(listener: TcpListener, port: u16, audience: Arc<Audience>) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let connections = AtomicUsize::new(0);
        let shared = Shared { port, policy: policy(PAGE), audience, stop: Arc::clone(&stop), connections };
        let shared = Arc::new(shared);
        let thread = thread::Builder::new().name("mtcae-page".into()).spawn(move || accept(&listener, &shared))?;
        Ok(Self { port, stop, thread: Some(thread) })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the thread, which waits for somebody.
        let _ = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, self.port)), PATIENCE);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming() {
        if shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let Ok(stream) = stream else {
            // Out of files, perhaps: not to be asked again at once.
            thread::sleep(SIGN_OF_LIFE);
            continue;
        };
        if shared.connections.load(Ordering::Relaxed) >= CONNECTIONS {
            let _ = refuse(&stream, shared, "503 Service Unavailable", "too many browsers\n");
            continue;
        }
        shared.connections.fetch_add(1, Ordering::Relaxed);
        let its = Arc::clone(shared);
        let spawned = thread::Builder::new().name("mtcae-browser".into()).spawn(move || {
            // A browser that goes away is no trouble.
            let _ = serve(&stream, &its);
            its.connections.fetch_sub(1, Ordering::Relaxed);
        });
        if spawned.is_err() {
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let Some(request) = http::read(&mut io::BufReader::new(stream))? else {
        return refuse(stream, shared, "400 Bad Request", "no request\n");
    };
    match http::answer(&request, shared.port) {
        Answer::Page => send(stream, shared, "200 OK", "text/html", PAGE),
        Answer::Events => events(stream, shared),
        Answer::Refused(status, why) => refuse(stream, shared, status, why),
    }
}

fn refuse(stream: &TcpStream, shared: &Shared, status: &str, why: &str) -> io::Result<()> {
    send(stream, shared, status, "text/plain", why)
}

fn send(mut stream: &TcpStream, shared: &Shared, status: &str, kind: &str, body: &str) -> io::Result<()> {
    let head = http::head(status, kind, &shared.policy, Some(body.len()));
    stream.write_all(format!("{head}{body}").as_bytes())
}

fn events(mut stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    let listener = shared.audience.listen();
    stream.set_nodelay(true)?;
    stream.write_all(http::head("200 OK", "text/event-stream", &shared.policy, None).as_bytes())?;
    stream.write_all(b"retry: 1000\n\n")?;
    while !shared.stop.load(Ordering::Relaxed) {
        match listener.recv_timeout(SIGN_OF_LIFE) {
            Ok(event) => stream.write_all(format!("data: {event}\n\n").as_bytes())?,
            Err(RecvTimeoutError::Timeout) => stream.write_all(b":\n\n")?,
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok(())
}

/// What the page may do: run the script and wear the style that are in it, and ask its own server; nothing else.
fn policy(page: &str) -> String {
    let inside = |tag: &str| {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        let text = page.split_once(&open).and_then(|(_, rest)| rest.split_once(&close)).map_or("", |(text, _)| text);
        format!("'sha256-{}'", base64(&Sha256::digest(text)))
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; base-uri 'none'; form-action 'none'; \
         frame-ancestors 'none'",
        inside("script"),
        inside("style")
    )
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let bits = three.iter().fold(0u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn the_page_is_alone_and_its_policy_is_of_what_is_in_it() {
        let policy = policy("<style>a{}</style><script>1</script>");
        // printf 1 | openssl dgst -sha256 -binary | base64
        assert!(policy.contains("script-src 'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"), "{policy}");
        assert_eq!((PAGE.matches("<script>").count(), PAGE.matches("<style>").count()), (1, 1));
        for elsewhere in ["http:", "https:", "src=", "@import", "url(", " style=", "onclick", "innerHTML", "eval("] {
            assert!(!PAGE.contains(elsewhere), "{elsewhere}");
        }
    }
}
