//! MIG devices of a device.

use nvml_wrapper::Device;
use nvml_wrapper::error::NvmlError;

use super::fault::Answers;
use super::raw;
use crate::gpu_selection::MigIdentity;

/// Maximum number of MIG devices per device; current hardware has 7.
const MOST: u32 = 32;

/// A MIG device with its constant properties.
#[derive(Debug)]
pub(super) struct Mig {
    pub(super) index: u32,
    pub(super) label: String,
    pub(super) identity: MigIdentity,
    pub(super) name: String,
    pub(super) chosen: bool,
    pub(super) answers: Answers,
}

/// Returns the MIG devices of a device; none without MIG. Indices can have gaps.
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
