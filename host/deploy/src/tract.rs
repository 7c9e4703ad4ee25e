//! An exported file in tract, on one thread.

use crate::error::ExportError;
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
    /// Reads and optimises an exported file.
    ///
    /// # Errors
    /// When tract refuses it.
    pub fn load(onnx: &[u8]) -> Result<TractModel, ExportError> {
        TractModel::read(onnx).map_err(engine)
    }

    fn read(mut onnx: &[u8]) -> TractResult<TractModel> {
        let model = tract_onnx::onnx().model_for_read(&mut onnx)?;
        let outlets = model.output_outlets()?.to_vec();
        let names = outlets.iter().map(|o| model.outlet_label(*o).unwrap_or_default().to_owned()).collect();
        let model = model.into_optimized()?;
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
    /// When the clip's length does not fit, or tract fails.
    pub fn run(&self, clip: &[u8]) -> Result<Outputs, ExportError> {
        let input = Tensor::from_shape(&self.shape, clip).map_err(engine)?;
        let values = self.plan.run(tvec!(input.into())).map_err(engine)?;
        let mut outputs = Outputs { boxes: None, landmarks: None, logits: Vec::new() };
        for (name, value) in self.names.iter().zip(values.iter()) {
            let numbers = value.to_plain_array_view::<f32>().map_err(engine)?.iter().copied().collect();
            match name.as_str() {
                "boxes" => outputs.boxes = Some(numbers),
                "landmarks" => outputs.landmarks = Some(numbers),
                "logits" => outputs.logits = numbers,
                other => return Err(ExportError::Engine(format!("it has an output `{other}`"))),
            }
        }
        Ok(outputs)
    }
}
