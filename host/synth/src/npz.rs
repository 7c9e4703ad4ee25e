//! numpy's `.npz`: a zip archive with one array a file (numpy's format description, versions 1 to 3).

use std::io::{Read, Seek};
use zip::ZipArchive;

/// Most bytes of one array, so that a small archive cannot unpack into all memory.
const MAX_BYTES: u64 = 1 << 30;

/// An array: its type as numpy spells it (`<f4`), its shape, and its bytes in C order.
#[derive(Debug)]
pub struct Array {
    pub kind: String,
    pub shape: Vec<usize>,
    bytes: Vec<u8>,
}

/// Reads array `name`. The error says what is wrong, without the file's name.
pub fn read<R: Read + Seek>(archive: &mut ZipArchive<R>, name: &str) -> Result<Array, String> {
    let wrong = |why: String| format!("array `{name}`: {why}");
    let mut file = archive.by_name(&format!("{name}.npy")).map_err(|e| wrong(e.to_string()))?;
    if file.size() > MAX_BYTES {
        return Err(wrong(format!("{} bytes; at most {MAX_BYTES}", file.size())));
    }
    let mut bytes = Vec::new();
    file.by_ref().take(MAX_BYTES).read_to_end(&mut bytes).map_err(|e| wrong(e.to_string()))?;
    parse(&bytes).map_err(|why| wrong(why.to_owned()))
}

fn parse(bytes: &[u8]) -> Result<Array, &'static str> {
    let rest = bytes.strip_prefix(b"\x93NUMPY").ok_or("not in numpy's format")?;
    let (length, rest) = match rest {
        [1, _, a, b, rest @ ..] => (usize::from(u16::from_le_bytes([*a, *b])), rest),
        [2 | 3, _, a, b, c, d, rest @ ..] => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
        _ => return Err("of an unknown version of numpy's format"),
    };
    let (header, data) = rest.split_at_checked(length).ok_or("header cut short")?;
    let header = std::str::from_utf8(header).map_err(|_| "header is no text")?;
    let kind = after(header, "descr")?.strip_prefix('\'').and_then(|s| s.split_once('\'')).ok_or("structured")?.0;
    let inside = after(header, "shape")?.strip_prefix('(').and_then(|s| s.split_once(')')).ok_or("no shape")?.0;
    let sides = inside.split(',').map(str::trim).filter(|s| !s.is_empty());
    let shape: Vec<usize> = sides.map(str::parse).collect::<Result<_, _>>().map_err(|_| "no shape")?;
    if after(header, "fortran_order")?.starts_with("True") && shape.len() > 1 {
        return Err("stored column by column; accepted: C order");
    }
    let one = kind.get(2..).and_then(|n| n.parse::<usize>().ok()).ok_or("of an unknown type")?;
    let one = if kind.starts_with("<U") { 4 * one } else { one };
    let need = shape.iter().try_fold(one, |n, side| n.checked_mul(*side)).ok_or("too large")?;
    match data.get(..need) {
        Some(data) => Ok(Array { kind: kind.to_owned(), shape, bytes: data.to_vec() }),
        None => Err("data cut short"),
    }
}

/// What follows `key` in the header, a Python dictionary.
fn after<'a>(header: &'a str, key: &str) -> Result<&'a str, &'static str> {
    let (_, rest) = header.split_once(&format!("'{key}':")).ok_or("header lacks a key")?;
    Ok(rest.trim_start())
}

impl Array {
    /// The numbers as f32, from f2, f4 or f8.
    pub fn floats(&self) -> Result<Vec<f32>, String> {
        let b = &self.bytes;
        match self.kind.as_str() {
            "<f2" => Ok(b.as_chunks().0.iter().map(|v| half::f16::from_le_bytes(*v).to_f32()).collect()),
            "<f4" => Ok(b.as_chunks().0.iter().map(|v| f32::from_le_bytes(*v)).collect()),
            "<f8" => Ok(b.as_chunks().0.iter().map(|v| f64::from_le_bytes(*v) as f32).collect()),
            other => Err(format!("type {other}; accepted: <f2, <f4, <f8")),
        }
    }

