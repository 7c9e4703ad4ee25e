//! Wavefront's OBJ: vertices and faces of a mesh; whatever else a file holds is passed over.

/// Most vertices and triangles of a mesh, more than twice those of ICT-FaceKit, so that no file can fill all memory.
const MAX_VERTICES: usize = 1 << 16;
const MAX_TRIANGLES: usize = 1 << 17;

/// A mesh as its file has it.
#[derive(Debug, Default, PartialEq)]
pub struct Mesh {
    /// Of double precision: the difference of two meshes is then as exact as their digits.
    pub vertices: Vec<[f64; 3]>,
    /// Faces of more corners are fans around their first.
    pub triangles: Vec<[u32; 3]>,
}

/// Parses a file. The error says which line is wrong, without the file's name.
pub fn parse(bytes: &[u8]) -> Result<Mesh, String> {
    let mut mesh = Mesh::default();
    for (i, line) in bytes.split(|b| *b == b'\n').enumerate() {
        mesh.take(line).map_err(|why| format!("line {}: {why}", i + 1))?;
    }
    Ok(mesh)
}

impl Mesh {
    fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let line = std::str::from_utf8(line).map_err(|e| format!("byte {} is no UTF-8 text", e.valid_up_to() + 1))?;
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("v") => self.take_vertex(words),
            Some("f") => self.take_face(words),
            _ => Ok(()),
        }
    }

    /// Three coordinates; a weight or a colour behind them is passed over.
    fn take_vertex<'a>(&mut self, mut words: impl Iterator<Item = &'a str>) -> Result<(), String> {
        if self.vertices.len() == MAX_VERTICES {
            return Err(format!("one vertex more; accepted: at most {MAX_VERTICES}"));
        }
        let mut vertex = [0.0; 3];
        for (i, x) in vertex.iter_mut().enumerate() {
            let word = words.next().ok_or_else(|| format!("a vertex of {i} coordinates; accepted: 3"))?;
            let finite = word.parse().ok().filter(|x: &f64| x.is_finite());
            *x = finite.ok_or_else(|| format!("coordinate {}; accepted: a finite number", quoted(word)))?;
        }
        self.vertices.push(vertex);
        Ok(())
    }

    fn take_face<'a>(&mut self, words: impl Iterator<Item = &'a str>) -> Result<(), String> {
        let corners = words.map(|word| corner(word, self.vertices.len())).collect::<Result<Vec<u32>, _>>()?;
        let (Some((first, rest)), 3..) = (corners.split_first(), corners.len()) else {
            return Err(format!("a face of {} corners; accepted: 3 and more", corners.len()));
        };
        if self.triangles.len() + rest.len() - 1 > MAX_TRIANGLES {
            return Err(format!("one triangle more; accepted: at most {MAX_TRIANGLES}"));
        }
        self.triangles.extend(rest.windows(2).map(|edge| [*first, edge[0], edge[1]]));
        Ok(())
    }
}

/// The vertex, counted from 0, of a corner `vertex`, `vertex/texture`, `vertex//normal` or `vertex/texture/normal`: counted
/// from 1, or back from -1, the last of the vertices so far.
fn corner(word: &str, vertices: usize) -> Result<u32, String> {
    let number = word.split_once('/').map_or(word, |(vertex, _)| vertex).parse::<i64>().ok();
    let index = number.and_then(|n| match n {
        0 => None,
        1.. => usize::try_from(n - 1).ok().filter(|i| *i < vertices),
        _ => vertices.checked_sub(usize::try_from(n.unsigned_abs()).ok()?),
    });
    index.and_then(|i| u32::try_from(i).ok()).ok_or_else(|| {
        format!("corner {}; accepted: 1 to {vertices} or -1 to -{vertices}, the vertices before it", quoted(word))
    })
}

