//! Folds: which persons a model is tested on and which it learns from. Pure; no person is ever in both.

use crate::Stills;
use std::collections::{BTreeMap, BTreeSet};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Most folds of `subject:N`.
const MAX_FOLDS: usize = 64;

/// A way to divide the persons of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folds {
    /// RAVDESS, 5 folds by actor. The paper does not say which; here actors 1 and 2, 3 and 4, ... (a man and a woman) are
    /// dealt out in turn.
    Paper5,
    /// RAVDESS, 6 folds as in MAE-DFER: actors 1-4, 5-8, ..., 21-24.
    MaeDfer6,
    /// CREMA-D, 5 folds: actors 1001-1018, 1019-1036, 1037-1054, 1055-1072, 1073-1091.
    CremaD5,
    /// MEAD, 5 folds by actor: men and women are each dealt out in turn in the order of their numbers.
    Mead5,
    /// So many folds of any data set: the persons are dealt out in turn in the order of their hashes.
    Subject(usize),
}

/// Samples to learn from and samples to be tested on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Indices into the data set.
    pub train: Vec<usize>,
    /// Indices into the data set.
    pub test: Vec<usize>,
}

/// Why persons cannot be divided so.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FoldsError {
    /// Not one of the names.
    #[error(
        "unknown folds {0:?}; accepted: paper-5fold, mae-dfer-6fold, cremad-5fold, mead-5fold, subject:2 to subject:64"
    )]
    Name(String),
    /// The persons are not those the folds are made for.
    #[error(
        "folds `{folds}` are for persons called {accepted}; the data has {found}; accepted for any data: subject:N"
    )]
    Person {
        /// Name of the folds.
        folds: Folds,
        /// What persons are called there.
        accepted: &'static str,
        /// The first one who is not.
        found: String,
    },
    /// There is no such fold.
    #[error("fold is {fold}; accepted: 1 to {folds}")]
    Number {
        /// The number asked for, from 1.
        fold: usize,
        /// How many there are.
        folds: usize,
    },
    /// A fold without test samples or without training samples.
    #[error(
        "fold {fold} of `{folds}` has {train} samples to train on and {test} to test on; accepted: at least one of each"
    )]
    Empty {
        /// Its number, from 1.
        fold: usize,
        /// Name of the folds.
        folds: Folds,
        /// Samples.
        train: usize,
        /// Samples.
        test: usize,
    },
    /// A person is on both sides.
    #[error(
        "{count} person(s) are in both the training and the test data, such as {example}; accepted: no person in both"
    )]
    Shared {
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
}

impl fmt::Display for Folds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Folds::Paper5 => f.pad("paper-5fold"),
            Folds::MaeDfer6 => f.pad("mae-dfer-6fold"),
            Folds::CremaD5 => f.pad("cremad-5fold"),
            Folds::Mead5 => f.pad("mead-5fold"),
            Folds::Subject(n) => write!(f, "subject:{n}"),
        }
    }
}

impl FromStr for Folds {
    type Err = FoldsError;

    fn from_str(name: &str) -> Result<Folds, FoldsError> {
        let known = [Folds::Paper5, Folds::MaeDfer6, Folds::CremaD5, Folds::Mead5];
        if let Some(folds) = known.into_iter().find(|f| f.to_string() == name) {
            return Ok(folds);
        }
        let number = name.strip_prefix("subject:").and_then(|n| n.parse().ok());
        let number = number.filter(|n| (2..=MAX_FOLDS).contains(n));
        number.map(Folds::Subject).ok_or_else(|| FoldsError::Name(name.to_owned()))
    }
}

impl Folds {
    /// How many folds there are.
    pub fn count(&self) -> usize {
        match self {
            Folds::Paper5 | Folds::CremaD5 | Folds::Mead5 => 5,
            Folds::MaeDfer6 => 6,
            Folds::Subject(n) => *n,
        }
    }

