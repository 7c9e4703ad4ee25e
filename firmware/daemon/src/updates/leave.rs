//! Leave to go below the board's security counters: a permit, judged anew whenever it is used.

use super::Place;
use mtcae_bundle::Permit;
use mtcae_install::trusted_in;

/// The permit for the next update or rollback, if there is one. A board may run for longer than it lasts.
#[derive(Default)]
pub(crate) struct Leave(Option<Permit>);

impl Leave {
    /// Takes a permit that counts at `now_unix_s`; the lowest counter that it allows.
    pub fn take(&mut self, bytes: &[u8], place: &Place, now_unix_s: Option<u64>) -> Result<u32, String> {
        let permit = Permit::from_bytes(bytes).map_err(|e| e.to_string())?;
        let lowest = lowest(&permit, place, now_unix_s)?;
        self.0 = Some(permit);
        Ok(lowest)
    }

    /// The lowest counter that is allowed at `now_unix_s`; none without a permit.
    ///
    /// # Errors
    /// Why the permit counts no more; it is forgotten then.
    pub fn lowest(&mut self, place: &Place, now_unix_s: Option<u64>) -> Result<Option<u64>, String> {
        let Some(permit) = &self.0 else { return Ok(None) };
        match lowest(permit, place, now_unix_s) {
            Ok(lowest) => Ok(Some(lowest.into())),
            Err(why) => {
                self.0 = None;
                Err(why)
            }
        }
    }

    /// It was used; it counts once.
    pub fn used(&mut self) {
        self.0 = None;
    }
}

fn lowest(permit: &Permit, place: &Place, now_unix_s: Option<u64>) -> Result<u32, String> {
    let trust = trusted_in(&place.trusted).map_err(|e| e.to_string())?;
    permit.check(&trust, &place.device, now_unix_s).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mtcae_bundle::{Rotation, SigningKey, write_public};
    use mtcae_update::Confirm;

    #[test]
    fn a_permit_counts_for_as_long_as_it_lasts_and_its_key_is_trusted() {
        let folder = tempfile::tempdir().unwrap();
        let trusted = folder.path().to_owned();
        let place = Place {
            root: "/nowhere".into(),
            trusted,
            device_key: "/nowhere".into(),
            family: "pc".into(),
            device: "robot-17".into(),
            confirm: Confirm::BySelfTest,
        };
        let [key, next] = [1, 2].map(|seed| SigningKey::from_seed(&[seed; 32]));
        write_public(&folder.path().join("release.pub"), &key.public().to_string()).unwrap();
        let bytes = Permit::sign(&key, "robot-17", 3, 1_000, 2_000).unwrap().to_bytes();

        let mut leave = Leave::default();
        assert_eq!(leave.lowest(&place, Some(1_500)), Ok(None));
        assert!(leave.take(&bytes, &place, Some(2_000)).unwrap_err().contains("expired"));
        assert_eq!(leave.take(&bytes, &place, Some(1_500)), Ok(3));
        assert_eq!(leave.lowest(&place, Some(1_999)), Ok(Some(3)));
        assert!(leave.lowest(&place, Some(2_000)).unwrap_err().contains("expired"));
        assert_eq!(leave.lowest(&place, Some(1_999)), Ok(None), "it is forgotten");

        leave.take(&bytes, &place, Some(1_500)).unwrap();
        let rotation = Rotation::sign(&key, next.public(), 1).unwrap();
        write_public(&folder.path().join("next.rotation"), &rotation.to_string()).unwrap();
        assert!(leave.lowest(&place, Some(1_500)).unwrap_err().contains("a rotation has replaced"));
    }
}
