//! Bytes on their way: summed up, unpacked into slots, or copied as they are.

use crate::error::InstallError;
use crate::plan::kind_of;
use mtcae_bundle::{BundleManifest, Part, PartSink};
use mtcae_update::{Digest, Plan, Store, UpdateError, Updater};
use sha2::{Digest as _, Sha256};
use std::io::{self, Read};

/// Bytes copied at a time.
const BLOCK: usize = 64 * 1024;

/// Counts and hashes what is read through it.
pub(crate) struct Sum<R> {
    source: R,
    len: u64,
    hash: Sha256,
}

impl<R: Read> Sum<R> {
    pub fn new(source: R) -> Sum<R> {
        Sum { source, len: 0, hash: Sha256::new() }
    }

    pub fn finish(self) -> (u64, Digest) {
        (self.len, Digest(self.hash.finalize().into()))
    }
}

impl<R: Read> Read for Sum<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let got = self.source.read(buffer)?;
        self.hash.update(&buffer[..got]);
        self.len += got as u64;
        Ok(got)
    }
}

/// Takes a bundle's parts and gives those of the plan to the updater.
pub(crate) struct SlotSink<'a, S> {
    updater: &'a mut Updater<S>,
    plan: &'a Plan,
    progress: &'a mut dyn FnMut(u64, u64),
    /// Place of the part at hand in the plan, and its bytes so far.
    part: Option<(usize, u64)>,
    /// What the updater said, which an `io::Error` cannot carry without its type.
    pub trouble: Option<UpdateError>,
}

impl<'a, S: Store> SlotSink<'a, S> {
    pub fn new(updater: &'a mut Updater<S>, plan: &'a Plan, progress: &'a mut dyn FnMut(u64, u64)) -> SlotSink<'a, S> {
        SlotSink { updater, plan, progress, part: None, trouble: None }
    }
}

impl<S: Store> PartSink for SlotSink<'_, S> {
    fn begin(&mut self, part: &Part) -> io::Result<()> {
        let kind = kind_of(&part.content, true);
        let same = |planned: &mtcae_update::Part| Some(planned.kind) == kind && planned.name == part.name;
        self.part = self.plan.parts.iter().position(same).map(|at| (at, 0));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some((part, at)) = &mut self.part else { return Ok(()) };
        match self.updater.write_part(*part, *at, bytes) {
            Ok(_) => {
                *at += bytes.len() as u64;
                (self.progress)(self.plan.offset_of(*part) + *at, self.plan.total());
                Ok(())
            }
            Err(error) => {
                let text = error.to_string();
                self.trouble = Some(error);
                Err(io::Error::other(text))
            }
        }
    }

    fn end(&mut self, _: &Part) -> io::Result<()> {
        self.part = None;
        Ok(())
    }

    /// `Updater::finish` reads everything back; until then nothing is used.
    fn commit(&mut self, _: &BundleManifest) -> io::Result<()> {
        Ok(())
    }

    fn abort(&mut self) {}
}

/// Copies a sealed bundle.
pub(crate) struct Copier<'a, S> {
    pub updater: &'a mut Updater<S>,
    pub plan: &'a Plan,
    pub progress: &'a mut dyn FnMut(u64, u64),
}

impl<S: Store> Copier<'_, S> {
    pub fn copy(self, part: usize, source: &mut impl Read) -> Result<(), InstallError> {
        let mut block = vec![0; BLOCK];
        let mut at = 0;
        loop {
            match source.read(&mut block) {
                Ok(0) => return Ok(()),
                Ok(got) => {
                    self.updater.write_part(part, at, &block[..got])?;
                    at += got as u64;
                    (self.progress)(self.plan.offset_of(part) + at, self.plan.total());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(InstallError::Read(error)),
            }
        }
    }
}