    /// The fold, from 0, in which each person is tested: by hash, for persons given as hash and, where it is known, name.
    ///
    /// # Errors
    /// When a person is not one that the folds are made for.
    pub fn assign(&self, persons: &BTreeMap<u64, Option<&str>>) -> Result<BTreeMap<u64, usize>, FoldsError> {
        if let Folds::Subject(n) = self {
            return Ok(persons.keys().enumerate().map(|(i, hash)| (*hash, i % n)).collect());
        }
        let mut named = Vec::with_capacity(persons.len());
        for (hash, name) in persons {
            named.push((self.place(*name)?, *hash));
        }
        named.sort_unstable();
        let mut dealt: BTreeMap<char, usize> = BTreeMap::new();
        let fold = |place: Place| match place {
            Place::Fixed(fold) => fold,
            Place::Dealt(sex, _) => {
                let next = dealt.entry(sex).or_default();
                *next += 1;
                (*next - 1) % self.count()
            }
        };
        let folds: Vec<usize> = named.iter().map(|(place, _)| *place).map(fold).collect();
        Ok(named.iter().map(|(_, hash)| *hash).zip(folds).collect())
    }

    fn place(&self, name: Option<&str>) -> Result<Place, FoldsError> {
        let number = |prefix: &str, from: usize, to: usize| {
            let n: Option<usize> = name.and_then(|n| n.strip_prefix(prefix)).and_then(|n| n.parse().ok());
            n.filter(|n| (from..=to).contains(n))
        };
        let (place, accepted) = match self {
            Folds::Paper5 => {
                (number("ravdess-", 1, 24).map(|n| Place::Fixed((n - 1) / 2 % 5)), "ravdess-01 to ravdess-24")
            }
            Folds::MaeDfer6 => {
                (number("ravdess-", 1, 24).map(|n| Place::Fixed((n - 1) / 4)), "ravdess-01 to ravdess-24")
            }
            Folds::CremaD5 => {
                let fold = |n: usize| Place::Fixed(((n - 1001) / 18).min(4));
                (number("cremad-", 1001, 1091).map(fold), "cremad-1001 to cremad-1091")
            }
            Folds::Mead5 | Folds::Subject(_) => {
                let sex = |sex| number(&format!("mead-{sex}"), 0, 999).map(|n| Place::Dealt(sex, n));
                (sex('M').or_else(|| sex('W')), "mead-M000 to mead-W999")
            }
        };
        let found = || name.map_or("persons without names".to_owned(), |n| format!("{n:?}"));
        place.ok_or_else(|| FoldsError::Person { folds: *self, accepted, found: found() })
    }

    /// Fold `number`, from 1, of `data`.
    ///
    /// # Errors
    /// When there is no such fold, the persons are others than the folds are made for, or one side would be empty.
    pub fn fold(&self, data: &Stills, number: usize) -> Result<Fold, FoldsError> {
        if !(1..=self.count()).contains(&number) {
            return Err(FoldsError::Number { fold: number, folds: self.count() });
        }
        let of = self.of_samples(data)?;
        let (test, train): (Vec<usize>, Vec<usize>) = (0..data.len()).partition(|i| of[*i] == number - 1);
        if test.is_empty() || train.is_empty() {
            let (train, test) = (train.len(), test.len());
            return Err(FoldsError::Empty { fold: number, folds: *self, train, test });
        }
        check_apart(data, &train, data, &test)?;
        Ok(Fold { train, test })
    }

