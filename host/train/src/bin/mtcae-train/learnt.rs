//! What weights learnt from, in a file beside them: nobody whom they know is to be tested on unnoticed.

use crate::fold::TrainedOn;
use crate::run_of::RunOf;
use anyhow::{Context, Result};
use mtcae_data::{Folds, Stills};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The file's name.
const FILE: &str = "learnt.json";

/// What weights learnt from; what those learnt from that they began with is in it.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Learnt {
    labelled: Known,
    /// By pre-training.
    unlabelled: Known,
}

/// Some data, by its hashes.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Persons; files where persons are not known.
    #[serde(with = "words")]
    persons: BTreeSet<u64>,
    /// Pictures, where the shards keep hashes of them: the same may be prepared again under another name.
    #[serde(with = "words")]
    pictures: BTreeSet<u64>,
    /// Shards' jobs of runs by earlier trainers, whose notes say no more.
    jobs: BTreeSet<String>,
}

/// How much of some samples weights know.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Shared {
    /// Samples.
    of: usize,
    /// Those whose person is known.
    persons: usize,
    /// Those whose person or picture is known.
    samples: usize,
}

/// What weights know of some samples.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// With labels.
    pub labelled: Shared,
    /// Without.
    pub unlabelled: Shared,
}

impl Learnt {
    /// What the model or checkpoint at `path` learnt from; nothing where no note of a run is in its folder or beside it. Notes of
    /// earlier trainers say only of which shards they are: all of them count, but nothing for the `fold` that was left out.
    pub fn of(path: &Path, fold: Option<(Folds, usize)>) -> Result<Learnt> {
        let home = home(path);
        if let Some(learnt) = Learnt::read(&home)? {
            return Ok(learnt);
        }
        let of_jobs = |jobs: &[String]| Known { jobs: jobs.iter().cloned().collect(), ..Known::default() };
        if let Some(note) = TrainedOn::read(&home)? {
            let known = if fold.is_some_and(|fold| note.is_of(fold)) { Known::default() } else { of_jobs(note.jobs()) };
            return Ok(Learnt { labelled: known, ..Learnt::default() });
        }
        Ok(match RunOf::read(&home)? {
            Some(run) if run.is_pretraining() => Learnt { unlabelled: of_jobs(run.jobs()), ..Learnt::default() },
            Some(run) => Learnt { labelled: of_jobs(run.jobs()), ..Learnt::default() },
            None => Learnt::default(),
        })
    }

    fn read(home: &Path) -> Result<Option<Learnt>> {
        let path = home.join(FILE);
        let Ok(bytes) = std::fs::read(&path) else { return Ok(None) };
        serde_json::from_slice(&bytes).map(Some).with_context(|| path.display().to_string())
    }

    /// Writes the file of a run in `out` that learns from `data`, with labels or without, and began with the weights in `init`.
    pub fn keep(
        out: &Path,
        data: &Stills,
        labelled: bool,
        init: Option<&Path>,
        fold: Option<(Folds, usize)>,
    ) -> Result<()> {
        let mut learnt = init.map(|init| Learnt::of(init, fold)).transpose()?.unwrap_or_default();
        if labelled { &mut learnt.labelled } else { &mut learnt.unlabelled }.add(data);
        let path = out.join(FILE);
        std::fs::write(&path, serde_json::to_vec(&learnt)?).with_context(|| path.display().to_string())
    }

    /// Whether a run in `out` has said what it learns from.
    pub fn is_kept(out: &Path) -> bool {
        out.join(FILE).exists()
    }

    /// How much of `data` it is.
    pub fn seen(&self, data: &Stills) -> Seen {
        Seen { labelled: self.labelled.shared(data), unlabelled: self.unlabelled.shared(data) }
    }
}

/// The folder with the notes of the model or checkpoint at `path`: a model folder may be a run's own, or lie in it.
pub fn home(path: &Path) -> PathBuf {
    let inside = [FILE, TrainedOn::FILE, RunOf::FILE].iter().any(|name| path.join(name).exists());
    if inside { path.to_owned() } else { path.with_file_name("") }
}

impl Known {
    fn add(&mut self, data: &Stills) {
        for i in 0..data.len() {
            self.persons.insert(data.sample(i).subject);
            self.pictures.extend(data.picture(i).ok());
        }
        data.shards().iter().for_each(|shard| _ = self.jobs.remove(&shard.info().job));
    }