    /// The numbers as u32, from i4, u4 or i8.
    pub fn indices(&self) -> Result<Vec<u32>, String> {
        let b = &self.bytes;
        let wide: Vec<i64> = match self.kind.as_str() {
            "<i4" => b.as_chunks().0.iter().map(|v| i32::from_le_bytes(*v).into()).collect(),
            "<u4" => b.as_chunks().0.iter().map(|v| u32::from_le_bytes(*v).into()).collect(),
            "<i8" => b.as_chunks().0.iter().map(|v| i64::from_le_bytes(*v)).collect(),
            other => return Err(format!("type {other}; accepted: <i4, <u4, <i8")),
        };
        wide.into_iter().map(|v| u32::try_from(v).map_err(|_| format!("index {v}; accepted: 0 and more"))).collect()
    }

    /// The strings, from U.
    pub fn strings(&self) -> Result<Vec<String>, String> {
        let letters = self.kind.strip_prefix("<U").and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
        let letters = letters.ok_or_else(|| format!("type {}; accepted: <U", self.kind))?;
        let text = |one: &[u8]| {
            let codes = one.as_chunks().0.iter().map(|v| u32::from_le_bytes(*v)).take_while(|v| *v != 0);
            codes.map(|v| char::from_u32(v).unwrap_or('?')).collect()
        };
        Ok(self.bytes.chunks_exact(4 * letters).map(text).collect())
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::{Cursor, Write};

    /// An array in numpy's format, version 1.
    pub fn npy(kind: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
        let sides: String = shape.iter().map(|s| format!("{s}, ")).collect();
        let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({sides}), }}");
        header.push_str(&" ".repeat(63 - (10 + header.len()) % 64));
        header.push('\n');
        [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), data].concat()
    }

    /// An archive of arrays, stored or compressed.
    pub fn npz(arrays: &[(&str, Vec<u8>)], compressed: bool) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let method = if compressed { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        for (name, bytes) in arrays {
            let options = zip::write::SimpleFileOptions::default().compression_method(method);
            zip.start_file(format!("{name}.npy"), options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn arrays_come_back_from_either_kind_of_archive() {
        let floats: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let names: Vec<u8> = "ab\0c\0\0".chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
        let arrays = [("N", npy("<f4", &[2, 1], &floats)), ("ex", npy("<U3", &[2], &names))];
        for compressed in [false, true] {
            let mut archive = ZipArchive::new(Cursor::new(npz(&arrays, compressed))).unwrap();
            let n = read(&mut archive, "N").unwrap();
            assert_eq!((n.shape.as_slice(), n.floats().unwrap().as_slice()), (&[2, 1][..], &[1.5, -2.0][..]));
            assert_eq!(read(&mut archive, "ex").unwrap().strings().unwrap(), ["ab", "c"]);
            assert!(read(&mut archive, "T").unwrap_err().starts_with("array `T`: "));
        }
    }

    #[test]
    fn wrong_types_and_short_data_are_named() {
        assert_eq!(parse(&npy("<f4", &[3], &[0; 8])).unwrap_err(), "data cut short");
        assert_eq!(parse(&npy("<f4", &[usize::MAX, 9], &[0; 8])).unwrap_err(), "too large");
        let complex = parse(&npy("<c8", &[1], &[0; 8])).unwrap();
        assert_eq!(complex.floats().unwrap_err(), "type <c8; accepted: <f2, <f4, <f8");
        let negative = parse(&npy("<i4", &[1], &[255; 4])).unwrap();
        assert_eq!(negative.indices().unwrap_err(), "index -1; accepted: 0 and more");
    }

    proptest! {
        #[test]
        fn damaged_arrays_never_panic(at in 0usize..140, to: u8) {
            let mut bytes = npy("<f2", &[2, 3], &[7; 12]);
            if let Some(b) = bytes.get_mut(at) {
                *b = to;
            }
            if let Ok(array) = parse(&bytes) {
                let _ = (array.floats(), array.indices(), array.strings());
            }
            prop_assert!(parse(&bytes[..at.min(bytes.len() - 1)]).is_err());
        }
    }
}
