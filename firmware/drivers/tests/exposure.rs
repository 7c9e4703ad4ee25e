//! Auto-exposure in a closed loop with simulated sensors, light that jumps, and lamps that flicker. Prints how many
//! pictures each change took.
#![cfg(feature = "decode")]

use mtcae_drivers::{AutoExposure, EXPOSURE_TARGET, ExposureRange, ExposureSetting, Mains, Metered, Span};
use std::collections::VecDeque;
use std::f64::consts::TAU;

/// What a sensor's gain numbers really do.
#[derive(Debug, Clone, Copy)]
enum Gain {
    /// Times the least.
    Linear,
    /// IMX219: 256 / (256 - n).
    Imx219,
    /// 0.3 dB a number.
    Decibel,
    None,
}

impl Gain {
    fn span(self) -> Option<Span> {
        let (min, max) = match self {
            Gain::Linear => (16, 248),
            Gain::Imx219 => (0, 232),
            Gain::Decibel => (0, 100),
            Gain::None => return None,
        };
        Some(Span { min, max, step: 1 })
    }

    fn factor(self, n: i64) -> f64 {
        match self {
            Gain::Linear => n as f64 / 16.0,
            Gain::Imx219 => 256.0 / (256 - n) as f64,
            Gain::Decibel => 10f64.powf(n as f64 * 0.3 / 20.0),
            Gain::None => 1.0,
        }
    }
}

/// A sensor, its lamps, and the time values take to reach it.
struct Scene {
    gain: Gain,
    /// Microseconds of one unit of exposure.
    unit: f64,
    fps: f64,
    /// Time from the first row to the last, of the time of a picture; 0 for a global shutter.
    readout: f64,
    /// Flashes a second, and how deep they are from 0 to 1.
    flicker: (f64, f64),
    /// Mean light of a picture of 1 ms without gain.
    light: f64,
    time: f64,
    /// Pictures that are still taken with the old values.
    delay: usize,
    late: VecDeque<ExposureSetting>,
}

impl Scene {
    fn picture(&mut self, set: ExposureSetting) -> Metered {
        self.late.push_back(set);
        let used = if self.late.len() > self.delay { self.late.pop_front().unwrap_or(set) } else { self.late[0] };
        let seconds = used.exposure as f64 * self.unit / 1e6;
        let (hz, depth) = self.flicker;
        // The lamp's light from 0 to t.
        let lamp = |t: f64| if hz > 0.0 { t - depth * (TAU * hz * t).sin() / (TAU * hz) } else { t };
        let rows = 64;
        // Six kinds of surface: 4 % to 90 % of the light, 30 % on average.
        let surfaces = [0.04, 0.1, 0.18, 0.25, 0.33, 0.9].map(|s| s / 0.3);
        let (mut sum, mut clipped) = (0.0, 0.0);
        for row in 0..rows {
            let begin = self.time + self.readout / self.fps * row as f64 / rows as f64;
            let light = (lamp(begin + seconds) - lamp(begin)) * 1e3 * self.light * self.gain.factor(used.gain);
            for surface in surfaces {
                sum += (light * surface).min(1.0);
                clipped += f64::from(light * surface >= 0.95);
            }
        }
        self.time += 1.0 / self.fps;
        let n = (rows * surfaces.len()) as f64;
        Metered { light: (sum / n) as f32, clipped: (clipped / n) as f32 }
    }
}

fn scene(gain: Gain) -> Scene {
    Scene {
        gain,
        unit: 100.0,
        fps: 30.0,
        readout: 0.8,
        flicker: (0.0, 0.0),
        light: 0.02,
        time: 0.0,
        delay: 2,
        late: VecDeque::new(),
    }
}

fn auto(scene: &Scene, mains: Mains) -> AutoExposure {
    let range = ExposureRange {
        exposure: Span { min: 1, max: 10_000, step: 1 },
        unit_us: Some(scene.unit as f32),
        gain: scene.gain.span(),
    };
    let start = ExposureSetting { exposure: 50, gain: 0 };
    AutoExposure::new(range, start, (1e6 / scene.fps) as f32, mains)
}

