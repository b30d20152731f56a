//! Parser of scripts.

use crate::code;
use crate::script::{Device, Fault, Process, Script, Who};
use crate::value::Value;

/// Names of a device's values.
const VALUES: [&str; 25] = [
    "memory_total",
    "memory_used",
    "memory_reserved",
    "utilization",
    "memory_utilization",
    "temperature",
    "power",
    "power_limit",
    "clock_graphics",
    "clock_sm",
    "clock_memory",
    "clock_video",
    "fans",
    "fan",
    "pcie_tx",
    "pcie_rx",
    "throttle",
    "energy",
    "ecc_corrected",
    "ecc_uncorrected",
    "violation_power",
    "violation_thermal",
    "violation_sync_boost",
    "violation_board_limit",
    "violation_reliability",
];

/// Parses a script. Returns the first invalid line as an error.
pub(crate) fn script(text: &str) -> Result<Script, String> {
    let mut script = Script::default();
    for (number, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let words: Vec<&str> = line.split_whitespace().collect();
        if let Some((&key, rest)) = words.split_first()
            && setting(&mut script, key, rest).is_none()
        {
            return Err(format!("line {}: {}", number + 1, line.trim()));
        }
    }
    Ok(script)
}

/// Parses one line; `None` if it is invalid.
fn setting(script: &mut Script, key: &str, words: &[&str]) -> Option<()> {
    match (key, words) {
        ("driver", [version]) => script.driver = Some((*version).to_owned()),
        ("nvml", [version]) => script.nvml = Some((*version).to_owned()),
        ("cuda", [version]) => script.cuda = Some(version.parse().ok()?),
        ("calls", [path]) => script.calls = Some(path.into()),
        ("hang", [function, seconds]) => {
            script.hangs.push(((*function).to_owned(), seconds.parse().ok().filter(|s| *s >= 0.0)?));
        }
        ("device", [uuid]) => {
            script.devices.push(Device { uuid: (*uuid).to_owned(), ..Device::default() });
        }
        ("mig", [uuid, gpu, compute]) => {
            let instance = (gpu.parse().ok()?, compute.parse().ok()?);
            let mig = Device { uuid: (*uuid).to_owned(), instance, ..Device::default() };
            script.devices.last_mut()?.migs.push(mig);
        }
        ("error", words) => {
            let fault = fault(words)?;
            match current(script) {
                Some(device) => device.faults.push(fault),
                None => script.faults.push(fault),
            }
        }
        (key, words) => of_device(current(script)?, key, words)?,
    }
    Some(())
}

/// Device of the following lines.
fn current(script: &mut Script) -> Option<&mut Device> {
    let device = script.devices.last_mut()?;
    if device.migs.is_empty() { Some(device) } else { device.migs.last_mut() }
}

fn of_device(device: &mut Device, key: &str, words: &[&str]) -> Option<()> {
    match (key, words) {
        ("name", words) => device.name = Some(words.join(" ")),
        ("appears", [second]) => device.appears = second.parse().ok()?,
        ("vanishes", [second]) => device.vanishes = Some(second.parse().ok()?),
        ("xid", words) => device.xid = Some(Value::parse(words)?),
        ("process", [pid, kind, memory @ ..]) => {
            let who = match *pid {
                "self" => Who::Asker,
                "siblings" => Who::Siblings,
                pid => Who::Pid(pid.parse().ok()?),
            };
            let graphics = match *kind {
                "graphics" => true,
                "compute" => false,
                _ => return None,
            };
            let (memory, utilization) = match memory.iter().position(|word| *word == "sm") {
                Some(at) => (memory.get(..at)?, Some(Value::parse(memory.get(at + 1..)?)?)),
                None => (memory, None),
            };
            let memory = if memory == ["none"] { None } else { Some(Value::parse(memory)?) };
            device.processes.push(Process { who, graphics, memory, utilization });
        }
        (key, words) if VALUES.contains(&key) => {
            device.values.insert(key.to_owned(), Value::parse(words)?);
        }
        _ => return None,
    }
    Some(())
}

fn fault(words: &[&str]) -> Option<Fault> {
    let (&[function, code], times) = words.split_first_chunk::<2>()?;
    let mut times = times.iter().map(|time| time.parse::<f64>().ok());
    let from = times.next().unwrap_or(Some(0.0))?;
    let until = times.next().unwrap_or(Some(f64::INFINITY))?;
    let fault = Fault { function: function.to_owned(), code: code::parse(code)?, from, until };
    times.next().is_none().then_some(fault)
}
