//! What ONNX Runtime's and CUDA's messages mean.

/// What is wrong, in words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// With the machine or its libraries: what, and what to do.
    Device(String, &'static str),
    /// With the model: the message.
    Model(String),
}

/// Longest message that is passed on, characters.
const LONGEST: usize = 300;

/// Tells what a failed start is due to from the message.
pub(super) fn reason(message: &str) -> Reason {
    let lower = message.to_lowercase();
    let has = |any: &[&str]| any.iter().any(|part| lower.contains(part));
    let device = |why: &str, next| Reason::Device(why.to_owned(), next);
    if has(&["out of memory", "cuda failure 2:", "bad_alloc", "failed to allocate memory", "bfcarena"]) {
        return device("out of memory", "take a smaller model, or end what else needs memory there");
    }
    if has(&["cuda failure 100", "no cuda-capable device"]) {
        return device("there is no NVIDIA GPU that CUDA can use", "look at nvidia-smi, or take another engine");
    }
    if has(&["cuda failure 35", "driver version is insufficient"]) {
        return device(
            "the GPU's driver is missing or older than this CUDA",
            "install a newer driver, or a library for an older CUDA",
        );
    }
    if has(&["cannot open shared object file"]) {
        return Reason::Device(
            format!("a library is missing: {}", missing_library(message)),
            "install the CUDA, cuDNN or TensorRT that this ONNX Runtime was built for",
        );
    }
    if has(&["assigned to the default cpu ep", "disable_cpu_ep_fallback"]) {
        return device(
            "a part of the model would run on the CPU",
            "export the model in another precision, or take cpu-ort",
        );
    }
    if has(&["cuda failure", "cuda error", "cudnn", "cublas", "tensorrt", "execution provider is not enabled"]) {
        return Reason::Device(one_line(message), "look at the GPU's driver and libraries, or take another engine");
    }
    Reason::Model(one_line(message))
}

/// The name before the words of the dynamic linker: `libcudnn.so.9: cannot open shared object file`.
fn missing_library(message: &str) -> String {
    let before = message.split(": cannot open shared object file").next().unwrap_or_default();
    let name = before.rsplit([' ', ':']).find(|word| !word.is_empty()).unwrap_or("its name was not told");
    name.chars().take(LONGEST).collect()
}

/// Without line breaks, and cut.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(message: &str) -> String {
        match reason(message) {
            Reason::Device(why, _) => why,
            Reason::Model(why) => format!("model: {why}"),
        }
    }

    #[test]
    fn what_the_machine_lacks_is_told_from_what_the_model_has() {
        // The forms of these messages are those of ONNX Runtime's sources and of reports of its users.
        let said = [
            "CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=a ; file=cuda_execution_provider.cc",
            "CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version ; GPU=0",
            "CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; expr=cudaMalloc((void**)&p, size);",
            "Failed to load library libonnxruntime_providers_cuda.so with error: libcudnn.so.9: cannot open shared object file: No such file or directory",
            "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.",
            "CUDA execution provider is not enabled in this build. ",
            "std::bad_alloc",
            "Load model failed:Fatal error: Frobnicate(-1) is not a registered\n function/op",
        ];
        insta::assert_snapshot!(said.map(why).join("\n"), @r"
        there is no NVIDIA GPU that CUDA can use
        the GPU's driver is missing or older than this CUDA
        out of memory
        a library is missing: libcudnn.so.9
        a part of the model would run on the CPU
        CUDA execution provider is not enabled in this build.
        out of memory
        model: Load model failed:Fatal error: Frobnicate(-1) is not a registered function/op
        ");
    }
}
