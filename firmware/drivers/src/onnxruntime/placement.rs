//! Which parts of a model ran where, read back from the profile of a run.

use std::collections::BTreeMap;

/// How many of a model's operators ran on which of ONNX Runtime's execution providers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Placement(BTreeMap<String, usize>);

impl Placement {
    /// From a profile that ONNX Runtime wrote: one event an operator, with its provider. `None` when none is named.
    pub(super) fn from_profile(profile: &str) -> Option<Placement> {
        let mut counts = BTreeMap::new();
        // Each operator has up to three events; the one of its kernel's time is counted.
        for event in profile.split("\"name\"").filter(|event| event.contains("_kernel_time\"")) {
            let provider = event.split("\"provider\"").nth(1).and_then(|rest| rest.split('"').nth(1));
            if let Some(provider) = provider {
                let name = provider.strip_suffix("ExecutionProvider").unwrap_or(provider);
                *counts.entry(name.chars().take(40).collect()).or_insert(0) += 1;
            }
        }
        (!counts.is_empty()).then_some(Placement(counts))
    }

    /// Operators on `provider`, such as `CPU`, `CUDA` or `Tensorrt`.
    pub fn on(&self, provider: &str) -> usize {
        self.0.get(provider).copied().unwrap_or(0)
    }

    /// All operators.
    pub fn all(&self) -> usize {
        self.0.values().sum()
    }
}

impl std::fmt::Display for Placement {
    /// `213 operators on CUDA, 2 on CPU`, most first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (i, (provider, count)) in all.into_iter().enumerate() {
            let operators = if i == 0 { " operators" } else { "" };
            write!(f, "{}{count}{operators} on {provider}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROFILE: &str = r#"[
{"cat" : "Session","pid" :1,"tid" :1,"dur" :9,"ts" :1,"ph" : "X","name" :"model_loading_array","args" : {}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :0,"ts" :2,"ph" : "X","name" :"a_fence_before","args" : {"op_name" : "Cast"}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :5,"ts" :2,"ph" : "X","name" :"a_kernel_time","args" : {"op_name" : "Cast","provider" : "CUDAExecutionProvider","node_index" : "0"}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :5,"ts" :3,"ph" : "X","name" :"b_kernel_time","args" : {"op_name" : "Add","provider" : "CUDAExecutionProvider"}},
{"cat" : "Node","pid" :1,"tid" :1,"dur" :5,"ts" :4,"ph" : "X","name" :"c_kernel_time","args" : {"op_name" : "Gather","provider" : "CPUExecutionProvider"}},
{"cat" : "Session","pid" :1,"tid" :1,"dur" :9,"ts" :1,"ph" : "X","name" :"model_run","args" : {}}
]"#;

    #[test]
    fn operators_are_counted_by_provider() {
        let placement = Placement::from_profile(PROFILE).unwrap();
        assert_eq!(
            (placement.on("CUDA"), placement.on("CPU"), placement.on("Tensorrt"), placement.all()),
            (2, 1, 0, 3)
        );
        assert_eq!(placement.to_string(), "2 operators on CUDA, 1 on CPU");
        assert_eq!(Placement::from_profile("[]"), None);
        assert_eq!(Placement::from_profile(&PROFILE[..PROFILE.len() / 2]).map(|p| p.all()), Some(1));
    }
}