/// What happened in a run of pictures.
#[derive(Debug)]
struct Run {
    changes: usize,
    /// Picture of the last change.
    last: usize,
    /// Mean light of the last thirty.
    light: f32,
}

fn run(scene: &mut Scene, auto: &mut AutoExposure, pictures: usize) -> Run {
    let mut run = Run { changes: 0, last: 0, light: 0.0 };
    for i in 0..pictures {
        let metered = scene.picture(auto.setting());
        if i + 30 >= pictures {
            run.light += metered.light / 30.0;
        }
        if auto.on_picture(metered).is_some() {
            run.changes += 1;
            run.last = i + 1;
        }
    }
    run
}

fn stops_off(light: f32) -> f32 {
    (light / EXPOSURE_TARGET).log2().abs()
}

#[test]
fn light_that_jumps_is_followed_within_a_second_and_then_left_alone() {
    let (mut jumps, mut worst) = (0, 0);
    for gain in [Gain::Linear, Gain::Imx219, Gain::Decibel] {
        for mains in [Mains::Unknown, Mains::Hz50, Mains::Hz60] {
            let mut scene = scene(gain);
            let mut auto = auto(&scene, mains);
            // From a window in the sun to a lamp in the evening.
            for light in [0.02, 0.002, 1.0, 0.02, 0.3, 0.004, 0.02, 0.0025] {
                scene.light = light;
                let seen = run(&mut scene, &mut auto, 120);
                println!("{gain:?} {mains:?}, light {light}: {seen:?} {:?}", auto.setting());
                jumps += 1;
                worst = worst.max(seen.last);
                assert!(stops_off(seen.light) < 0.4, "{gain:?} {mains:?} {light}: {seen:?}");
                assert!(auto.is_settled() && seen.last <= 48, "{gain:?} {mains:?} {light}: {seen:?}");
            }
        }
    }
    println!("{jumps} jumps of light, the slowest followed in {worst} pictures");
    assert_eq!(jumps, 72);
}

#[test]
fn lamps_that_flicker_do_not_make_it_swing() {
    let (mut cases, mut most) = (0, 0);
    for hz in [100.0, 99.9, 120.0, 119.9] {
        for fps in [15.0, 25.0, 30.0, 29.97, 60.0] {
            for light in [0.005, 0.02, 0.2] {
                // A global shutter has no rows to even the flashes out; where they drift slowly through its pictures,
                // the light really changes.
                let even: &[f64] = if hz % 20.0 == 0.0 && fps != 29.97 { &[0.8, 0.0] } else { &[0.8] };
                for (readout, mains) in even
                    .iter()
                    .flat_map(|&r| [(r, Mains::Unknown), (r, if hz < 110.0 { Mains::Hz50 } else { Mains::Hz60 })])
                {
                    let mut scene = Scene { fps, readout, flicker: (hz, 0.9), light, ..scene(Gain::Linear) };
                    let mut auto = auto(&scene, mains);
                    run(&mut scene, &mut auto, 90);
                    let seen = run(&mut scene, &mut auto, 600);
                    cases += 1;
                    most = most.max(seen.changes);
                    assert!(
                        seen.changes <= 2,
                        "{hz} Hz, {fps} a second, light {light}, {mains:?}, readout {readout}: {seen:?}"
                    );
                    assert!(stops_off(seen.light) < 0.5, "{hz} Hz, {fps} a second, light {light}: {seen:?}");
                }
            }
        }
    }
    println!("{cases} lamps, 600 pictures each: at most {most} changes of a settled exposure");
    assert_eq!(cases, 168);
}

#[test]
fn exposures_are_whole_flashes_where_lamps_need_that() {
    for (mains, flash) in [(Mains::Hz50, 10_000.0), (Mains::Hz60, 8_333.3)] {
        let mut scene = Scene { light: 0.01, ..scene(Gain::Linear) };
        let mut auto = auto(&scene, mains);
        run(&mut scene, &mut auto, 120);
        let us = auto.setting().exposure as f64 * scene.unit;
        let flashes = us / flash;
        assert!(flashes >= 1.0 - 0.02 && (flashes - flashes.round()).abs() < 0.02, "{mains:?}: {us} us");
    }
}

