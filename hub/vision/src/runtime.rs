//! Libraries that run models, besides the one that is part of the hub: which one, and what of the machine it needs.

use std::path::PathBuf;

/// ONNX Runtime, as a board names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runtime {
    /// Its library: an absolute path.
    pub library: PathBuf,
    /// What of it runs the model.
    pub provider: Provider,
    /// Device files and folders of them that it needs; a provider that computes on the processor is given none.
    pub devices: Vec<PathBuf>,
}

/// ONNX Runtime's execution providers that are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The processor, as with the hub's own.
    Cpu,
    /// A GPU of NVIDIA's.
    Cuda,
    /// The same, with a program that TensorRT makes of the model: that takes minutes, once each start.
    TensorRt,
}

impl Provider {
    /// What computes is not the processor.
    pub fn is_hardware(self) -> bool {
        self != Provider::Cpu
    }

    fn word(self) -> &'static str {
        match self {
            Provider::Cpu => "cpu",
            Provider::Cuda => "cuda",
            Provider::TensorRt => "tensorrt",
        }
    }
}

/// For a person.
impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Provider::Cpu => "ONNX Runtime",
            Provider::Cuda => "ONNX Runtime with CUDA",
            Provider::TensorRt => "ONNX Runtime with TensorRT",
        })
    }
}

impl Runtime {
    /// As an argument of a child: provider, library, devices, a line each.
    pub(crate) fn to_argument(&self) -> std::ffi::OsString {
        let paths = std::iter::once(&self.library).chain(&self.devices);
        let mut all = std::ffi::OsString::from(self.provider.word());
        for path in paths {
            all.push("\n");
            all.push(path);
        }
        all
    }
}

/// From an argument of a child.
impl std::str::FromStr for Runtime {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut lines = text.lines();
        let all = [Provider::Cpu, Provider::Cuda, Provider::TensorRt];
        let provider = lines.next().and_then(|word| all.into_iter().find(|provider| provider.word() == word));
        match (provider, lines.next()) {
            (Some(provider), Some(library)) => {
                Ok(Self { library: library.into(), provider, devices: lines.map(PathBuf::from).collect() })
            }
            _ => Err("no runtime for models"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_child_is_started_with_is_what_it_was_told() {
        for (provider, devices) in [
            (Provider::Cpu, vec![]),
            (Provider::Cuda, vec!["/dev/nvidia0"]),
            (Provider::TensorRt, vec!["/dev/a", "/dev/b"]),
        ] {
            let devices = devices.into_iter().map(PathBuf::from).collect();
            let runtime = Runtime { library: "/usr/lib/libonnxruntime.so.1".into(), provider, devices };
            assert_eq!(runtime.to_argument().to_str().unwrap().parse(), Ok(runtime));
        }
        for none in ["", "cpu", "gpu\n/lib", "\n"] {
            assert!(none.parse::<Runtime>().is_err(), "{none:?}");
        }
    }
}
