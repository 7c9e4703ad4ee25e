//! Where a JPEG picture begins and ends in a run of bytes, without decoding it.

/// Largest encoded picture accepted, bytes.
pub(crate) const MAX_BYTES: usize = 16 << 20;

/// What the front of a run of bytes holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Front {
    /// A whole picture of this many bytes.
    Whole(usize),
    /// A picture that breaks off; the next one may begin this many bytes further on.
    Broken(usize),
    /// No picture begins in this many bytes.
    Junk(usize),
    /// More bytes are needed to say.
    Short,
}

/// Looks at the front of `bytes` for a JPEG picture, from its SOI marker to its EOI marker.
///
/// Segments are passed over by their length, so that a thumbnail inside one is not taken for a picture.
pub(crate) fn front(bytes: &[u8]) -> Front {
    match find_start(bytes, 0) {
        None => return if bytes.len() < 3 { Front::Short } else { Front::Junk(bytes.len() - 2) },
        Some(0) => {}
        Some(n) => return Front::Junk(n),
    }
    let mut at = 2;
    loop {
        let Some(&marker) = bytes.get(at + 1) else { return Front::Short };
        if bytes[at] != 0xff {
            return broken(bytes, 2);
        }
        match marker {
            // Fill bytes may stand before a marker.
            0xff => at += 1,
            0xd9 => return Front::Whole(at + 2),
            // A new picture begins before this one has ended.
            0xd8 => return Front::Broken(at),
            0x00 => return broken(bytes, 2),
            0x01 | 0xd0..=0xd7 => at += 2,
            _ => {
                let Some(len) = bytes.get(at + 2..at + 4) else { return Front::Short };
                let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
                if len < 2 {
                    return broken(bytes, 2);
                }
                at += 2 + len;
                if marker == 0xda {
                    match find_marker(bytes, at) {
                        Some(next) => at = next,
                        None => return Front::Short,
                    }
                }
            }
        }
    }
}

/// True when `bytes` are one whole picture; what follows it (cameras pad their buffers) does not matter.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    matches!(front(bytes), Front::Whole(_))
}

/// True when the picture comes without Huffman tables, as many webcams' do: the standard ones are meant.
pub(crate) fn lacks_tables(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..at + 4) {
        match marker {
            0xc4 => return false,
            0xda => return true,
            0xff => at += 1,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

fn broken(bytes: &[u8], from: usize) -> Front {
    match find_start(bytes, from) {
        Some(next) => Front::Broken(next),
        None => Front::Broken(bytes.len().saturating_sub(2).max(2)),
    }
}

/// Where SOI and the first byte of another marker stand.
fn find_start(bytes: &[u8], from: usize) -> Option<usize> {
    bytes.get(from..)?.windows(3).position(|w| w == [0xff, 0xd8, 0xff]).map(|n| from + n)
}

/// Where the entropy-coded data from `from` on ends: a marker that is neither a stuffed byte nor a restart.
fn find_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let ends = |w: &[u8]| w[0] == 0xff && !matches!(w[1], 0x00 | 0xd0..=0xd7 | 0xff);
    bytes.get(from..)?.windows(2).position(ends).map(|n| from + n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// SOI, a COM segment that holds an SOI itself, SOS, data with a stuffed byte and a restart, EOI.
    const PICTURE: [u8; 26] = [
        0xff, 0xd8, 0xff, 0xfe, 0, 6, 0xff, 0xd8, 0xff, 9, 0xff, 0xda, 0, 4, 1, 2, 7, 0xff, 0, 7, 0xff, 0xd1, 7, 7,
        0xff, 0xd9,
    ];

    #[test]
    fn a_picture_is_found_whatever_follows() {
        assert_eq!(front(&PICTURE), Front::Whole(26));
        assert_eq!(front(&[&PICTURE[..], &[0; 9]].concat()), Front::Whole(26));
        assert_eq!(front(&[&[1, 2, 3], &PICTURE[..]].concat()), Front::Junk(3));
    }

    #[test]
    fn every_proper_prefix_is_short() {
        for n in 0..PICTURE.len() {
            assert_eq!(front(&PICTURE[..n]), Front::Short, "{n}");
        }
    }

    #[test]
    fn a_picture_cut_in_its_data_ends_where_the_next_begins() {
        let cut = [&PICTURE[..19], &PICTURE[..]].concat();
        assert_eq!(front(&cut), Front::Broken(19));
    }

    proptest! {
        #[test]
        fn always_moves_on_and_stays_inside(bytes in proptest::collection::vec(prop_oneof![Just(0xffu8), Just(0xd8), any::<u8>()], 0..200)) {
            match front(&bytes) {
                Front::Whole(n) | Front::Broken(n) | Front::Junk(n) => prop_assert!(n > 0 && n <= bytes.len()),
                Front::Short => {}
            }
        }
    }
}
