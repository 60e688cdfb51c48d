//! A model is run by tract, which is part of the hub.

use tract_onnx::prelude::*;

use super::onnx::{Input, Pixels, Runs, why};

/// A model that is ready to be run.
pub(super) struct Tract(pub TypedRunnableModel<TypedModel>);

impl Runs for Tract {
    fn run(&mut self, input: &Input) -> Result<Vec<Vec<f32>>, String> {
        self.outputs(input).map_err(|e| why("It fails", &e))
    }
}

impl Tract {
    fn outputs(&self, Input { shape, pixels }: &Input) -> TractResult<Vec<Vec<f32>>> {
        let input = match pixels {
            Pixels::Bytes(all) => Tensor::from_shape(shape, all)?,
            Pixels::Floats(all) => Tensor::from_shape(shape, all)?,
        };
        let outputs = self.0.run(tvec!(input.into()))?;
        outputs.iter().map(|output| Ok(output.cast_to::<f32>()?.as_slice::<f32>()?.to_vec())).collect()
    }
}

/// What tract looks up of this processor once is looked up now, while files may be read.
pub(crate) fn prepare() {
    let _ = tract_onnx::tract_core::tract_linalg::ops();
}
