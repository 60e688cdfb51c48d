//! Libraries that run models which tell objects apart, besides the one that is part of the hub: which one, and what of the machine it needs.

use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A library that runs models, as a board names it in its `board.toml`, and as a child is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runtime {
    /// Where it lies: an absolute path.
    pub library: PathBuf,
    /// What of it runs them.
    pub provider: Provider,
    /// Device files, and folders of them, that it needs; what computes on the processor is given none.
    #[serde(default)]
    pub devices: Vec<PathBuf>,
}

/// What runs a model: ONNX Runtime's execution providers that the hub knows, and HailoRT.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// The processor, as with the hub's own.
    Cpu,
    /// A GPU of NVIDIA's.
    Cuda,
    /// The same, with a program that TensorRT makes of the model: that takes minutes, once each start.
    TensorRt,
    /// An accelerator of Hailo's, which runs models that were compiled for it and no others.
    Hailo,
}

impl Provider {
    /// What computes is not the processor.
    pub fn is_hardware(self) -> bool {
        self != Provider::Cpu
    }
}

/// For a person.
impl std::fmt::Display for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Provider::Cpu => "ONNX Runtime",
            Provider::Cuda => "ONNX Runtime with CUDA",
            Provider::TensorRt => "ONNX Runtime with TensorRT",
            Provider::Hailo => "HailoRT",
        })
    }
}

impl Runtime {
    /// As an argument of a child: JSON.
    pub fn to_argument(&self) -> String {
        serde_json::to_string(self).expect("a board's file is text, and so are its paths")
    }
}

/// From an argument of a child.
impl FromStr for Runtime {
    type Err = serde_json::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        serde_json::from_str(text)
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
            (Provider::TensorRt, vec!["/dev/a b", "/dev/\"c\""]),
            (Provider::Hailo, vec!["/dev/hailo0"]),
        ] {
            let devices = devices.into_iter().map(PathBuf::from).collect();
            let runtime = Runtime { library: "/usr/lib/libonnxruntime.so.1".into(), provider, devices };
            assert_eq!(runtime.to_argument().parse::<Runtime>().unwrap(), runtime);
        }
        for none in ["", "cpu", "{}", "{\"library\":\"/lib\",\"provider\":\"npu\"}"] {
            assert!(none.parse::<Runtime>().is_err(), "{none:?}");
        }
    }
}