    fn shared(&self, data: &Stills) -> Shared {
        let all = data.shards().iter().any(|shard| self.jobs.contains(&shard.info().job));
        let mut shared = Shared { of: data.len(), ..Shared::default() };
        for i in 0..data.len() {
            let person = all || self.persons.contains(&data.sample(i).subject);
            let picture = || data.picture(i).is_ok_and(|picture| self.pictures.contains(&picture));
            shared.persons += usize::from(person);
            shared.samples += usize::from(person || picture());
        }
        shared
    }
}

impl Shared {
    /// Whether these are people that were learnt from: a person is among them, or most of the pictures are. A few pictures that are
    /// in two places are a flaw of the data.
    pub fn is_same_people(&self) -> bool {
        self.persons > 0 || 2 * self.samples > self.of
    }

    /// Whether anything is known.
    pub fn is_any(&self) -> bool {
        self.samples > 0
    }

    /// For example `3 of the 12 samples`.
    pub fn told(&self) -> String {
        format!("{} of the {} samples", self.samples, self.of)
    }
}

impl Seen {
    /// Both together.
    pub fn and(self, other: Seen) -> Seen {
        let sum = |a: Shared, b: Shared| Shared {
            of: a.of + b.of,
            persons: a.persons + b.persons,
            samples: a.samples + b.samples,
        };
        Seen { labelled: sum(self.labelled, other.labelled), unlabelled: sum(self.unlabelled, other.unlabelled) }
    }

    /// Says of `model`, which knows so much of what it is scored on, what its scores are worth.
    pub fn warn(&self, model: &Path) {
        self.warnings(model).iter().for_each(|warning| tell!("warning: {warning}"));
    }

    fn warnings(&self, model: &Path) -> Vec<String> {
        let (name, labelled, unlabelled) = (model.display(), self.labelled.told(), self.unlabelled.told());
        let mut warnings = Vec::new();
        if self.labelled.is_same_people() {
            warnings.push(format!(
                "{name} was trained on persons or pictures of {labelled}: these scores say nothing of other people"
            ));
        } else if self.labelled.is_any() {
            warnings.push(format!(
                "{name} was trained on the pictures of {labelled}: their scores say nothing of other pictures; `--without DATA` leaves \
                 them out"
            ));
        }
        if self.unlabelled.is_any() {
            warnings.push(format!(
                "{name} was pre-trained, without labels, on persons or pictures of {unlabelled}: say so beside the scores, or pre-train \
                 on other data"
            ));
        }
        warnings
    }
}

