//! Samples for the store, in a build without samples or without a store.

#[derive(Default)]
pub(crate) struct SampleBatcher;

impl SampleBatcher {
    #[cfg(feature = "vitals")]
    pub(super) fn add(&self, _: &soundpost_vitals::Readings, _: impl FnOnce() -> (usize, Vec<u32>)) {}

    pub(super) fn move_settled<B>(&self, _: bool, _: &mut B) {}
}
