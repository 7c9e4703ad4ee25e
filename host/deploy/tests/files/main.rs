//! Exported files: what they compute in each engine, and how they come to be on the disk.

mod cases;
mod export;
mod onnxruntime;
mod pytorch;
mod quantize;
