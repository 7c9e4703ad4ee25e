//! A person with hair, clothes and spectacles as one mesh, and that mesh as a moment of a performance bends it.

use crate::layout::Surface;
use crate::map::{FaceMap, fraction};
use crate::performance::Moment;
use crate::person::{HairStyle, Person};
use crate::props::{Prop, clothes, hanging_hair, spectacles};
use crate::random::noise;
use crate::skin::{hair_cover, hairline};
use crate::vector::{Turn, Vec3, add, along, cross, dot, length, mean, mix, smooth, sub, unit};
use crate::{FaceModel, map};

/// What the head turns around, and the heights between which the neck follows it less and less, centimetres.
const PIVOT: Vec3 = [0.0, -5.0, -1.0];
const NECK: [f32; 2] = [-15.0, -7.0];

/// Height of the collar.
const COLLAR: f32 = -12.0;

/// What does not change during a clip.
pub struct Figure<'m> {
    model: &'m FaceModel,
    /// Resting points: the model's vertices, then those of the props.
    rest: Vec<Vec3>,
    /// Sheet coordinates of skin, direction of an eyeball's point, or centimetres of a prop's pattern.
    pub places: Vec<[f32; 2]>,
    pub triangles: Vec<([u32; 3], Surface)>,
    /// Light that reaches a point inside the head, 0 to 1.
    dim: Vec<f32>,
    /// How much a point follows the head, 0 to 1.
    follow: Vec<f32>,
    eye_middles: [Vec3; 2],
    neighbours: Neighbours,
}

/// A figure at one moment, in the world: centimetres, the head's resting middle at the origin.
#[derive(Debug, Default, Clone)]
pub struct Posed {
    pub points: Vec<Vec3>,
    /// Length 1, outwards.
    pub normals: Vec<Vec3>,
    /// Light that reaches the point, 0 to 1.
    pub dim: Vec<f32>,
}

