//! The service's devices: `CUDA_VISIBLE_DEVICES` as CUDA reads it.
//!
//! Rules: the section on environment variables of the CUDA C++ Programming Guide. For cases that the guide
//! leaves open: PyTorch's `torch/cuda/__init__.py` (`_parse_visible_devices`, `_transform_uuid_to_ordinals`),
//! which follows the driver. The first entry decides the form, a number ends with its digits (`strtoul`), and
//! an entry named twice makes nothing visible.

/// Selection of devices to sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuSelection {
    /// All devices of the machine: the option `gpu="all"`.
    All,
    /// Devices that at least one of these environments shows; one environment for each differing process of
    /// the service.
    Visible(Vec<Visible>),
}

impl GpuSelection {
    /// Returns the devices of this process's environment.
    pub fn from_environment() -> Self {
        Self::Visible(vec![Visible::from_environment()])
    }
}

#[cfg(feature = "gpu")]
impl GpuSelection {
    /// Returns the indices of the devices and MIG devices to sample, each once.
    pub(super) fn choices(&self, devices: &[DeviceIdentity]) -> Vec<SelectedDevice> {
        let mut choices: Vec<SelectedDevice> = match self {
            Self::All => select_devices(None, devices),
            Self::Visible(visible) => visible
                .iter()
                .flat_map(|visible| select_devices(visible.devices.as_deref(), devices))
                .collect(),
        };
        choices.sort_unstable();
        choices.dedup();
        choices
    }

    /// Reports whether the selection is empty for any hardware.
    pub(super) fn is_none(&self) -> bool {
        let none = |visible: &Visible| {
            let first = visible.devices.as_deref().map(|devices| devices.split(',').next().unwrap_or(""));
            first.is_some_and(|first| form(first).is_none())
        };
        matches!(self, Self::Visible(visible) if visible.iter().all(none))
    }

    /// Returns a warning where numbers may mean other devices than NVML's: CUDA counts the fastest first
    /// unless `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`, NVML always by bus. Identical devices are equally fast.
    pub(super) fn warning(&self, names: &[&str]) -> Option<&'static str> {
        let differ = names.windows(2).any(|pair| pair[0] != pair[1]);
        let by_speed = |visible: &Visible| {
            let first = visible.devices.as_deref().unwrap_or_default();
            !visible.by_bus && matches!(form(first), Some(Form::Number(_)))
        };
        let doubtful = differ && matches!(self, Self::Visible(visible) if visible.iter().any(by_speed));
        doubtful.then_some(
            "CUDA_VISIBLE_DEVICES numbers devices of different kinds, and CUDA counts the fastest first: set \
             CUDA_DEVICE_ORDER=PCI_BUS_ID or name them by UUID, else other devices than the service's may be \
             sampled",
        )
    }
}

/// GPU environment of a process.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Visible {
    /// `CUDA_VISIBLE_DEVICES`; `None` where it is not set.
    pub devices: Option<String>,
    /// Whether `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`.
    pub by_bus: bool,
}

impl Visible {
    /// Reads the environment of this process.
    pub fn from_environment() -> Self {
        let text = |name| std::env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self {
            devices: text("CUDA_VISIBLE_DEVICES"),
            by_bus: text("CUDA_DEVICE_ORDER").as_deref() == Some("PCI_BUS_ID"),
        }
    }
}

/// Identity of a device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// `GPU-8932f937-d72c-4106-c12f-20bd9faed9f6`
    pub uuid: String,
    /// MIG devices.
    pub migs: Vec<MigIdentity>,
}

/// Identity of a MIG device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigIdentity {
    /// `MIG-1f1c...`, or before driver 470 `MIG-GPU-8932f937-.../1/0`.
    pub uuid: String,
    /// GPU instance and compute instance.
    pub instance: Option<(u32, u32)>,
}

/// A selected device, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SelectedDevice {
    /// Index among the devices.
    pub device: usize,
    /// Index among its MIG devices; `None` for the whole device with all of them.
    pub mig: Option<usize>,
}

/// Form of an entry.
enum Form<'a> {
    Number(usize),
    Gpu(&'a str),
    Mig(&'a str),
}

/// Returns the devices that a process with this `CUDA_VISIBLE_DEVICES` sees, in its order; all without it.
///
/// Devices are numbered as given here. The list ends before the first entry that names no device, names
/// several, or has another form than the first.
pub fn select_devices(value: Option<&str>, devices: &[DeviceIdentity]) -> Vec<SelectedDevice> {
    let Some(value) = value else {
        return (0..devices.len()).map(|device| SelectedDevice { device, mig: None }).collect();
    };
    let mut choices = Vec::new();
    let mut first = None;
    for entry in value.split(',') {
        let Some(form) = form(entry) else { break };
        let kind = std::mem::discriminant(&form);
        if *first.get_or_insert(kind) != kind {
            break;
        }
        let Some(choice) = find(&form, devices) else { break };
        if choices.contains(&choice) {
            return Vec::new();
        }
        choices.push(choice);
    }
    choices
}

/// Returns the form of an entry.
fn form(entry: &str) -> Option<Form<'_>> {
    let entry = entry.trim();
    if entry.starts_with("GPU-") {
        return Some(Form::Gpu(entry));
    }
    if entry.starts_with("MIG-") {
        return Some(Form::Mig(entry));
    }
    let digits = entry.strip_prefix('+').unwrap_or(entry);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits[..end].parse().ok().map(Form::Number)
}

fn find(form: &Form<'_>, devices: &[DeviceIdentity]) -> Option<SelectedDevice> {
    match *form {
        Form::Number(device) => (device < devices.len()).then_some(SelectedDevice { device, mig: None }),
        Form::Gpu(prefix) => {
            let places = (0..devices.len()).filter(|place| devices[*place].uuid.starts_with(prefix));
            only(places).map(|device| SelectedDevice { device, mig: None })
        }
        Form::Mig(text) => {
            let migs = devices.iter().enumerate().flat_map(|(device, identity)| {
                identity.migs.iter().enumerate().map(move |(mig, of)| (device, identity, mig, of))
            });
            let named = migs.filter(|(_, identity, _, mig)| {
                mig.uuid.starts_with(text) || instance_named(text, &identity.uuid) == Some(mig.instance)
            });
            only(named.map(|(device, _, mig, _)| SelectedDevice { device, mig: Some(mig) }))
        }
    }
}

/// Returns the instances that the old form `MIG-<GPU-UUID>/<GPU instance>/<compute instance>` names on a device.
fn instance_named(text: &str, uuid: &str) -> Option<Option<(u32, u32)>> {
    let mut parts = text.strip_prefix("MIG-")?.strip_prefix(uuid)?.strip_prefix('/')?.split('/');
    let (gpu, compute) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    (parts.next().is_none() && !uuid.is_empty()).then_some(Some((gpu, compute)))
}

/// Returns the only item; `None` if there are several.
fn only<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    all.next().filter(|_| all.next().is_none())
}

#[cfg(test)]
mod tests;
