//! Prepares one data set: `prepare_stills SOURCE OUT NAME SIDE grey|rgb file|person all|train|test [THREADS]`.
//!
//! `train` and `test` keep 85 and 15 % of the persons. Also draws `OUT/NAME.png`, a sheet of samples to look at.

use mtcae_contract::LabelSet;
use mtcae_data::{Naming, Part, Stills, StillsJob, contact_sheet, prepare_stills};
use std::{error::Error, path::PathBuf, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [source, out, name, side, color, naming, part, rest @ ..] = args.as_slice() else {
        return Err("usage: prepare_stills SOURCE OUT NAME SIDE grey|rgb file|person all|train|test [THREADS]".into());
    };
    let job = StillsJob {
        source: source.into(),
        out: out.into(),
        name: name.clone(),
        split: part.clone(),
        part: match part.as_str() {
            "train" => Part::Below(85),
            "test" => Part::From(85),
            _ => Part::All,
        },
        naming: if naming == "person" { Naming::PersonNumber } else { Naming::File },
        labels: LabelSet::seven(),
        side: side.parse()?,
        grey: color == "grey",
        threads: rest.first().map_or(Ok(2), |t| t.parse())?,
    };
    let start = Instant::now();
    let outcome = prepare_stills(&job, |p| {
        if p.done % 1000 == 0 || p.done == p.total {
            println!("{} of {}, {} faces, {:.0} s", p.done, p.total, p.faces, start.elapsed().as_secs_f32());
        }
    })?;
    println!("{outcome:#?}");
    let stills = Stills::open(&outcome.shards)?;
    let faces = (0..stills.len()).map(|i| stills.sample(i)).filter(|s| s.has_face);
    let eyes: Vec<f32> = faces.map(|s| s.landmarks[0].distance(s.landmarks[1]) / s.face.w.max(s.face.h)).collect();
    println!("eye distance / box side: {:.3}", eyes.iter().sum::<f32>() / eyes.len().max(1) as f32);
    contact_sheet(&stills, 48, &PathBuf::from(out).join(format!("{name}.png")))?;
    Ok(())
}
