//! Several shards read as one.

use crate::shard::{Shard, framing};
use crate::{DataError, StillRef};
use mtcae_contract::{LabelSet, Rect};
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Several shards read as one; they share a label set but may differ in side, channels and frames.
#[derive(Debug, Clone)]
pub struct Stills {
    shards: Arc<[Shard]>,
    ends: Vec<usize>,
    /// Which of all samples are in it; all of them when not given.
    chosen: Option<Vec<usize>>,
    labels: LabelSet,
    /// Of each label of the shards the index in `labels`.
    indices: Vec<usize>,
}

impl Stills {
    /// Opens every shard in the order given.
    ///
    /// # Errors
    /// When there is none, one cannot be opened, or two have different label sets.
    pub fn open(paths: &[PathBuf]) -> Result<Stills, DataError> {
        let mut shards: Vec<Shard> = Vec::with_capacity(paths.len());
        let mut ends = Vec::with_capacity(paths.len());
        for path in paths {
            let shard = Shard::open(path)?;
            if shards.first().is_some_and(|first| first.info().labels != shard.info().labels) {
                let why = format!("label set {:?} differs from the first shard's", shard.info().labels.labels());
                return Err(DataError::Shard { path: path.clone(), why });
            }
            ends.push(ends.last().unwrap_or(&0) + shard.len());
            shards.push(shard);
        }
        if shards.is_empty() {
            return Err(DataError::Job {
                what: "list of shards",
                value: "empty".to_owned(),
                accepted: "at least one .safetensors file",
            });
        }
        let labels = shards[0].info().labels.clone();
        let indices = (0..labels.len()).collect();
        Ok(Stills { shards: shards.into(), ends, chosen: None, labels, indices })
    }

    /// Some of these samples, in this order, as a data set of its own over the same shards.
    ///
    /// # Errors
    /// When there is none, or an index is not below [`Stills::len`].
    pub fn select(&self, samples: &[usize]) -> Result<Stills, DataError> {
        let wrong =
            |value| DataError::Job { what: "selection", value, accepted: "samples that are there, at least one" };
        match samples.iter().find(|i| **i >= self.len()) {
            _ if samples.is_empty() => Err(wrong("empty".to_owned())),
            Some(i) => Err(wrong(format!("sample {i} of {}", self.len()))),
            None => {
                let chosen = samples.iter().map(|i| self.chosen.as_ref().map_or(*i, |c| c[*i])).collect();
                Ok(Stills { chosen: Some(chosen), ..self.clone() })
            }
        }
    }

    /// The same samples under another label set, such as that of a model that knows more expressions.
    ///
    /// # Errors
    /// When an expression of one of the samples is not in it.
    pub fn labelled(&self, labels: &LabelSet) -> Result<Stills, DataError> {
        let own = self.labels.labels();
        let index = |expression| labels.labels().iter().position(|l| *l == expression);
        if let Some(odd) = (0..self.len()).map(|i| own[self.sample(i).label]).find(|e| index(*e).is_none()) {
            let value = format!("`{odd}`");
            return Err(DataError::Job {
                what: "a sample's expression",
                value,
                accepted: "those that the model knows",
            });
        }
        // Which none of the samples has may be anything.
        let of = |shards: &usize| own.get(*shards).and_then(|e| index(*e)).unwrap_or(0);
        Ok(Stills { labels: labels.clone(), indices: self.indices.iter().map(of).collect(), ..self.clone() })
    }

    /// Opens `<name>-000.safetensors`, `<name>-001.safetensors`, ... in `folder`.
    ///
    /// # Errors
    /// When the first is missing, or as [`Stills::open`].
    pub fn open_named(folder: &Path, name: &str) -> Result<Stills, DataError> {
        let mut paths = vec![shard_path(folder, name, 0)];
        while shard_path(folder, name, paths.len()).exists() {
            paths.push(shard_path(folder, name, paths.len()));
        }
        Stills::open(&paths)
    }

    /// The shards.
    pub fn shards(&self) -> &[Shard] {
        &self.shards
    }

    /// The label set that samples' labels index: the one all shards share, or another ([`Stills::labelled`]).
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// Number of samples in all shards, at least 1.
    #[allow(clippy::len_without_is_empty)] // never empty
    pub fn len(&self) -> usize {
        self.chosen.as_ref().map_or(self.ends[self.ends.len() - 1], Vec::len)
    }