/// A word that may be of any length and hold anything, for a message.
fn quoted(word: &str) -> String {
    format!("{:?}", word.chars().take(40).collect::<String>())
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fmt::Write;

    /// A mesh as a file, with the kinds of lines between that others write.
    pub fn write(mesh: &Mesh) -> String {
        let mut text = "# made by hand\nmtllib head.mtl\no head\n".to_owned();
        for [x, y, z] in &mesh.vertices {
            writeln!(text, "v {x} {y} {z}").unwrap();
        }
        text += "\nvt 0.5 0.5\nvn 0 0 1\ng skin\ns off\nusemtl skin\n";
        for t in &mesh.triangles {
            let [a, b, c] = t.map(|i| i + 1);
            writeln!(text, "f {a}/1/1 {b}/1/1 {c}/1/1").unwrap();
        }
        text
    }

    fn said(text: &str) -> String {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn corners_may_be_spelt_in_every_way() {
        let square = "v 0 0 0\r\nv 1 0 0 1.0\r\n\tv 1e0 +1 0 0.2 0.3 0.4\r\nv -0.5 1. .25\r\n";
        for face in
            ["1 2 3 4", "1/1 2/5 3/0 4/9", "1//1 2//2 3//3 4//4", "1/1/1 2/2/2 3/3/3 4/4/4", "-4 -3/1 -2//1 -1/1/1"]
        {
            let mesh = parse(format!("{square}f {face}").as_bytes()).unwrap();
            assert_eq!(mesh.vertices, [[0.0; 3], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [-0.5, 1.0, 0.25]]);
            assert_eq!(mesh.triangles, [[0, 1, 2], [0, 2, 3]], "{face}");
        }
        let five = parse(format!("{square}v 0 2 0\nf 2 3 4 5 1\nv 9 9 9\nf -1 -2 -3\n").as_bytes()).unwrap();
        assert_eq!(five.triangles, [[1, 2, 3], [1, 3, 4], [1, 4, 0], [5, 4, 3]]);
        assert_eq!(parse(b"").unwrap(), Mesh::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        let two = "v 0 0 0\nv 1 1 1\n";
        for (text, why) in [
            ("v 1 2", "line 3: a vertex of 2 coordinates; accepted: 3"),
            ("\n\nv 1 nan 2", "line 5: coordinate \"nan\"; accepted: a finite number"),
            ("v 1 2 -inf", "line 3: coordinate \"-inf\"; accepted: a finite number"),
            ("v 1 2 1e999", "line 3: coordinate \"1e999\"; accepted: a finite number"),
            ("v 1,5 2 3", "line 3: coordinate \"1,5\"; accepted: a finite number"),
            ("f 1 2", "line 3: a face of 2 corners; accepted: 3 and more"),
            ("f", "line 3: a face of 0 corners; accepted: 3 and more"),
            ("f 1 2 0", "line 3: corner \"0\"; accepted: 1 to 2 or -1 to -2, the vertices before it"),
            ("f 1 2 3/1", "line 3: corner \"3/1\"; accepted: 1 to 2 or -1 to -2, the vertices before it"),
            ("f 1 2 -3\nv 1 1 1", "line 3: corner \"-3\"; accepted: 1 to 2 or -1 to -2, the vertices before it"),
            ("f 1 2 /1", "line 3: corner \"/1\"; accepted: 1 to 2 or -1 to -2, the vertices before it"),
            ("f 1 2 \\", "line 3: corner \"\\\\\"; accepted: 1 to 2 or -1 to -2, the vertices before it"),
        ] {
            assert_eq!(said(&format!("{two}{text}")), why);
        }
        for far in [i64::MAX.to_string(), i64::MIN.to_string(), "9".repeat(60)] {
            assert!(said(&format!("{two}f 1 2 {far}")).starts_with("line 3: corner \""));
        }
        assert_eq!(parse(b"v 1 2 3\n# \xe9\n").unwrap_err(), "line 2: byte 3 is no UTF-8 text");
        assert!(said(&format!("v {}", "7".repeat(1000) + "x")).len() < 100);
    }

    #[test]
    fn a_mesh_has_a_largest_size() {
        let vertices = "v 0 0 0\n".repeat(MAX_VERTICES);
        assert_eq!(parse(vertices.as_bytes()).unwrap().vertices.len(), MAX_VERTICES);
        assert_eq!(said(&(vertices + "v 0 0 0")), "line 65537: one vertex more; accepted: at most 65536");
        let fan = |triangles| format!("v 0 0 0\nf 1 1{}", " 1".repeat(triangles));
        assert_eq!(parse(fan(MAX_TRIANGLES).as_bytes()).unwrap().triangles.len(), MAX_TRIANGLES);
        assert_eq!(said(&fan(MAX_TRIANGLES + 1)), "line 2: one triangle more; accepted: at most 131072");
    }

    fn meshes() -> impl Strategy<Value = Mesh> {
        let finite = proptest::num::f64::NORMAL | proptest::num::f64::SUBNORMAL | proptest::num::f64::ZERO;
        prop::collection::vec(prop::array::uniform3(finite), 1..40).prop_flat_map(|vertices| {
            let corner = 0..vertices.len() as u32;
            let triangles = prop::collection::vec(prop::array::uniform3(corner), 0..40);
            triangles.prop_map(move |triangles| Mesh { vertices: vertices.clone(), triangles })
        })
    }

    proptest! {
        #[test]
        fn written_meshes_come_back(mesh in meshes()) {
            prop_assert_eq!(parse(write(&mesh).as_bytes()), Ok(mesh));
        }

        #[test]
        fn damaged_files_never_panic(mesh in meshes(), at: prop::sample::Index, to: u8) {
            let mut bytes = write(&mesh).into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = to;
            let _ = (parse(&bytes), parse(&bytes[..at]));
        }
    }
}
