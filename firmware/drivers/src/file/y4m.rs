//! Y4M: a line of text, then raw planar frames.

use super::{Coding, Found, ReadError, Reader};
use crate::decode::{Chroma, PictureDecoder, Range};
use mtcae_contract::Image;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::Path;
use std::time::Duration;

/// Longest header line, bytes.
const MAX_LINE: u64 = 1024;

/// What the first line says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Header {
    width: u32,
    height: u32,
    pub(super) fps: Option<f32>,
    chroma: Option<Chroma>,
    range: Range,
}

impl Header {
    pub(super) fn read(input: &mut impl BufRead) -> Result<Header, ReadError> {
        let line = line(input)?.ok_or_else(|| ReadError::Broken("Y4M: there is no header line".into()))?;
        Self::parse(&line)
    }

    fn parse(line: &str) -> Result<Header, ReadError> {
        let broken = |what: String| ReadError::Broken(format!("Y4M header: {what}"));
        let mut words = line.split(' ');
        if words.next() != Some("YUV4MPEG2") {
            return Err(broken("it does not begin with YUV4MPEG2".into()));
        }
        let side = |word: &str| word[1..].parse().ok().filter(|s| (1..=Image::MAX_SIDE).contains(s));
        let side_error = |word| broken(format!("`{word}`; accepted are sides of 1 to {} pixels", Image::MAX_SIDE));
        let (mut width, mut height, mut fps) = (None, None, None);
        let (mut chroma, mut range) = (Some(Chroma { x: 1, y: 1 }), Range::Limited);
        for word in words {
            match word.as_bytes().first() {
                Some(b'W') => width = Some(side(word).ok_or_else(|| side_error(word))?),
                Some(b'H') => height = Some(side(word).ok_or_else(|| side_error(word))?),
                Some(b'F') => fps = ratio(&word[1..]),
                Some(b'C') => chroma = chroma_from_tag(&word[1..]).map_err(broken)?,
                Some(b'X') if word == "XCOLORRANGE=FULL" => range = Range::Full,
                _ => {}
            }
        }
        let width = width.ok_or_else(|| broken("the width (W) is missing".into()))?;
        let height = height.ok_or_else(|| broken("the height (H) is missing".into()))?;
        Ok(Header { width, height, fps, chroma, range })
    }

    pub(super) fn coding(&self) -> Coding {
        Coding::Planar { width: self.width, height: self.height, chroma: self.chroma, range: self.range }
    }

    /// Reads one frame; false at the end.
    pub(super) fn frame(&self, input: &mut impl BufRead, frame: &mut Vec<u8>) -> Result<bool, ReadError> {
        let Some(line) = line(input)? else { return Ok(false) };
        if line != "FRAME" && !line.starts_with("FRAME ") {
            return Err(ReadError::Broken("Y4M: a frame does not begin with FRAME".into()));
        }
        let need = PictureDecoder::planar_len(self.width, self.height, self.chroma);
        frame.clear();
        let got = input.take(need as u64).read_to_end(frame)?;
        if got < need {
            return Err(ReadError::Bad(format!("Y4M: the last frame breaks off after {got} of {need} bytes")));
        }
        Ok(true)
    }
}

/// One line without its end; `None` at the end of the file.
fn line(input: &mut impl BufRead) -> Result<Option<String>, ReadError> {
    let mut bytes = Vec::new();
    if input.take(MAX_LINE).read_until(b'\n', &mut bytes)? == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(ReadError::Broken(format!("Y4M: a header line has no end within {MAX_LINE} bytes")));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| ReadError::Broken("Y4M: a header line is not text".into()))
}

fn ratio(text: &str) -> Option<f32> {
    let (n, d) = text.split_once(':')?;
    let (n, d): (f32, f32) = (n.parse().ok()?, d.parse().ok()?);
    (n > 0.0 && d > 0.0).then(|| n / d)
}

fn chroma_from_tag(tag: &str) -> Result<Option<Chroma>, String> {
    match tag {
        "420" | "420jpeg" | "420mpeg2" | "420paldv" => Ok(Some(Chroma { x: 1, y: 1 })),
        "422" => Ok(Some(Chroma { x: 1, y: 0 })),
        "444" => Ok(Some(Chroma { x: 0, y: 0 })),
        "mono" => Ok(None),
        other => Err(format!("chroma `C{other}`; accepted: 420, 420jpeg, 420mpeg2, 420paldv, 422, 444, mono (8 bits)")),
    }
}

pub(super) struct Y4m {
    file: BufReader<File>,
    header: Header,
}

impl Y4m {
    pub(super) fn open(path: &Path) -> Result<Y4m, ReadError> {
        let mut file = BufReader::new(File::open(path)?);
        let header = Header::read(&mut file)?;
        Ok(Y4m { file, header })
    }
}

impl Reader for Y4m {
    fn format(&self) -> &'static str {
        "Y4M"
    }

    fn coding(&self) -> Coding {
        self.header.coding()
    }

    fn fps(&self) -> Option<f32> {
        self.header.fps
    }

    fn read(&mut self, frame: &mut Vec<u8>, _timeout: Duration) -> Result<Found, ReadError> {
        Ok(if self.header.frame(&mut self.file, frame)? { Found::Frame } else { Found::End })
    }

    fn rewind(&mut self) -> Result<(), ReadError> {
        self.file.rewind()?;
        Header::read(&mut self.file).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use insta::assert_snapshot;

    #[test]
    fn headers_are_understood() {
        let h = Header::parse("YUV4MPEG2 W176 H144 F30000:1001 Ip A128:117 C422 XCOLORRANGE=FULL").unwrap();
        assert_eq!((h.width, h.height, h.chroma, h.range), (176, 144, Some(Chroma { x: 1, y: 0 }), Range::Full));
        assert!((h.fps.unwrap() - 29.97).abs() < 0.001);
        assert_eq!(Header::parse("YUV4MPEG2 W1 H1 F0:0").unwrap().fps, None);
    }

    #[test]
    fn bad_headers_are_named() {
        let error = |line| Header::parse(line).unwrap_err().to_string();
        assert_snapshot!(error("YUV4MPEG2 W0 H1"), @"Y4M header: `W0`; accepted are sides of 1 to 8192 pixels");
        assert_snapshot!(error("YUV4MPEG2 W10 H99999999999"), @"Y4M header: `H99999999999`; accepted are sides of 1 to 8192 pixels");
        assert_snapshot!(error("YUV4MPEG2 H10"), @"Y4M header: the width (W) is missing");
        assert_snapshot!(error("YUV4MPEG2 W8 H8 C420p10"), @"Y4M header: chroma `C420p10`; accepted: 420, 420jpeg, 420mpeg2, 420paldv, 422, 444, mono (8 bits)");
        assert_snapshot!(error("YUV4 W8 H8"), @"Y4M header: it does not begin with YUV4MPEG2");
        let endless = vec![b'x'; 5000];
        assert_snapshot!(Header::read(&mut endless.as_slice()).unwrap_err(), @"Y4M: a header line has no end within 1024 bytes");
    }
}
