//! Small numbers side by side in 64-bit words, compared all at once.
//!
//! A branch for each number would be guessed wrong, and of a plain loop the compiler makes a
//! hundred instructions. Where the processor compares many numbers at a time (SSE2, which every
//! x86-64 has), that is five instructions. Elsewhere whether a lane is zero is told by borrowing
//! from it: `(x - 1) & !x` has its highest bit set, and so may have lanes above it, but never the
//! lowest lane of those that are not zero (Hacker's Delight, section 6-1). So the first match is
//! always right, any further one only likely, and whether there is one at all is exact.

#[cfg(target_arch = "x86_64")]
use crate::processor::equal_lanes;

/// Words of tags in a bucket.
pub(crate) const WORDS: usize = 4;

/// Lanes of `BITS` bits, 16 or 32, in four words.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lanes<const BITS: u32>([u64; WORDS]);

/// Lanes that may hold a number, one bit each.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matches<const BITS: u32>(u64);

impl<const BITS: u32> Lanes<BITS> {
    pub(crate) const COUNT: usize = WORDS * Self::IN_A_WORD;
    const IN_A_WORD: usize = (u64::BITS / BITS) as usize;

    pub(crate) const fn zero() -> Self {
        Self([0; WORDS])
    }

    /// The number in a lane.
    #[inline]
    pub(crate) fn get(&self, lane: usize) -> u64 {
        let shift = (lane % Self::IN_A_WORD) as u32 * BITS;
        (self.0[lane / Self::IN_A_WORD] >> shift) & ((1 << BITS) - 1)
    }

    #[inline]
    pub(crate) fn set(&mut self, lane: usize, number: u64) {
        let shift = (lane % Self::IN_A_WORD) as u32 * BITS;
        let word = &mut self.0[lane / Self::IN_A_WORD];
        *word = (*word & !(((1 << BITS) - 1) << shift)) | (number << shift);
    }

    /// The lanes with this number; the first one certainly, the others likely.
    #[cfg(target_arch = "x86_64")]
    #[inline]
    pub(crate) fn matches(&self, number: u64) -> Matches<BITS> {
        Matches(equal_lanes::<BITS>(self.0, number).into())
    }

    /// The lanes with this number; the first one certainly, the others likely.
    #[cfg(not(target_arch = "x86_64"))]
    #[inline]
    pub(crate) fn matches(&self, number: u64) -> Matches<BITS> {
        self.matches_by_borrowing(number)
    }

    #[cfg(any(test, not(target_arch = "x86_64")))]
    #[inline]
    fn matches_by_borrowing(&self, number: u64) -> Matches<BITS> {
        /// The highest bit of each lane, gathered at the bottom of the word.
        #[inline]
        fn gathered<const BITS: u32>(zero: u64) -> u64 {
            let lanes = u64::BITS / BITS;
            (0..lanes).fold(0, |bits, lane| {
                bits | (zero >> (BITS * (lane + 1) - 1) & 1) << lane
            })
        }
        let ones = u64::MAX / ((1 << BITS) - 1);
        let wanted = number * ones;
        let mut all = 0;
        for (at, word) in self.0.iter().enumerate() {
            let differs = word ^ wanted;
            let zero = differs.wrapping_sub(ones) & !differs & (ones << (BITS - 1));
            all |= gathered::<BITS>(zero) << (at * Self::IN_A_WORD);
        }
        Matches(all)
    }
}

impl<const BITS: u32> Matches<BITS> {
    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The lanes of both.
    #[inline]
    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl<const BITS: u32> Iterator for Matches<BITS> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lane = self.0.trailing_zeros();
        if lane == u64::BITS {
            return None;
        }
        self.0 &= self.0 - 1;
        Some(lane as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check<const BITS: u32>(numbers: u64) {
        let mut lanes = Lanes::<BITS>::zero();
        let mut plain = vec![0; Lanes::<BITS>::COUNT];
        for round in 0..200_000_u64 {
            let random = round.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let (lane, number) = (
                (random >> 50) as usize % plain.len(),
                (random >> 20) % numbers,
            );
            lanes.set(lane, number);
            plain[lane] = number;
            assert_eq!(lanes.get(lane), number);
            for ask in [Lanes::matches, Lanes::matches_by_borrowing] {
                let found: Vec<usize> = ask(&lanes, number).collect();
                let right = |lane: &&usize| plain[**lane] == number;
                let all: Vec<usize> = (0..plain.len()).filter(|lane| right(&lane)).collect();
                assert!(
                    all.iter().all(|lane| found.contains(lane)),
                    "none is missed"
                );
                assert!(
                    found.first().is_none_or(|lane| plain[*lane] == number),
                    "the first is right"
                );
                let absent = ask(&lanes, numbers);
                assert!(absent.is_empty(), "what is not there is not found");
            }
        }
    }

    #[test]
    fn a_number_is_found_in_all_its_lanes_and_the_first_one_is_right() {
        check::<16>(5);
        check::<32>(5);
        check::<16>(0xffff);
        check::<32>(0xffff_ffff);
    }
}
