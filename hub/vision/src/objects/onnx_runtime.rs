//! A model is run by ONNX Runtime, whose library the board names: by processor or by hardware.

use std::ffi::CStr;

use ort::ep::{self, ExecutionProviderDispatch};
use ort::session::builder::SessionBuilder;
use ort::session::{Session, SessionInputValue};
use ort::sys::OrtApiBase;
use ort::value::{DynValue, TensorRef};

use super::library;
use super::onnx::{Input, Pixels, Runs, shortened};
use base::runtime::{Provider, Runtime};

/// A model that is ready to be run.
pub(crate) struct OnnxRuntime(Session);

/// Opens the library, while files may be read. It starts no thread.
///
/// # Errors
/// It is not there, is no such library, or too old a one: why, for a person.
pub(crate) fn open(runtime: &Runtime) -> Result<(), String> {
    let library = library::open(&runtime.library)?;
    // SAFETY: by this name every version has a function of this type (`onnxruntime_c_api.h`).
    let base = unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") }
        .map_err(library::closed)?;
    // SAFETY: as above; what it leads to lasts as long as the library, which is never closed (below).
    let (version, functions) = unsafe {
        let Some(base) = base().as_ref() else { return Err("Its library is not ready".into()) };
        let version = CStr::from_ptr((base.GetVersionString)()).to_string_lossy().into_owned();
        (version, (base.GetApi)(ort::sys::ORT_API_VERSION).as_ref())
    };
    let Some(functions) = functions else {
        let oldest = ort::sys::ORT_API_VERSION;
        return Err(format!("It is ONNX Runtime {}, and 1.{oldest} or newer is needed", shortened(&version)));
    };
    ort::set_api(functions.clone());
    std::mem::forget(library);
    // The environment itself is made with the first model: newer versions start a thread with it, which would not be locked in.
    ort::init().with_telemetry(false).commit();
    Ok(())
}

impl OnnxRuntime {
    /// Reads the model, and has the provider get ready for it.
    ///
    /// # Errors
    /// It cannot: why, for a person.
    pub fn start(provider: Provider, onnx: &[u8]) -> Result<Self, String> {
        let providers = match provider {
            Provider::Cpu => vec![must(ep::CPU::default().build())],
            Provider::Cuda => vec![must(ep::CUDA::default().build())],
            Provider::Hailo => return Err("That is no provider of ONNX Runtime".into()),
            // What TensorRT cannot do of a model CUDA does.
            Provider::TensorRt => vec![must(ep::TensorRT::default().build()), must(ep::CUDA::default().build())],
        };
        // One thread, so that it takes no more than one core; who waits does not spin.
        let session = builder(providers).and_then(|mut builder| builder.commit_from_memory(onnx));
        session.map(Self).map_err(|e| failed("It cannot be started", &e))
    }
}

fn builder(providers: Vec<ExecutionProviderDispatch>) -> ort::Result<SessionBuilder> {
    let builder = Session::builder()?.with_intra_threads(1)?.with_inter_threads(1)?;
    Ok(builder.with_intra_op_spinning(false)?.with_execution_providers(providers)?)
}

/// One that is not there is an error, not another one in its place.
fn must(provider: ExecutionProviderDispatch) -> ExecutionProviderDispatch {
    provider.error_on_failure()
}

impl Runs for OnnxRuntime {
    fn run(&mut self, Input { shape, pixels }: &Input) -> Result<Vec<Vec<f32>>, String> {
        let input = match pixels {
            Pixels::Bytes(all) => TensorRef::from_array_view((*shape, &all[..])).map(SessionInputValue::from),
            Pixels::Floats(all) => TensorRef::from_array_view((*shape, &all[..])).map(SessionInputValue::from),
        };
        let outputs = input.and_then(|input| self.0.run([input])).map_err(|e| failed("It fails", &e))?;
        outputs
            .values()
            .map(|output| numbers(&output).ok_or_else(|| "It gives numbers of a kind that is not known here".into()))
            .collect()
    }
}

/// Whatever kind of numbers it gives.
fn numbers(output: &DynValue) -> Option<Vec<f32>> {
    if let Ok((_, all)) = output.try_extract_tensor::<f32>() {
        return Some(all.to_vec());
    }
    if let Ok((_, all)) = output.try_extract_tensor::<i64>() {
        return Some(all.iter().map(|n| *n as f32).collect());
    }
    if let Ok((_, all)) = output.try_extract_tensor::<i32>() {
        return Some(all.iter().map(|n| *n as f32).collect());
    }
    if let Ok((_, all)) = output.try_extract_tensor::<u8>() {
        return Some(all.iter().map(|n| f32::from(*n)).collect());
    }
    let (_, all) = output.try_extract_tensor::<f64>().ok()?;
    Some(all.iter().map(|n| *n as f32).collect())
}

fn failed(what: &str, error: &ort::Error) -> String {
    format!("{what}: {}", shortened(error.message()))
}