    /// The fold, from 0, in which each sample of `data` is tested.
    ///
    /// # Errors
    /// As [`Folds::assign`].
    pub fn of_samples(&self, data: &Stills) -> Result<Vec<usize>, FoldsError> {
        let mut persons: BTreeMap<u64, Option<&str>> = BTreeMap::new();
        let hashes: Vec<u64> = (0..data.len()).map(|i| data.sample(i).subject).collect();
        for hash in &hashes {
            persons.entry(*hash).or_insert_with(|| data.subject_name(*hash));
        }
        let of = self.assign(&persons)?;
        Ok(hashes.iter().map(|hash| of[hash]).collect())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// This fold.
    Fixed(usize),
    /// In turn among those of the same sex, by number.
    Dealt(char, usize),
}

/// Refuses `samples` of `data` and `others` of `beside` that share a person.
///
/// # Errors
/// [`FoldsError::Shared`] with how many, and one of them.
pub fn check_apart(data: &Stills, samples: &[usize], beside: &Stills, others: &[usize]) -> Result<(), FoldsError> {
    let persons = |data: &Stills, samples: &[usize]| -> BTreeSet<u64> {
        samples.iter().map(|i| data.sample(*i).subject).collect()
    };
    let (a, b) = (persons(data, samples), persons(beside, others));
    let shared: Vec<u64> = a.intersection(&b).copied().collect();
    match shared.first() {
        None => Ok(()),
        Some(hash) => {
            let example =
                data.subject_name(*hash).map_or_else(|| format!("the one with hash {hash:016x}"), str::to_owned);
            Err(FoldsError::Shared { count: shared.len(), example })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject_hash;

    /// The persons of each fold, for persons of these names.
    fn folds(folds: Folds, names: &[String]) -> Vec<Vec<String>> {
        let persons: BTreeMap<u64, Option<&str>> = names.iter().map(|n| (subject_hash(n), Some(n.as_str()))).collect();
        let of = folds.assign(&persons).unwrap();
        assert_eq!(of.len(), names.len());
        let with = |fold| names.iter().filter(|n| of[&subject_hash(n)] == fold).cloned().collect();
        (0..folds.count()).map(with).collect()
    }

    fn numbers(prefix: &str, from: usize, to: usize) -> Vec<String> {
        (from..=to).map(|n| format!("{prefix}{n:02}")).collect()
    }

    #[test]
    fn ravdess_is_divided_as_published_or_in_pairs() {
        let actors = numbers("ravdess-", 1, 24);
        let six = folds(Folds::MaeDfer6, &actors);
        assert_eq!(six[0], numbers("ravdess-", 1, 4));
        assert_eq!(six[5], numbers("ravdess-", 21, 24));
        let five = folds(Folds::Paper5, &actors);
        assert_eq!(five[0], ["01", "02", "11", "12", "21", "22"].map(|n| format!("ravdess-{n}")));
        assert_eq!(five.iter().map(Vec::len).collect::<Vec<_>>(), [6, 6, 4, 4, 4]);
        // Odd numbers are men, even ones women: each fold has as many of both.
        let men = |fold: &Vec<String>| fold.iter().filter(|n| n.ends_with(['1', '3', '5', '7', '9'])).count();
        assert!(five.iter().all(|fold| men(fold) * 2 == fold.len()));
    }

    #[test]
    fn cremad_has_its_ranges() {
        let five = folds(Folds::CremaD5, &numbers("cremad-", 1001, 1091));
        assert_eq!(five.iter().map(Vec::len).collect::<Vec<_>>(), [18, 18, 18, 18, 19]);
        assert_eq!((five[0][17].as_str(), five[4][0].as_str()), ("cremad-1018", "cremad-1073"));
    }

    #[test]
    fn mead_is_dealt_out_by_sex() {
        let names: Vec<String> = ["M003", "M005", "M007", "M009", "M011", "M012", "W009", "W011", "W014"]
            .map(|n| format!("mead-{n}"))
            .to_vec();
        let five = folds(Folds::Mead5, &names);
        let short = |fold: &[String]| fold.iter().map(|n| n["mead-".len()..].to_owned()).collect::<Vec<_>>().join(" ");
        assert_eq!(
            five.iter().map(|f| short(f)).collect::<Vec<_>>(),
            ["M003 M012 W009", "M005 W011", "M007 W014", "M009", "M011"]
        );
    }

    #[test]
    fn any_persons_are_dealt_out_evenly() {
        let five = folds(Folds::Subject(5), &numbers("x", 1, 43));
        assert!(five.iter().all(|fold| (8..=9).contains(&fold.len())));
    }

    #[test]
    fn names_and_persons_that_do_not_fit_are_named() {
        for folds in [Folds::Paper5, Folds::MaeDfer6, Folds::CremaD5, Folds::Mead5, Folds::Subject(7)] {
            assert_eq!(folds.to_string().parse(), Ok(folds));
        }
        insta::assert_snapshot!("subject:1".parse::<Folds>().unwrap_err(), @r#"unknown folds "subject:1"; accepted: paper-5fold, mae-dfer-6fold, cremad-5fold, mead-5fold, subject:2 to subject:64"#);
        let of = |folds: Folds, name| folds.assign(&[(1, name)].into()).unwrap_err().to_string();
        insta::assert_snapshot!(of(Folds::MaeDfer6, Some("cremad-1001")), @r#"folds `mae-dfer-6fold` are for persons called ravdess-01 to ravdess-24; the data has "cremad-1001"; accepted for any data: subject:N"#);
        insta::assert_snapshot!(of(Folds::CremaD5, None), @"folds `cremad-5fold` are for persons called cremad-1001 to cremad-1091; the data has persons without names; accepted for any data: subject:N");
        assert!(Folds::Mead5.assign(&[(1, Some("mead-X001"))].into()).is_err());
    }
}
