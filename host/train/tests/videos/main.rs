//! Videos named as RAVDESS, CREMA-D and MEAD name theirs, through the programs that a person runs.

mod desk;
mod killing;
mod made;
mod prepare;
mod whole;
