//! Frames of the clips that ship, as the JPEG files they are made of.

use crate::BenchError;
use std::io;
use std::path::Path;

/// Header of a piece of a RIFF file: four letters and a length.
const HEAD: usize = 8;

/// The JPEG frames of an MJPEG file in AVI, as they stand in it.
///
/// # Errors
/// When it cannot be read, or holds none.
pub fn frames(path: &Path) -> Result<Vec<Vec<u8>>, BenchError> {
    let cannot = || BenchError::system(format!("read {}", path.display()));
    let bytes = std::fs::read(path).map_err(cannot())?;
    let found = split(&bytes);
    if found.is_empty() {
        return Err(cannot()(io::Error::other("it holds no MJPEG frames")));
    }
    Ok(found)
}

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let Some(list) = bytes.windows(4).position(|four| four == b"movi") else { return Vec::new() };
    let (mut at, mut found) = (list + 4, Vec::new());
    while let Some(&[a, b, c, d, l0, l1, l2, l3]) = bytes.get(at..at + HEAD) {
        let len = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let Some(body) = bytes.get(at + HEAD..at + HEAD + len) else { break };
        if [a, b, c, d] == *b"00dc" {
            found.push(body.to_vec());
        } else if [a, b, c, d] == *b"idx1" {
            break;
        }
        // Pieces begin at even places.
        at += HEAD + len + len % 2;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_clips_are_pictures_one_after_another() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data");
        for (name, count) in [("astronaut.avi", 175), ("carphone.avi", 120)] {
            let frames = frames(&data.join(name)).unwrap();
            assert_eq!(frames.len(), count, "{name}");
            assert!(frames.iter().all(|f| f.starts_with(&[0xFF, 0xD8])), "{name}");
        }
        assert!(frames(&data.join("astronaut.png")).unwrap_err().to_string().contains("no MJPEG frames"));
    }

    #[test]
    fn a_file_that_ends_early_gives_what_is_whole() {
        let mut file = b"RIFF....AVI LIST....movi".to_vec();
        file.extend(b"00dc\x03\0\0\0abc\0");
        file.extend(b"00dc\xFF\xFF\xFF\x7Fabc");
        assert_eq!(split(&file), [b"abc".to_vec()]);
        assert_eq!(split(b"nothing"), Vec::<Vec<u8>>::new());
    }
}
