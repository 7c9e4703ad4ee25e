//! Where numbers are computed, and in what format.

#![allow(unsafe_code)]

use crate::error::TrainError;
use burn::tensor::{Device, FloatDType};
use std::{fmt, str::FromStr};

/// Where numbers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Place {
    /// The processor.
    #[default]
    Cpu,
    /// The first NVIDIA card; needs the feature `cuda`.
    Cuda,
}

/// In what format layers compute; weights, averages, moments, norms, exponentials and losses are f32 in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Single.
    #[default]
    F32,
    /// bfloat16: half the memory, and the card's fastest products. Not on a processor.
    Bf16,
}

impl Precision {
    pub(crate) fn dtype(self) -> FloatDType {
        match self {
            Precision::F32 => FloatDType::F32,
            Precision::Bf16 => FloatDType::BF16,
        }
    }
}

impl Place {
    /// The device.
    ///
    /// # Errors
    /// When CUDA is not built in, or there is no driver, no card or no CUDA toolkit; each in one line that says what to do.
    pub fn open(self) -> Result<Device, TrainError> {
        match self {
            Place::Cpu => Ok(Device::flex()),
            Place::Cuda => open_cuda(),
        }
    }

    /// Refuses what does not go together.
    ///
    /// # Errors
    /// When a processor is to compute in bf16.
    pub fn check(self, precision: Precision) -> Result<(), TrainError> {
        match (self, precision) {
            (Place::Cpu, Precision::Bf16) => {
                Err(TrainError::Device("precision bf16 is for `--device cuda`; a processor takes f32".to_owned()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(not(feature = "cuda"))]
fn open_cuda() -> Result<Device, TrainError> {
    let how = "build it with `cargo build --release -p mtcae-train --features cuda`, or take `--device cpu`";
    Err(TrainError::Device(format!("device cuda is not built into this trainer; {how}")))
}

#[cfg(feature = "cuda")]
fn open_cuda() -> Result<Device, TrainError> {
    use burn::tensor::DeviceType;
    let fail = |why: &str| Err(TrainError::Device(why.to_owned()));
    // The runtime panics where a library is missing, so each is asked for before.
    // SAFETY: both calls only try to open a library by its usual names.
    let (driver, compiler) =
        unsafe { (cudarc::driver::sys::is_culib_present(), cudarc::nvrtc::sys::is_culib_present()) };
    if !driver {
        return fail("no NVIDIA driver (libcuda) is here; install it, or take `--device cpu`");
    }
    if Device::enumerate(DeviceType::Cuda).is_empty() {
        return fail("the NVIDIA driver knows no card; see what `nvidia-smi` says, or take `--device cpu`");
    }
    if !compiler || cubecl::cuda::install::cuda_path().is_none() {
        return fail(
            "no CUDA toolkit is here (NVRTC and its headers); install 12.8 or newer, and name it in CUDA_PATH and its libraries' folder in LD_LIBRARY_PATH",
        );
    }
    Ok(Device::cuda(0))
}

impl FromStr for Place {
    type Err = String;

    fn from_str(name: &str) -> Result<Place, String> {
        match name {
            "cpu" => Ok(Place::Cpu),
            "cuda" => Ok(Place::Cuda),
            _ => Err(format!("unknown device {name:?}; accepted: cpu, cuda")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Place::Cpu => "cpu",
            Place::Cuda => "cuda",
        })
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(name: &str) -> Result<Precision, String> {
        match name {
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            _ => Err(format!("unknown precision {name:?}; accepted: f32, bf16")),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_there_and_back() {
        for place in [Place::Cpu, Place::Cuda] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for precision in [Precision::F32, Precision::Bf16] {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        insta::assert_snapshot!("gpu".parse::<Place>().unwrap_err(), @r#"unknown device "gpu"; accepted: cpu, cuda"#);
        insta::assert_snapshot!("fp16".parse::<Precision>().unwrap_err(), @r#"unknown precision "fp16"; accepted: f32, bf16"#);
    }

    #[test]
    fn what_cannot_be_is_one_line_that_says_what_to_do() {
        assert!(Place::Cpu.open().is_ok());
        insta::assert_snapshot!(Place::Cpu.check(Precision::Bf16).unwrap_err(), @"precision bf16 is for `--device cuda`; a processor takes f32");
        #[cfg(not(feature = "cuda"))]
        insta::assert_snapshot!(Place::Cuda.open().unwrap_err(), @"device cuda is not built into this trainer; build it with `cargo build --release -p mtcae-train --features cuda`, or take `--device cpu`");
        // With the feature on a machine without a card: an error, not a panic.
        #[cfg(feature = "cuda")]
        if let Err(e) = Place::Cuda.open() {
            assert!(!e.to_string().contains('\n'));
        }
    }
}
