//! Where the parts of a head are among a model's vertices.

use std::ops::Range;

/// What a triangle is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// Skin with everything that grows or is painted on it.
    Skin,
    /// Inside of the mouth and of the eye sockets.
    Cavity,
    /// Gums and tongue.
    Gums,
    /// Teeth.
    Teeth,
    /// The eyeball on the picture's left (0) or right (1) of a head that looks at the camera.
    Eye(u8),
    /// Hair that hangs.
    Hair,
    /// Spectacle frames.
    Rim,
    /// Clothes.
    Cloth,
}

/// Vertex ranges and landmarks of a model.
///
/// Models are in centimetres with the axes of [`crate::Vec3`], and the head's own axis (through its top) near x 0, z 0.5.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Head and neck.
    pub skin: Range<u32>,
    /// Inside of the mouth and of the eye sockets.
    pub cavities: Range<u32>,
    /// Gums and tongue.
    pub gums: Range<u32>,
    /// Teeth.
    pub teeth: Range<u32>,
    /// Eyeballs, the one on the picture's left first.
    pub eyes: [Range<u32>; 2],
    /// Vertices of the 68 points of the iBUG scheme.
    pub landmarks: [u32; 68],
}

impl Layout {
    /// Of ICT-FaceKit's mesh (its `README` and `vertex_indices.json`, MIT). Of each eyeball the outer shell is taken; lashes
    /// and helper layers around the eyes are left out.
    pub fn ict() -> Layout {
        Layout {
            skin: 0..11248,
            cavities: 11248..14062,
            gums: 14062..17039,
            teeth: 17039..21451,
            eyes: [23021..23791, 21451..22221],
            landmarks: [
                1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088, 3443,
                268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140, 2075, 1147,
                4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725, 3732, 5708, 5695, 2081,
                0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533, 6216, 6207, 6470, 5517, 5966,
            ],
        }
    }

    /// What the vertex belongs to; nothing for one that is left out.
    pub fn surface(&self, vertex: u32) -> Option<Surface> {
        match vertex {
            v if self.skin.contains(&v) => Some(Surface::Skin),
            v if self.cavities.contains(&v) => Some(Surface::Cavity),
            v if self.gums.contains(&v) => Some(Surface::Gums),
            v if self.teeth.contains(&v) => Some(Surface::Teeth),
            v if self.eyes[0].contains(&v) => Some(Surface::Eye(0)),
            v if self.eyes[1].contains(&v) => Some(Surface::Eye(1)),
            _ => None,
        }
    }

    /// One past the last vertex that is named here.
    pub(crate) fn end(&self) -> u32 {
        let parts = [&self.skin, &self.cavities, &self.gums, &self.teeth, &self.eyes[0], &self.eyes[1]];
        let ends = parts.into_iter().map(|r| r.end);
        ends.chain(self.landmarks.iter().map(|v| v + 1)).max().unwrap_or(0)
    }
}
