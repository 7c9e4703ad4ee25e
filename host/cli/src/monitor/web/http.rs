//! As much of HTTP as one page needs: reading a request, deciding on it, and the heads of answers.

use std::io::{self, Read};

/// The longest head of a request, bytes.
const MOST: usize = 8 * 1024;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: String,
    path: String,
    host: Option<String>,
    /// Where a browser says the request comes from.
    site: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The page.
    Page,
    /// The events, without end.
    Events,
    /// A status and why.
    Refused(&'static str, &'static str),
}

/// Reads the head of a request; `None` when it is none, or too long.
pub fn read(input: &mut impl Read) -> io::Result<Option<Request>> {
    let (mut head, mut byte) = (Vec::new(), [0; 1]);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MOST || input.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(std::str::from_utf8(&head).ok().and_then(parse))
}

fn parse(head: &str) -> Option<Request> {
    let mut lines = head.split("\r\n");
    let mut words = lines.next()?.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    if !version.starts_with("HTTP/1.") || words.next().is_some() {
        return None;
    }
    let mut request = Request { method: method.to_owned(), path: path.to_owned(), host: None, site: None };
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = Some(value.trim().to_ascii_lowercase());
        match name.to_ascii_lowercase().as_str() {
            // Two of them are a trick.
            "host" if request.host.is_some() => return None,
            "host" => request.host = value,
            "sec-fetch-site" => request.site = value,
            _ => {}
        }
    }
    Some(request)
}

/// What the page at `port` answers. A name that somebody else's server has given this machine (DNS rebinding) is not
/// its name, and no other site may have the events.
pub fn answer(request: &Request, port: u16) -> Answer {
    let names = ["127.0.0.1", "localhost"];
    let ours = |host: &str| names.iter().any(|name| host == format!("{name}:{port}") || (port == 80 && host == *name));
    if !request.host.as_deref().is_some_and(ours) {
        return Answer::Refused("403 Forbidden", "this page is for a browser on this machine alone\n");
    }
    let site = request.site.as_deref();
    let (method, path) = (request.method.as_str(), request.path.as_str());
    match path.split('?').next().unwrap_or(path) {
        _ if method != "GET" => Answer::Refused("405 Method Not Allowed", "only GET\n"),
        "/" => Answer::Page,
        "/events" if site.is_none_or(|site| matches!(site, "same-origin" | "none")) => Answer::Events,
        "/events" => Answer::Refused("403 Forbidden", "another site may not have these\n"),
        _ => Answer::Refused("404 Not Found", "there is / and /events\n"),
    }
}

/// The head of an answer; `policy` is the page's content security policy.
pub fn head(status: &str, kind: &str, policy: &str, length: Option<usize>) -> String {
    let length = length.map_or(String::new(), |length| format!("Content-Length: {length}\r\n"));
    let allow = if status.starts_with("405") { "Allow: GET\r\n" } else { "" };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\n{length}{allow}Cache-Control: no-store\r\n\
         Content-Security-Policy: {policy}\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
         Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\nConnection: close\r\n\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Option<Answer> {
        read(&mut text.as_bytes()).unwrap().map(|request| answer(&request, 7480))
    }

    #[test]
    fn the_page_and_its_events_are_there_for_this_machine() {
        for host in ["127.0.0.1:7480", "localhost:7480", "LocalHost:7480"] {
            assert_eq!(asked(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")), Some(Answer::Page), "{host}");
        }
        assert_eq!(asked("GET /events?x=1 HTTP/1.0\r\nhost:127.0.0.1:7480\r\n\r\n"), Some(Answer::Events));
        let from = |site: &str| {
            asked(&format!("GET /events HTTP/1.1\r\nHost: localhost:7480\r\nSec-Fetch-Site: {site}\r\n\r\n"))
        };
        assert_eq!(from("same-origin"), Some(Answer::Events));
        assert!(matches!(from("cross-site"), Some(Answer::Refused("403 Forbidden", _))));
    }

    #[test]
    fn other_names_of_this_machine_are_refused() {
        for host in
            ["evil.example:7480", "127.0.0.1", "127.0.0.1:7481", "127.0.0.1.evil.example:7480", "", "[::1]:7480"]
        {
            let answer = asked(&format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert!(matches!(answer, Some(Answer::Refused("403 Forbidden", _))), "{host}: {answer:?}");
        }
        assert!(matches!(asked("GET / HTTP/1.1\r\n\r\n"), Some(Answer::Refused("403 Forbidden", _))));
    }

    #[test]
    fn what_is_no_request_is_none() {
        let long = format!("GET /{} HTTP/1.1\r\nHost: 127.0.0.1:7480\r\n\r\n", "a".repeat(MOST));
        let twice = "GET / HTTP/1.1\r\nHost: 127.0.0.1:7480\r\nHost: evil.example\r\n\r\n";
        let wrong = ["", "GET / HTTP/1.1\r\n", "GET /\r\n\r\n", "GET / HTTP/2\r\n\r\n", "GET / x HTTP/1.1\r\n\r\n"];
        for text in wrong.into_iter().chain([twice, long.as_str()]) {
            assert_eq!(asked(text), None, "{text}");
        }
        let status = |text: &str| match asked(text) {
            Some(Answer::Refused(status, _)) => status,
            other => panic!("{other:?}"),
        };
        assert_eq!(status("POST / HTTP/1.1\r\nHost: localhost:7480\r\n\r\n"), "405 Method Not Allowed");
        assert_eq!(status("GET /favicon.ico HTTP/1.1\r\nHost: localhost:7480\r\n\r\n"), "404 Not Found");
    }
}
