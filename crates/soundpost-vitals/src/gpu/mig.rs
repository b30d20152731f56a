//! MIG devices of a device.

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::fault::Answers;
use super::raw;
use super::visible::MigIdentity;

/// More MIG devices than this are not looked for; today's hardware has 7.
const MOST: u32 = 32;

/// A MIG device, with what does not change about it.
#[derive(Debug)]
pub(super) struct Mig {
    /// NVML's index on its device.
    pub(super) index: u32,
    /// The index as a label.
    pub(super) label: String,
    pub(super) identity: MigIdentity,
    pub(super) name: String,
    /// Whether it is sampled.
    pub(super) chosen: bool,
    pub(super) answers: Answers,
}

/// MIG devices of a device; none where the device has no MIG or it is off. Indices can have gaps.
pub(super) fn migs(device: &Device<'_>) -> Vec<Mig> {
    // `NVML_DEVICE_MIG_ENABLE`
    if !device.mig_mode().is_ok_and(|mode| mode.current == 1) {
        return Vec::new();
    }
    let most = device.mig_device_count().unwrap_or(0).min(MOST);
    (0..most).filter_map(|index| mig(device, index).ok()).collect()
}

fn mig(parent: &Device<'_>, index: u32) -> Result<Mig, NvmlError> {
    let device = parent.mig_device_by_index(index)?;
    let identity =
        MigIdentity { uuid: device.uuid().unwrap_or_default(), instance: raw::instance(&device).ok() };
    let name = device.name().or_else(|_| parent.name()).unwrap_or_default();
    let answers = Answers::default();
    Ok(Mig { index, label: index.to_string(), identity, name, chosen: false, answers })
}
