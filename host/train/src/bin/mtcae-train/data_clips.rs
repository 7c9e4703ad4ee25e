//! `mtcae-train data prepare ravdess|cremad|mead|folder`: videos in, annotated clips out.

use crate::data::JobBar;
use crate::data_text::clips_text;
use anyhow::Result;
use mtcae_data::{ClipsJob, Naming, Scheme, Stills, Stored, VideoTools, clip_sheet, prepare_clips};
use std::path::PathBuf;

/// Clips on the contact sheet.
const SHEET_CLIPS: usize = 24;

/// What all kinds of videos have in common.
#[derive(clap::Args)]
struct VideoArgs {
    /// Folder of the data set.
    #[arg(long)]
    root: PathBuf,
    /// Folder for the shards, the report and the contact sheet.
    #[arg(long)]
    out: PathBuf,
    /// Shards are called NAME-000.safetensors and so on; the data set's own name when not given.
    #[arg(long)]
    name: Option<String>,
    /// Frames of a clip, spread evenly over its video.
    #[arg(long, default_value_t = 16)]
    frames: usize,
    /// face: one square around the face for the whole clip; whole: all of each frame, aspect not kept (the paper).
    #[arg(long, default_value = "face", value_parser = ["face", "whole"])]
    framing: String,
    /// Side of a stored picture, pixels: 96 for framing face, 224 for whole, when not given.
    #[arg(long)]
    side: Option<usize>,
    /// Processor cores to use.
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// The program that decodes.
    #[arg(long, default_value = "ffmpeg")]
    ffmpeg: PathBuf,
    /// The program that counts frames.
    #[arg(long, default_value = "ffprobe")]
    ffprobe: PathBuf,
}

#[derive(clap::Args)]
pub struct RavdessArgs {
    #[command(flatten)]
    video: VideoArgs,
    /// 7: calm counts as neutral (the paper); 8: calm is a class of its own.
    #[arg(long, default_value = "7", value_parser = ["7", "8"])]
    classes: String,
    /// Take songs, too.
    #[arg(long)]
    song: bool,
}

#[derive(clap::Args)]
pub struct CremadArgs {
    #[command(flatten)]
    video: VideoArgs,
}

#[derive(clap::Args)]
pub struct MeadArgs {
    #[command(flatten)]
    video: VideoArgs,
    /// Take all seven cameras, not the one in front alone.
    #[arg(long)]
    all_views: bool,
}

#[derive(clap::Args)]
pub struct FolderArgs {
    #[command(flatten)]
    video: VideoArgs,
    /// What file names say of who is in the video: file (nothing), person (Some_Person_0001.mp4).
    #[arg(long, default_value = "file", value_parser = ["file", "person"])]
    naming: String,
    /// 7: neutral, happy, sad, angry, fear, disgust, surprise; 8: contempt as well.
    #[arg(long, default_value = "7", value_parser = ["7", "8"])]
    classes: String,
}

impl RavdessArgs {
    pub fn run(&self) -> Result<()> {
        self.video.run(Scheme::Ravdess { calm: self.classes == "8", song: self.song })
    }
}

impl CremadArgs {
    pub fn run(&self) -> Result<()> {
        self.video.run(Scheme::CremaD)
    }
}

impl MeadArgs {
    pub fn run(&self) -> Result<()> {
        self.video.run(Scheme::Mead { all_views: self.all_views })
    }
}

impl FolderArgs {
    pub fn run(&self) -> Result<()> {
        let naming = if self.naming == "person" { Naming::PersonNumber } else { Naming::File };
        self.video.run(Scheme::Folder { naming, contempt: self.classes == "8" })
    }
}

impl VideoArgs {
    fn job(&self, scheme: Scheme) -> ClipsJob {
        let (stored, side) = if self.framing == "whole" { (Stored::Whole, 224) } else { (Stored::Face, 96) };
        ClipsJob {
            scheme,
            source: self.root.clone(),
            out: self.out.clone(),
            name: self.name.clone().unwrap_or_else(|| scheme.name().to_owned()),
            frames: self.frames,
            stored,
            side: self.side.unwrap_or(side),
            workers: self.workers,
            tools: VideoTools { ffmpeg: self.ffmpeg.clone(), ffprobe: self.ffprobe.clone() },
        }
    }

    fn run(&self, scheme: Scheme) -> Result<()> {
        let job = self.job(scheme);
        let mut bar = JobBar::new("videos");
        let outcome = prepare_clips(&job, |p| bar.set(p, Some(format!("{} clips in this run", p.faces))));
        bar.clear();
        let outcome = outcome?;
        let sheet = job.out.join(format!("{}.png", job.name));
        clip_sheet(&Stills::open(&outcome.shards)?, SHEET_CLIPS, &sheet)?;
        say!("{}", clips_text(&outcome, job.frames));
        sayln!("look at {} before training on it", sheet.display());
        Ok(())
    }
}