    /// Sample `i`, counted through all shards; of a clip its middle frame.
    ///
    /// # Panics
    /// When `i` is not below [`Stills::len`].
    pub fn sample(&self, i: usize) -> StillRef<'_> {
        let (shard, i) = self.find(i);
        self.named(shard.sample(i))
    }

    /// How many frames sample `i` has: 1 for a still.
    ///
    /// # Panics
    /// As [`Stills::sample`].
    pub fn frames(&self, i: usize) -> usize {
        self.find(i).0.info().frames
    }

    /// Frame `t` of sample `i`.
    ///
    /// # Panics
    /// As [`Stills::sample`], and when `t` is not below [`Stills::frames`].
    pub fn frame(&self, i: usize, t: usize) -> StillRef<'_> {
        let (shard, i) = self.find(i);
        self.named(shard.frame(i, t))
    }

    fn named<'a>(&self, still: StillRef<'a>) -> StillRef<'a> {
        StillRef { label: self.indices[still.label], ..still }
    }

    /// What the network sees of sample `i` in all its frames, in fractions of the stored picture: one square around the mean
    /// of its boxes, or everything.
    ///
    /// # Panics
    /// As [`Stills::sample`].
    pub fn framing(&self, i: usize, margin: f32) -> Rect {
        let n = self.frames(i);
        let mut mean = Rect::default();
        for f in (0..n).map(|t| self.frame(i, t).face) {
            (mean.x, mean.y, mean.w, mean.h) = (mean.x + f.x, mean.y + f.y, mean.w + f.w, mean.h + f.h);
        }
        let n = n as f32;
        let mean = Rect { x: mean.x / n, y: mean.y / n, w: mean.w / n, h: mean.h / n };
        framing(self.find(i).0.info().stored, mean, margin)
    }

    /// Hash of the picture, or of the frames, that sample `i` was cut from: the same wherever the same picture is.
    ///
    /// # Errors
    /// When its shard keeps none.
    ///
    /// # Panics
    /// As [`Stills::sample`].
    pub fn picture(&self, i: usize) -> Result<u64, DataError> {
        let (shard, i) = self.find(i);
        shard.picture(i).ok_or_else(|| DataError::NoPictureHashes { path: shard.path().to_owned() })
    }

    /// Which samples show a picture that is in `others`, too.
    ///
    /// # Errors
    /// When a shard of the one or the other keeps no hashes of pictures.
    pub fn also_in(&self, others: &Stills) -> Result<Vec<usize>, DataError> {
        let known = (0..others.len()).map(|i| others.picture(i)).collect::<Result<HashSet<u64>, _>>()?;
        let mut shared = Vec::new();
        for i in 0..self.len() {
            if known.contains(&self.picture(i)?) {
                shared.push(i);
            }
        }
        Ok(shared)
    }

    /// The name of the person with this hash, where the shards know it.
    pub fn subject_name(&self, hash: u64) -> Option<&str> {
        let names = self.shards.iter().flat_map(|s| &s.info().subjects);
        names.map(String::as_str).find(|name| crate::subject_hash(name) == hash)
    }

    /// The shard of sample `i`, and its index there.
    fn find(&self, i: usize) -> (&Shard, usize) {
        assert!(i < self.len(), "sample {i} of {}", self.len());
        let i = self.chosen.as_ref().map_or(i, |chosen| chosen[i]);
        let k = self.ends.partition_point(|end| *end <= i);
        (&self.shards[k], i - if k == 0 { 0 } else { self.ends[k - 1] })
    }
}

/// Removes the shards of `name` from number `first` on: those of an earlier job of this name must not stand beside new ones.
pub(crate) fn remove_shards(folder: &Path, name: &str, first: usize) -> Result<(), DataError> {
    for path in (first..).map(|i| shard_path(folder, name, i)).take_while(|p| p.exists()) {
        std::fs::remove_file(&path).map_err(DataError::io(&path))?;
    }
    Ok(())
}

/// Where a job writes its shard `index`.
pub(crate) fn shard_path(folder: &Path, name: &str, index: usize) -> PathBuf {
    folder.join(format!("{name}-{index:03}.safetensors"))
}
