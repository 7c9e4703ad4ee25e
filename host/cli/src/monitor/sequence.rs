//! Which reports were lost or came twice, told from their `(boot, seq)`.

/// How many sequence numbers back a report that comes late is still told from one that comes twice.
const REMEMBERED: u32 = 64;

/// What a report's `(boot, seq)` says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// The next one, or the first of its boot.
    InOrder,
    /// Newer than expected: this many before it are missing.
    AfterGap(u32),
    /// One that was counted as lost.
    Late,
    /// Seen before.
    Duplicate,
}

/// Follows the numbers of the reports; each count stops at `u32::MAX`.
#[derive(Debug, Clone, Default)]
pub struct Sequence {
    newest: Option<(u32, u32)>,
    /// Bit `n` is set when `newest - n` has come.
    seen: u64,
    /// Reports taken, duplicates not among them.
    pub received: u32,
    /// Reports missing between the first and the newest of each boot.
    pub lost: u32,
    /// Reports that came again.
    pub duplicates: u32,
    /// Times the board started anew.
    pub restarts: u32,
}

impl Sequence {
    /// Takes the numbers of the report that has just come.
    pub fn take(&mut self, boot: u32, seq: u32) -> Arrival {
        let arrival = match self.newest {
            Some((current, newest)) if current == boot => self.place(boot, newest, seq),
            before => {
                self.restarts = self.restarts.saturating_add(u32::from(before.is_some()));
                self.newest = Some((boot, seq));
                self.seen = 1;
                Arrival::InOrder
            }
        };
        if arrival == Arrival::Duplicate {
            self.duplicates = self.duplicates.saturating_add(1);
        } else {
            self.received = self.received.saturating_add(1);
        }
        arrival
    }

    fn place(&mut self, boot: u32, newest: u32, seq: u32) -> Arrival {
        let ahead = seq.wrapping_sub(newest);
        if ahead != 0 && ahead <= u32::MAX / 2 {
            self.newest = Some((boot, seq));
            self.seen = self.seen.checked_shl(ahead).unwrap_or(0) | 1;
            self.lost = self.lost.saturating_add(ahead - 1);
            return if ahead == 1 { Arrival::InOrder } else { Arrival::AfterGap(ahead - 1) };
        }
        let behind = newest.wrapping_sub(seq);
        if behind >= REMEMBERED || self.seen & (1 << behind) != 0 {
            return Arrival::Duplicate;
        }
        self.seen |= 1 << behind;
        // A report from before the first one that was heard was never counted as lost.
        self.lost = self.lost.saturating_sub(1);
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(numbers: &[(u32, u32)]) -> (Sequence, Vec<Arrival>) {
        let mut sequence = Sequence::default();
        let arrivals = numbers.iter().map(|&(boot, seq)| sequence.take(boot, seq)).collect();
        (sequence, arrivals)
    }

    #[test]
    fn gaps_are_lost_reports() {
        let (sequence, arrivals) = after(&[(7, 10), (7, 11), (7, 15)]);
        assert_eq!(arrivals, [Arrival::InOrder, Arrival::InOrder, Arrival::AfterGap(3)]);
        assert_eq!((sequence.received, sequence.lost), (3, 3));
    }

    #[test]
    fn a_late_report_is_not_lost_and_a_second_one_is_a_duplicate() {
        let (sequence, arrivals) = after(&[(7, 1), (7, 3), (7, 2), (7, 2), (7, 3), (7, 4)]);
        assert_eq!(arrivals[2..], [Arrival::Late, Arrival::Duplicate, Arrival::Duplicate, Arrival::InOrder]);
        assert_eq!((sequence.received, sequence.lost, sequence.duplicates), (4, 0, 2));
    }

    #[test]
    fn a_new_boot_starts_over_and_nothing_is_lost() {
        let (sequence, _) = after(&[(7, 900), (8, 0), (8, 1)]);
        assert_eq!((sequence.restarts, sequence.lost, sequence.received), (1, 0, 3));
    }

    #[test]
    fn numbers_wrap() {
        let (sequence, arrivals) = after(&[(7, u32::MAX - 1), (7, u32::MAX), (7, 0), (7, 2)]);
        assert_eq!(arrivals[2..], [Arrival::InOrder, Arrival::AfterGap(1)]);
        assert_eq!(sequence.lost, 1);
    }

    #[test]
    fn very_old_numbers_count_as_duplicates_and_a_long_gap_is_counted_whole() {
        let (sequence, arrivals) = after(&[(7, 1000), (7, 1), (7, 2000), (7, 1999)]);
        assert_eq!(arrivals[1..], [Arrival::Duplicate, Arrival::AfterGap(999), Arrival::Late]);
        assert_eq!(sequence.lost, 998);
    }
}