impl<'m> Figure<'m> {
    /// The mesh of `person`, with spectacles when the person has some and `wears_glasses`.
    pub fn new(model: &'m FaceModel, map: &FaceMap, person: &Person, wears_glasses: bool) -> Figure<'m> {
        let mut rest = model.person(&person.form);
        let layout = model.layout();
        let eye_middles = [0, 1].map(|i| mean(layout.eyes[i].clone().map(|v| rest[v as usize])));
        let at = |i: usize| rest[layout.landmarks[i] as usize];
        let (nose, brow) = (at(27), (17..27).map(|i| at(i)[1]).sum::<f32>() / 10.0);
        let skin = layout.skin.start as usize..layout.skin.end as usize;
        let above = rest[skin].iter().filter(|p| p[1] > brow);
        let half = above.map(|p| p[0].abs()).fold(5.0, f32::max);
        let mut props = vec![clothes(COLLAR)];
        if person.hair.style == HairStyle::Long {
            props.push(hanging_hair(person, half, brow));
        }
        if let (true, Some(glasses)) = (wears_glasses, &person.glasses) {
            props.push(spectacles(glasses, eye_middles, nose, half));
        }
        grow_hair(model, map, person, &mut rest);
        let mut figure = Figure {
            places: places(model, map, &eye_middles),
            dim: model.neutral().iter().enumerate().map(|(i, p)| inner_light(model, i as u32, *p)).collect(),
            follow: rest.iter().map(|p| smooth(NECK[0], NECK[1], p[1])).collect(),
            triangles: model.triangles().iter().filter(|(t, s)| !is_under_clothes(model, *t, *s)).copied().collect(),
            neighbours: Neighbours::new(model),
            rest,
            model,
            eye_middles,
        };
        props.into_iter().for_each(|p| figure.wear(p));
        figure
    }

    fn wear(&mut self, prop: Prop) {
        let first = self.rest.len() as u32;
        let fixed = prop.triangles.iter().any(|(_, s)| *s == Surface::Cloth);
        self.follow.extend(prop.points.iter().map(|_| if fixed { 0.0 } else { 1.0 }));
        self.dim.extend(prop.points.iter().map(|_| 1.0));
        self.places.extend(prop.places);
        self.triangles.extend(prop.triangles.into_iter().map(|(t, s)| (t.map(|i| i + first), s)));
        self.rest.extend(prop.points);
    }

    /// Bends the figure.
    pub fn pose(&self, moment: &Moment) -> Posed {
        let mut points = self.rest.clone();
        self.model.express(&mut points, &moment.weights);
        let mut dim = self.dim.clone();
        self.roll_eyes(&mut points, &mut dim, moment.gaze);
        let turn = Turn::new(moment.head[0], moment.head[1], moment.head[2]);
        for (p, follow) in points.iter_mut().zip(&self.follow) {
            let turned = add(add(PIVOT, turn.apply(sub(*p, PIVOT))), moment.shift);
            *p = mix(*p, turned, *follow);
        }
        let normals = self.normals(&points);
        self.neighbours.darken(&points, &normals, &mut dim);
        Posed { points, normals, dim }
    }

    fn roll_eyes(&self, points: &mut [Vec3], dim: &mut [f32], [yaw, pitch]: [f32; 2]) {
        let turn = Turn::new(yaw, pitch, 0.0);
        for (range, middle) in self.model.layout().eyes.iter().zip(self.eye_middles) {
            for i in range.start as usize..range.end as usize {
                let way = turn.apply(sub(points[i], middle));
                points[i] = add(middle, way);
                let way = unit(way);
                // Lids and lashes throw a shadow.
                dim[i] = 1.0 - 0.5 * smooth(0.05, 0.4, way[1]) - 0.25 * smooth(0.25, 0.6, way[0].abs());
            }
        }
    }

    /// Normals of all points: the mean of the triangles around them, larger ones more.
    fn normals(&self, points: &[Vec3]) -> Vec<Vec3> {
        let mut normals = vec![[0.0; 3]; points.len()];
        for (t, _) in &self.triangles {
            let [a, b, c] = t.map(|i| points[i as usize]);
            let n = cross(sub(b, a), sub(c, a));
            t.iter().for_each(|i| normals[*i as usize] = add(normals[*i as usize], n));
        }
        normals.iter_mut().for_each(|n| *n = unit(*n));
        normals
    }
}

/// Whether a triangle would come through the clothes when the head moves.
fn is_under_clothes(model: &FaceModel, t: [u32; 3], surface: Surface) -> bool {
    surface == Surface::Skin && t.iter().all(|v| model.neutral()[*v as usize][1] < COLLAR - 1.5)
}

/// Lifts the skin where hair grows.
fn grow_hair(model: &FaceModel, map: &FaceMap, person: &Person, rest: &mut [Vec3]) {
    if person.hair.thickness <= 0.0 {
        return;
    }
    let middle = [0.0, map.brow_height(), 0.0];
    for v in model.layout().skin.clone() {
        let place = map.places[v as usize];
        let cover = hair_cover(map, person, place);
        if cover > 0.0 {
            let over = place[1] - hairline(map, person, place[0]);
            let tuft = 0.7 + 0.3 * noise(person.seed ^ 0x77, 0.8 * place[0], 0.8 * place[1]);
            let thick = person.hair.thickness * cover * smooth(-0.3, 2.0, over) * tuft;
            let p = &mut rest[v as usize];
            *p = along(*p, unit(sub(*p, middle)), thick);
        }
    }
}

fn places(model: &FaceModel, map: &FaceMap, eye_middles: &[Vec3; 2]) -> Vec<[f32; 2]> {
    let layout = model.layout();
    let mut places: Vec<[f32; 2]> = map.places.iter().map(|p| fraction(*p)).collect();
    for (eye, _) in layout.eyes.iter().zip(eye_middles) {
        let middle = mean(eye.clone().map(|v| model.neutral()[v as usize]));
        for v in eye.clone() {
            let way = unit(sub(model.neutral()[v as usize], middle));
            // The back of the eyeball must not look like its front.
            let back = if way[2] < 0.0 { 3.0 } else { 1.0 };
            places[v as usize] = [way[0] * back, way[1] * back];
        }
    }
    places
}

/// Light inside the mouth and behind the eyes.
fn inner_light(model: &FaceModel, v: u32, p: Vec3) -> f32 {
    let lips = model.neutral()[model.layout().landmarks[62] as usize][2];
    let deep = (lips - p[2]).max(0.0);
    match model.layout().surface(v) {
        Some(Surface::Cavity) => 0.5 * (-deep / 1.5).exp(),
        Some(Surface::Gums) => 0.75 * (-deep / 2.0).exp(),
        Some(Surface::Teeth) => 0.95 * (-(deep - 0.6).max(0.0) / 2.2).exp(),
        _ => 1.0,
    }
}

/// Which points of the skin are next to each other, to find hollows that light reaches less.
struct Neighbours {
    /// Where each skin point's neighbours begin in `all`.
    starts: Vec<u32>,
    all: Vec<u32>,
    first: usize,
}

impl Neighbours {
    fn new(model: &FaceModel) -> Neighbours {
        let skin = model.layout().skin.clone();
        let mut pairs = Vec::new();
        for (t, _) in model.triangles().iter().filter(|(_, s)| *s == Surface::Skin) {
            for (a, b) in [(t[0], t[1]), (t[1], t[2]), (t[2], t[0])] {
                pairs.extend([(a, b), (b, a)]);
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let starts = skin.clone().chain([skin.end]).map(|v| pairs.partition_point(|p| p.0 < v) as u32).collect();
        Neighbours { starts, all: pairs.into_iter().map(|p| p.1).collect(), first: skin.start as usize }
    }

    fn darken(&self, points: &[Vec3], normals: &[Vec3], dim: &mut [f32]) {
        for (k, ends) in self.starts.windows(2).enumerate() {
            let around = &self.all[ends[0] as usize..ends[1] as usize];
            let i = self.first + k;
            if around.is_empty() {
                continue;
            }
            let to = sub(mean(around.iter().map(|n| points[*n as usize])), points[i]);
            let size = length(sub(points[around[0] as usize], points[i])).max(1e-3);
            let hollow = dot(to, normals[i]) / size;
            dim[i] *= (1.0 - 1.6 * hollow.clamp(-0.03, 0.3)).clamp(0.4, 1.05);
        }
    }
}

/// Whether a place is on the sheet's back, where left and right meet.
pub fn is_behind(u: f32) -> bool {
    (u - 0.5).abs() * 2.0 * map::HALF > 0.75 * map::HALF
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::performance::perform;
    use mtcae_contract::Expression;

    fn moment(model: &FaceModel) -> Moment {
        let still = perform(model, &Person::draw(1, model), Expression::Neutral, 1, 1).remove(0);
        Moment { weights: vec![0.0; model.expressions()], head: [0.0; 3], shift: [0.0; 3], gaze: [0.0; 2], ..still }
    }

    #[test]
    fn the_head_turns_and_the_body_stays() {
        let model = FaceModel::sketch();
        let map = FaceMap::new(model.neutral(), model.layout());
        let figure = Figure::new(&model, &map, &Person::draw(1, &model), true);
        let nose = model.layout().landmarks[30] as usize;
        let still = figure.pose(&moment(&model));
        let turned = figure.pose(&Moment { head: [0.4, 0.0, 0.0], ..moment(&model) });
        assert!(turned.points[nose][0] > still.points[nose][0] + 3.0);
        let last = figure.rest.iter().position(|p| p[1] < -40.0).unwrap();
        assert_eq!(turned.points[last], still.points[last]);
        assert!(still.normals[nose][2] > 0.5);
        let longs = still.normals.iter().map(|n| length(*n)).filter(|l| (l - 1.0).abs() > 1e-3 && *l != 0.0).count();
        assert_eq!(longs, 0);
    }

    #[test]
    fn eyes_roll() {
        let model = FaceModel::sketch();
        let map = FaceMap::new(model.neutral(), model.layout());
        let figure = Figure::new(&model, &map, &Person::draw(2, &model), false);
        let eye = model.layout().eyes[0].clone();
        let front =
            eye.clone().max_by(|a, b| figure.rest[*a as usize][2].total_cmp(&figure.rest[*b as usize][2])).unwrap();
        let x = |gaze| figure.pose(&Moment { gaze, ..moment(&model) }).points[front as usize][0];
        assert!(x([0.4, 0.0]) > x([0.0, 0.0]) + 0.3);
    }

    #[test]
    fn hair_makes_heads_larger() {
        let model = FaceModel::sketch();
        let map = FaceMap::new(model.neutral(), model.layout());
        let mut person = Person::draw(1, &model);
        person.hair = crate::person::Hair { style: HairStyle::Short, thickness: 1.5, ..person.hair };
        let with = Figure::new(&model, &map, &person, false).rest[0][1];
        person.hair.thickness = 0.0;
        assert!(with > Figure::new(&model, &map, &person, false).rest[0][1] + 0.5);
    }
}
