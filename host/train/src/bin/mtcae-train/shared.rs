//! `--without`: pictures that are in other shards, too, and are left out of what is scored.

use crate::open;
use anyhow::{Context, Result};
use mtcae_data::Stills;
use std::path::PathBuf;

/// Whose pictures do not count.
#[derive(clap::Args)]
pub struct WithoutArgs {
    /// Leave out of what is scored the samples whose picture is in these shards, too: FER2013's public test split has 280 of its
    /// training split; may be given again.
    #[arg(long = "without", value_name = "DATA")]
    without: Vec<PathBuf>,
}

impl WithoutArgs {
    /// Whether any shards were named.
    pub fn is_given(&self) -> bool {
        !self.without.is_empty()
    }

    /// Of each sample of `data` whether it counts; nothing where no shards were named.
    pub fn kept(&self, data: &Stills) -> Result<Option<Vec<bool>>> {
        if !self.is_given() {
            return Ok(None);
        }
        let mut kept = vec![true; data.len()];
        for name in &self.without {
            let others = open(std::slice::from_ref(name))?;
            data.also_in(&others).context("--without")?.into_iter().for_each(|i| kept[i] = false);
        }
        Ok(Some(kept))
    }

    /// `data` without them, and how many they were.
    pub fn leave_out(&self, data: Stills) -> Result<(Stills, usize)> {
        let Some(kept) = self.kept(&data)? else { return Ok((data, 0)) };
        let rest: Vec<usize> = (0..data.len()).filter(|i| kept[*i]).collect();
        let left_out = data.len() - rest.len();
        Ok((data.select(&rest).context("--without leaves no sample")?, left_out))
    }
}
