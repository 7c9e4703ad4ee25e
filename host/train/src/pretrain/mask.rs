//! Tube masking: the same places of the picture are hidden in all tubelets of a clip, so that no other moment gives them away.

use mtcae_network::SplitMix;

/// Which tokens of a clip are hidden. Both lists ascend; together they are all tokens, time-major.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TubeMask {
    /// What the encoder reads.
    pub visible: Vec<usize>,
    /// What the decoder must say.
    pub hidden: Vec<usize>,
}

/// How many of `places` in a picture are hidden at a share of `ratio`; rounded down, as VideoMAE does.
pub fn hidden_places(places: usize, ratio: f32) -> usize {
    (places as f32 * ratio) as usize
}

impl TubeMask {
    /// Draws the hidden ones of `places` in a picture, the same for each of `tubelets`; every choice is equally likely.
    pub fn draw(tubelets: usize, places: usize, ratio: f32, random: &mut SplitMix) -> TubeMask {
        let mut order: Vec<usize> = (0..places).collect();
        let count = hidden_places(places, ratio);
        for i in 0..count {
            order.swap(i, i + (random.bits() % (places - i) as u64) as usize);
        }
        let mut tube = vec![false; places];
        order[..count].iter().for_each(|place| tube[*place] = true);
        let (hidden, visible) = (0..tubelets * places).partition(|token| tube[token % places]);
        TubeMask { visible, hidden }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_exact_and_the_same_at_each_time() {
        let mut random = SplitMix::new(11);
        for _ in 0..300 {
            let (tubelets, side) = (1 + random.bits() as usize % 8, 1 + random.bits() as usize % 14);
            let (places, ratio) = (side * side, random.unit());
            let seed = random.bits();
            let mask = TubeMask::draw(tubelets, places, ratio, &mut SplitMix::new(seed));
            assert_eq!(mask, TubeMask::draw(tubelets, places, ratio, &mut SplitMix::new(seed)));
            assert_eq!(mask.hidden.len(), tubelets * hidden_places(places, ratio), "{places} {ratio}");
            assert!(mask.visible.is_sorted() && mask.hidden.is_sorted());
            let mut all = [mask.visible.clone(), mask.hidden.clone()].concat();
            all.sort_unstable();
            assert_eq!(all, (0..tubelets * places).collect::<Vec<_>>());
            let tube: Vec<usize> = mask.hidden.iter().copied().filter(|t| *t < places).collect();
            let want: Vec<usize> = (0..tubelets).flat_map(|t| tube.iter().map(move |p| t * places + p)).collect();
            assert_eq!(mask.hidden, want);
        }
        assert_eq!((hidden_places(196, 0.9), hidden_places(49, 0.9), hidden_places(10, 0.9)), (176, 44, 9));
    }

    #[test]
    fn every_place_is_hidden_as_often_as_another() {
        let mut random = SplitMix::new(5);
        let mut counts = [0; 9];
        for _ in 0..9000 {
            TubeMask::draw(1, 9, 0.5, &mut random).hidden.iter().for_each(|p| counts[*p] += 1);
        }
        // 4 of 9 in each draw: 4000, give or take four deviations.
        assert!(counts.iter().all(|n| (3810..4190).contains(n)), "{counts:?}");
    }
}
