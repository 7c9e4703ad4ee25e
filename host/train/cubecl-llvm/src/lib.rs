//! Stands in for CubeCL's LLVM compiler, which fetches a prebuilt LLVM when it is built.
//!
//! CubeCL's CUDA runtime names two compilers and uses one: with its feature `cpp`, which `mtcae-train/cuda` switches on, that is
//! NVIDIA's own (NVRTC), loaded at run time. The other one is linked all the same, and its build downloads LLVM from
//! elsewhere than the registry. This crate has what the runtime names and refuses every kernel, so that the trainer builds
//! from the registry alone. To have the real one again, take the `[patch.crates-io]` entry out of the root manifest.

use cubecl_core::Compiler;
use cubecl_core::prelude::KernelDefinition;
use cubecl_environment::backtrace::BackTrace;
use cubecl_runtime::{compiler::CompilationError, kernel::BufferIOAttr};
use std::ffi::c_char;
use std::fmt;

/// What the CUDA runtime names of the PTX target.
pub mod nvptx {
    /// Versions of PTX.
    pub mod ptx_version {
        use std::fmt;

        /// A version of PTX; nothing here writes any, so there is none.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum PtxVersion {}

        impl PtxVersion {
            /// None, for any driver.
            pub fn for_driver(_driver: i32) -> Option<Self> {
                None
            }
        }

        impl fmt::Display for PtxVersion {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {}
            }
        }
    }
}

/// What the CUDA runtime names of all targets.
pub mod shared {
    /// What a device may advertise.
    pub mod lowered_features {
        use cubecl_core::ir::DeviceProperties;

        /// A target.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum GpuTarget {
            /// NVIDIA.
            Nvptx,
        }

        /// Nothing to take away: it is asked for only where LLVM compiles.
        pub fn restrict_features(_properties: &mut DeviceProperties, _target: GpuTarget) {}
    }
}

/// A target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LlvmTarget {
    /// NVIDIA.
    #[default]
    Nvptx,
}

/// Refuses every kernel.
#[derive(Clone, Debug, Default)]
pub struct PlironCompiler {
    /// What it would compile for.
    pub target: LlvmTarget,
}

/// What a compilation would depend on.
#[derive(Clone, Debug, Default)]
pub struct PlironOptions {
    /// An AMD architecture.
    pub arch: Option<()>,
    /// An NVIDIA architecture.
    pub sm_arch: Option<cubecl_core::ir::nvidia::SmArch>,
    /// The PTX to write.
    pub ptx_version: Option<nvptx::ptx_version::PtxVersion>,
    /// Scalars in the block of parameters.
    pub grid_constants: bool,
    /// The runtime fills up with defaults.
    pub rest: (),
}

/// A compiled kernel.
#[derive(Clone, Debug)]
pub struct NvptxModule {
    /// PTX, with a zero at the end.
    pub ptx: Vec<c_char>,
    /// Name of the kernel.
    pub entrypoint: String,
    /// For logs.
    pub ir: String,
    /// Bytes a launch needs.
    pub shared_memory_size: usize,
    /// What is read and written.
    pub io: Vec<BufferIOAttr>,
}

/// What comes out of a compilation.
#[derive(Clone, Debug)]
pub enum PlironArtifact {
    /// A kernel for NVIDIA.
    NvptxCode(NvptxModule),
    /// A kernel for another target; the runtime has an arm for it.
    Other,
}

impl fmt::Display for PlironArtifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PlironArtifact::NvptxCode(module) => f.write_str(&module.ir),
            PlironArtifact::Other => Ok(()),
        }
    }
}

impl Compiler for PlironCompiler {
    type Representation = PlironArtifact;
    type CompilationOptions = PlironOptions;

    fn compile(&mut self, _: KernelDefinition, _: &PlironOptions) -> Result<PlironArtifact, CompilationError> {
        Err(CompilationError::Generic {
            reason: "CubeCL's LLVM compiler is not built in; its feature `cpp` takes NVRTC instead".to_owned(),
            backtrace: BackTrace::capture(),
        })
    }

    fn extension(&self) -> &'static str {
        "ll"
    }

    fn lang_tag(&self) -> &'static str {
        "llvm"
    }
}