/// Numbers as one string of 16 hexadecimal digits each: there are as many as there are samples.
mod words {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};
    use std::collections::BTreeSet;

    pub fn serialize<S: Serializer>(words: &BTreeSet<u64>, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&words.iter().map(|word| format!("{word:016x}")).collect::<String>())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<u64>, D::Error> {
        let text = String::deserialize(from)?;
        let word = |digits: &[u8]| u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
        let words: Option<BTreeSet<u64>> = text.as_bytes().chunks(16).map(word).collect();
        words.ok_or_else(|| D::Error::custom("accepted: hashes of 16 hexadecimal digits each, one after the other"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_contract::LabelSet;
    use mtcae_data::{SynthJob, synthesize};

    /// Six clips of three persons; `side` decides the job, and no person or picture.
    fn data(folder: &Path, side: usize) -> Stills {
        let job = SynthJob {
            model: None,
            out: folder.to_owned(),
            name: format!("made{side}"),
            clips: 6,
            identities: 3,
            size: 48,
            side,
            frames: 2,
            seed: 1,
            labels: LabelSet::seven(),
            workers: 1,
        };
        Stills::open(&synthesize(&job, |_| {}).unwrap().shards).unwrap()
    }

    fn shared(of: usize, persons: usize, samples: usize) -> Shared {
        Shared { of, persons, samples }
    }

    #[test]
    fn persons_are_known_again_in_other_shards_and_through_the_weights_a_run_began_with() {
        let dir = tempfile::tempdir().unwrap();
        let (data, again) = (data(dir.path(), 32), data(dir.path(), 40));
        let fold = Folds::Subject(3).fold(&data, 1).unwrap();
        let run = |name: &str| {
            let run = dir.path().join(name);
            std::fs::create_dir_all(&run).unwrap();
            run
        };
        let (pre, one, two) = (run("pre"), run("one"), run("two"));
        Learnt::keep(&pre, &data.select(&fold.test).unwrap(), false, None, None).unwrap();
        Learnt::keep(&one, &data.select(&fold.train).unwrap(), true, Some(&pre.join("c")), None).unwrap();
        Learnt::keep(&two, &data.select(&fold.test).unwrap(), true, Some(&one.join("c")), None).unwrap();
        let seen = |path: PathBuf, data: &Stills| Learnt::of(&path, None).unwrap().seen(data);
        let n = fold.test.len();
        let all = shared(6, 6, 6);
        let test = again.select(&fold.test).unwrap();
        assert_eq!(seen(pre.join("c"), &again), Seen { labelled: shared(6, 0, 0), unlabelled: shared(6, n, n) });
        assert_eq!(seen(one.join("c"), &test), Seen { labelled: shared(n, 0, 0), unlabelled: shared(n, n, n) });
        assert_eq!(seen(two.join("c"), &again).labelled, all);
        // A model folder that is the run's own, or lies in it; one elsewhere says nothing.
        std::fs::create_dir(two.join("model")).unwrap();
        assert_eq!((seen(two.clone(), &again).labelled, seen(two.join("model"), &again).labelled), (all, all));
        assert_eq!(seen(dir.path().join("elsewhere"), &again).labelled, shared(6, 0, 0));
        // The same pictures under other names.
        let mut learnt = Learnt::of(&two.join("c"), None).unwrap();
        learnt.labelled.persons.clear();
        assert_eq!(learnt.seen(&data).labelled, shared(6, 0, 6));
    }

    #[test]
    fn notes_of_earlier_trainers_count_by_their_shards() {
        let dir = tempfile::tempdir().unwrap();
        let (data, other) = (data(dir.path(), 32), data(dir.path(), 40));
        let job = &data.shards()[0].info().job;
        let run = dir.path().join("run");
        std::fs::create_dir(&run).unwrap();
        let seen = |data: &Stills, fold| Learnt::of(&run.join("c"), fold).unwrap().seen(data);
        let (all, none) = (shared(6, 6, 6), shared(6, 0, 0));
        for (recipe, labelled, unlabelled) in [("Recipe { }", all, none), ("PretrainRecipe { }", none, all)] {
            let note = format!(r#"{{ "recipe": "{recipe}", "jobs": ["{job}"], "samples": "6 0", "init": null }}"#);
            std::fs::write(run.join("run.json"), note).unwrap();
            assert_eq!(seen(&data, None), Seen { labelled, unlabelled });
            assert_eq!(seen(&other, None), Seen { labelled: none, unlabelled: none });
        }
        std::fs::write(run.join("fold.json"), format!(r#"{{ "folds": "subject:3", "fold": 2, "jobs": ["{job}"] }}"#))
            .unwrap();
        assert_eq!(seen(&data, None).labelled, all);
        assert_eq!(seen(&data, Some((Folds::Subject(3), 1))).labelled, all);
        assert_eq!(seen(&data, Some((Folds::Subject(3), 2))).labelled, none);
    }

    #[test]
    fn a_person_or_most_pictures_are_the_same_people_and_a_few_pictures_are_not() {
        assert!(shared(100, 1, 1).is_same_people() && shared(100, 0, 51).is_same_people());
        assert!(!shared(100, 0, 8).is_same_people() && shared(100, 0, 8).is_any() && !shared(100, 0, 0).is_any());
        let warned = |labelled, unlabelled| Seen { labelled, unlabelled }.warnings(Path::new("m")).join("\n");
        let none = shared(9, 0, 0);
        assert_eq!(warned(none, none), "");
        insta::assert_snapshot!(warned(shared(9, 3, 3), none), @"m was trained on persons or pictures of 3 of the 9 samples: these scores say nothing of other people");
        insta::assert_snapshot!(warned(shared(9, 0, 1), none), @"m was trained on the pictures of 1 of the 9 samples: their scores say nothing of other pictures; `--without DATA` leaves them out");
        insta::assert_snapshot!(warned(none, shared(9, 9, 9)), @"m was pre-trained, without labels, on persons or pictures of 9 of the 9 samples: say so beside the scores, or pre-train on other data");
    }
}
