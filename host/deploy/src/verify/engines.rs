//! Who is asked.

use crate::onnxruntime::Device;
use mtcae_contract::Precision;
use std::fmt;

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineName {
    /// The checkpoint's own plain arithmetic.
    Arithmetic,
    /// The trainer's, in a program of its own.
    Burn,
    /// tract, in this program.
    Tract,
    /// ONNX Runtime on the processor.
    OnnxRuntime,
    /// ONNX Runtime on an NVIDIA GPU.
    Cuda,
    /// ONNX Runtime on an NVIDIA GPU by TensorRT.
    Tensorrt,
}

impl EngineName {
    /// What ONNX Runtime runs on, where that is the engine.
    pub(super) fn device(self) -> Option<Device> {
        match self {
            EngineName::Arithmetic | EngineName::Burn | EngineName::Tract => None,
            EngineName::OnnxRuntime => Some(Device::Cpu),
            EngineName::Cuda => Some(Device::Cuda),
            EngineName::Tensorrt => Some(Device::Tensorrt),
        }
    }

    /// Whether it runs files of `precision`: products of bytes are for processors.
    pub(super) fn runs(self, precision: Precision) -> bool {
        precision != Precision::Int8 || !matches!(self, EngineName::Cuda | EngineName::Tensorrt)
    }
}

impl fmt::Display for EngineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            EngineName::Arithmetic => "arithmetic",
            EngineName::Burn => "burn",
            EngineName::Tract => "tract",
            EngineName::OnnxRuntime => "cpu-ort",
            EngineName::Cuda => "cuda",
            EngineName::Tensorrt => "tensorrt",
        })
    }
}

/// Engines that are asked.
#[derive(Debug, Clone, Copy)]
pub enum Engines<'a> {
    /// All that are there: burn, tract, ONNX Runtime on the processor, and CUDA and TensorRT where the library knows them and the first file loads.
    There,
    /// These; one that is not there is a failure. Without tract among them that runs the first file alone, as what the others
    /// are compared with.
    Named(&'a [EngineName]),
}

impl Engines<'_> {
    pub(super) fn asks(self, engine: EngineName) -> bool {
        match self {
            Engines::There => true,
            Engines::Named(names) => names.contains(&engine),
        }
    }
}
