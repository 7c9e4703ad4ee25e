//! Why the daemon does not start, or ends.

use thiserror::Error;

/// Why the daemon does not start, or ends. Each is one line that names the thing and the next step.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DaemonError {
    /// The board file, an override, or what they ask for, is not acceptable.
    #[error("{0}")]
    Configuration(String),
    /// The camera or file cannot be used.
    #[error("{0}")]
    Source(String),
    /// The model, its engine, or the face detector cannot be used.
    #[error("{0}")]
    Model(String),
    /// A fault of the daemon itself, or of the system under it.
    #[error("{0}")]
    Internal(String),
}

impl DaemonError {
    /// What a program that fails with it exits with: 2 configuration, 3 device or model, 1 everything else.
    pub fn exit_code(&self) -> u8 {
        match self {
            DaemonError::Configuration(_) => 2,
            DaemonError::Source(_) | DaemonError::Model(_) => 3,
            DaemonError::Internal(_) => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_the_reactions_apart() {
        let text = String::new;
        let all = [
            DaemonError::Configuration(text()),
            DaemonError::Source(text()),
            DaemonError::Model(text()),
            DaemonError::Internal(text()),
        ];
        assert_eq!(all.map(|e| e.exit_code()), [2, 3, 3, 1]);
    }
}
