//! Outcomes of calls.

/// Outcome of a call; the guide's page on outcomes defines each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Outcome {
    /// The call finished with output.
    #[default]
    Ok,
    /// An error was raised or found in the result.
    Error,
    /// Memory of the GPU or the host was exhausted.
    Oom,
    /// A CUDA error made the process unusable.
    Poisoned,
    /// The call finished without output.
    Empty,
    /// The output was below -60 dBFS throughout.
    Silent,
    /// The caller reported that the output was cut short.
    Truncated,
    /// A time limit passed.
    Timeout,
    /// The process ended while the call was in flight.
    Died,
    /// The caller cancelled the call.
    Cancelled,
    /// The consumer went away, or the call made no progress for the idle limit.
    Abandoned,
    /// The request was at fault, and not the service.
    Invalid,
    /// The output has samples that are not finite.
    Corrupt,
}

/// Status that an outcome counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Status {
    /// `ok`
    Success,
    /// Every outcome that is the service's fault.
    Error,
    /// `cancelled` and `abandoned`.
    Cancelled,
    /// `invalid`: the request's fault.
    Rejected,
}

impl Status {
    /// All statuses.
    pub const ALL: [Self; 4] = [Self::Success, Self::Error, Self::Cancelled, Self::Rejected];

    /// Returns the label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
            Self::Rejected => "rejected",
        }
    }
}

/// Class names that mean out of memory, anywhere among the ancestors.
const OOM_CLASSES: [&str; 2] = ["OutOfMemoryError", "MemoryError"];
const OOM_TEXTS: [&str; 4] =
    ["CUDA out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "Failed to allocate memory", "MemoryError"];
const POISON_TEXTS: [&str; 3] =
    ["device-side assert", "illegal memory access", "CUDA error: unspecified launch failure"];
const TIMEOUT_CLASSES: [&str; 1] = ["TimeoutError"];
/// Class names of errors that find fault with the request.
const INVALID_CLASSES: [&str; 2] = ["ValidationError", "RequestValidationError"];
const CANCELLED_CLASSES: [&str; 4] = ["CancelledError", "GreenletExit", "KeyboardInterrupt", "SystemExit"];

impl Outcome {
    /// All outcomes, in the order of their declaration.
    pub const ALL: [Self; 13] = [
        Self::Ok,
        Self::Error,
        Self::Oom,
        Self::Poisoned,
        Self::Empty,
        Self::Silent,
        Self::Truncated,
        Self::Timeout,
        Self::Died,
        Self::Cancelled,
        Self::Abandoned,
        Self::Invalid,
        Self::Corrupt,
    ];

    /// Returns the label value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Oom => "oom",
            Self::Poisoned => "poisoned",
            Self::Empty => "empty",
            Self::Silent => "silent",
            Self::Truncated => "truncated",
            Self::Timeout => "timeout",
            Self::Died => "died",
            Self::Cancelled => "cancelled",
            Self::Abandoned => "abandoned",
            Self::Invalid => "invalid",
            Self::Corrupt => "corrupt",
        }
    }

    /// Returns the outcome of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.name() == name)
    }

    /// Returns the status that the outcome counts as.
    pub fn status(self) -> Status {
        match self {
            Self::Ok => Status::Success,
            Self::Cancelled | Self::Abandoned => Status::Cancelled,
            Self::Invalid => Status::Rejected,
            _ => Status::Error,
        }
    }

    /// Classifies an error by the names of its class, ancestors and causes, and by its text and the texts of
    /// its causes.
    pub fn classify(class_names: &[&str], text: &str) -> Self {
        let class = |names: &[&str]| class_names.iter().any(|class| names.contains(class));
        let says = |texts: &[&str]| texts.iter().any(|phrase| text.contains(phrase));
        if class(&CANCELLED_CLASSES) {
            Self::Cancelled
        } else if says(&POISON_TEXTS) {
            Self::Poisoned
        } else if class(&OOM_CLASSES) || says(&OOM_TEXTS) {
            Self::Oom
        } else if class(&TIMEOUT_CLASSES) {
            Self::Timeout
        } else if class(&INVALID_CLASSES) {
            Self::Invalid
        } else {
            Self::Error
        }
    }

    /// Classifies a Rust error by its text and the texts of its sources; an `io` error that timed out is
    /// [`Outcome::Timeout`].
    pub fn of_error(error: &(dyn std::error::Error + 'static)) -> Self {
        let chain = || std::iter::successors(Some(error), |error| error.source());
        let texts: Vec<String> = chain().take(16).map(ToString::to_string).collect();
        let timed_out = chain().take(16).any(|error| {
            let io = error.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == std::io::ErrorKind::TimedOut)
        });
        match Self::classify(&[], &texts.join("\n")) {
            Self::Error if timed_out => Self::Timeout,
            outcome => outcome,
        }
    }
}
