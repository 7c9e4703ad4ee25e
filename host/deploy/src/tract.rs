//! An exported file in tract, on one thread, as a board runs it.

use crate::error::ExportError;
use mtcae_kernels::{Fusion, optimized};
use std::sync::Arc;
use tract_onnx::prelude::*;

/// What the network answers on one clip, as flat numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Outputs {
    /// `[T, 4]`; missing in strategy `single-task`.
    pub boxes: Option<Vec<f32>>,
    /// `[T, 5, 2]`; missing in strategy `single-task`.
    pub landmarks: Option<Vec<f32>>,
    /// `[C]`.
    pub logits: Vec<f32>,
}

/// A file made ready to run.
pub struct TractModel {
    plan: Arc<TypedRunnableModel>,
    shape: Vec<usize>,
    names: Vec<String>,
}

fn engine(error: TractError) -> ExportError {
    ExportError::Engine(format!("{error:#}"))
}

impl TractModel {
    /// Reads and optimises an exported file; operators are fused as on a board with this processor.
    ///
    /// # Errors
    /// When tract refuses it.
    pub fn load(onnx: &[u8]) -> Result<TractModel, ExportError> {
        TractModel::load_with(onnx, Fusion::best())
    }

    /// The same with the operators fused that `which` names.
    ///
    /// # Errors
    /// As [`TractModel::load`].
    pub fn load_with(onnx: &[u8], which: Fusion) -> Result<TractModel, ExportError> {
        TractModel::read(onnx, which).map_err(engine)
    }

    fn read(mut onnx: &[u8], which: Fusion) -> TractResult<TractModel> {
        let mut proto = tract_onnx::onnx().proto_model_for_read(&mut onnx)?;
        let outputs = proto.graph.iter().flat_map(|g| &g.output);
        let names = outputs.map(|o| o.name.clone()).collect();
        let model = optimized(&mut proto, which)?;
        let shape = model.input_fact(0)?.shape.as_concrete().map(<[usize]>::to_vec).unwrap_or_default();
        Ok(TractModel { plan: model.into_runnable()?, shape, names })
    }

    /// Shape of the input, `[1, T, S, S, 3]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Runs one clip of bytes, `[T, S, S, 3]`.
    ///
    /// # Errors
    /// When the clip's length does not fit, tract fails, or there is an output that a network of ours does not have.
    pub fn run(&self, clip: &[u8]) -> Result<Outputs, ExportError> {
        let mut outputs = Outputs { boxes: None, landmarks: None, logits: Vec::new() };
        let mut unknown = None;
        self.each_output(clip, &mut |name, values| match name {
            "boxes" => outputs.boxes = Some(values.to_vec()),
            "landmarks" => outputs.landmarks = Some(values.to_vec()),
            "logits" => outputs.logits = values.to_vec(),
            other => unknown = Some(other.to_owned()),
        })?;
        match unknown {
            Some(name) => Err(ExportError::Engine(format!("it has an output `{name}`"))),
            None => Ok(outputs),
        }
    }

    /// Runs one clip of bytes, `[T, S, S, 3]`, and hands over each output's name and numbers, in the order of the file.
    ///
    /// # Errors
    /// When the clip's length does not fit, tract fails, or an output is not of f32.
    pub fn each_output(&self, clip: &[u8], take: &mut dyn FnMut(&str, &[f32])) -> Result<(), ExportError> {
        let input = Tensor::from_shape(&self.shape, clip).map_err(engine)?;
        let values = self.plan.run(tvec!(input.into())).map_err(engine)?;
        for (name, value) in self.names.iter().zip(values.iter()) {
            let view = value.to_plain_array_view::<f32>().map_err(engine)?;
            match view.as_slice() {
                Some(numbers) => take(name, numbers),
                None => take(name, &view.iter().copied().collect::<Vec<_>>()),
            }
        }
        Ok(())
    }
}