#[test]
fn a_reader_that_lags_behind_the_camera_makes_it_slower_and_no_more() {
    let mut worst = 0;
    for (delay, gain) in [(3, Gain::Linear), (4, Gain::Imx219), (6, Gain::Linear), (6, Gain::Imx219), (6, Gain::None)] {
        let mut scene = Scene { delay, ..scene(gain) };
        let mut auto = auto(&scene, Mains::Unknown);
        for light in [0.01, 1.0, 0.01, 0.1] {
            scene.light = light;
            let seen = run(&mut scene, &mut auto, 150);
            println!("{delay} pictures late, {gain:?}, light {light}: {seen:?}");
            worst = worst.max(seen.last);
            assert!(seen.last <= 100 && stops_off(seen.light) < 0.5, "{delay} {gain:?} {light}: {seen:?}");
        }
    }
    println!("20 jumps, the slowest followed in {worst} pictures");
}

#[test]
fn the_ends_of_the_range_are_kept_and_rest() {
    for (light, gain) in [(1e-7, Gain::Linear), (1e4, Gain::Imx219), (1e-7, Gain::None), (1e4, Gain::None)] {
        let mut scene = Scene { light, ..scene(gain) };
        let mut auto = auto(&scene, Mains::Hz50);
        run(&mut scene, &mut auto, 120);
        let seen = run(&mut scene, &mut auto, 300);
        let set = auto.setting();
        assert_eq!(seen.changes, 0, "{light}: {seen:?}");
        // Three flashes of 10 ms where a gain makes up for the rest of the 33 ms.
        let longest = if matches!(gain, Gain::None) { 333 } else { 300 };
        assert_eq!(set.exposure, if light < 1.0 { longest } else { 1 });
        assert_eq!(set.gain, gain.span().map_or(0, |s| if light < 1.0 { s.max } else { s.min }));
    }
}

#[test]
fn a_camera_without_gain_or_unit_settles_too() {
    let mut scene = Scene { unit: 20.0, ..scene(Gain::None) };
    let range = ExposureRange { exposure: Span { min: 4, max: 1_600, step: 4 }, unit_us: None, gain: None };
    let start = ExposureSetting { exposure: 4, gain: 7 };
    let mut auto = AutoExposure::new(range, start, 33_333.0, Mains::Hz50);
    let seen = run(&mut scene, &mut auto, 120);
    println!("without gain or unit: {seen:?} {:?}", auto.setting());
    assert!(auto.is_settled() && stops_off(seen.light) < 0.4, "{seen:?}");
    assert_eq!((auto.setting().exposure % 4, auto.setting().gain), (0, 0));
}

#[test]
fn strange_ranges_and_measurements_never_panic() {
    let spans = [(0, 0, 0), (5, 1, 1), (1, i64::from(i32::MAX), 1), (-10, 10, 3), (1, 1, 1), (0, 1, 100)];
    for (min, max, step) in spans {
        for gain in spans {
            let gain = Some(Span { min: gain.0, max: gain.1, step: gain.2 });
            let range = ExposureRange { exposure: Span { min, max, step }, unit_us: Some(100.0), gain };
            let start = ExposureSetting { exposure: i64::from(i32::MIN), gain: i64::from(i32::MAX) };
            let mut auto = AutoExposure::new(range, start, 0.0, Mains::Hz60);
            for light in [0.0, 1.0, f32::NAN, f32::INFINITY, -1.0, 0.18] {
                for _ in 0..8 {
                    auto.on_picture(Metered { light, clipped: light });
                }
            }
            let set = auto.setting();
            assert!(set.exposure >= min.min(max) && set.exposure <= max.max(min), "{set:?} {range:?}");
        }
    }
}
