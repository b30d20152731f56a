//! Settings of the parts that this build leaves out. No value of these types exists.

macro_rules! absent {
    ($feature:literal: $($name:ident),+) => {$(
        #[cfg(not(feature = $feature))]
        #[doc = concat!("Setting of a part that needs the feature `", $feature, "`.")]
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}
    )+};
}

absent!("server": ServerConfig);
absent!("vitals": Interval, GpuSelection);
absent!("store": Limits);
absent!("sinks": Sink);
