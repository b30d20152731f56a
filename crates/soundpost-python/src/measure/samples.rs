//! Levels of the samples of Python objects, read where they lie in CPU memory.
//!
//! `PyObject_GetBuffer` and `PyBuffer_Release` are in the stable ABI since Python 3.11, with the layout that `Py_buffer`
//! has had since 3.0. They are resolved at run time; without them no levels are measured.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::{ffi, intern};
use soundpost::AudioLevels;

/// `PyBUF_ANY_CONTIGUOUS | PyBUF_FORMAT`: any order of axes, without gaps.
const CONTIGUOUS: c_int = 0x80 | 0x10 | 0x8 | 0x4;

#[repr(C)]
struct Buffer {
    start: *const c_void,
    object: *mut ffi::PyObject,
    length: isize,
    item_size: isize,
    read_only: c_int,
    dimensions: c_int,
    format: *const c_char,
    shape: *mut isize,
    strides: *mut isize,
    sub_offsets: *mut isize,
    internal: *mut c_void,
}

struct Functions {
    get: unsafe extern "C" fn(*mut ffi::PyObject, *mut Buffer, c_int) -> c_int,
    release: unsafe extern "C" fn(*mut Buffer),
}

/// Returns the levels of an array or tensor; `None` outside of the CPU's memory, with gaps, or of another type.
///
/// `full_scale` is the full scale of floats.
pub(super) fn levels_of_array(item: &Bound<'_, PyAny>, full_scale: f64) -> PyResult<Option<AudioLevels>> {
    let py = item.py();
    let is_tensor = item.hasattr(intern!(py, "device"))? && item.hasattr(intern!(py, "numpy"))?;
    if !is_tensor {
        return Ok(levels_of_buffer(item, full_scale));
    }
    if item.getattr(intern!(py, "device"))?.str()?.to_string_lossy() != "cpu" {
        return Ok(None);
    }
    // Both share the memory of the tensor.
    let detached = item.call_method0(intern!(py, "detach"))?;
    match detached.call_method0(intern!(py, "numpy")) {
        Ok(array) => Ok(levels_of_buffer(&array, full_scale)),
        Err(_) => Ok(None),
    }
}

/// Returns the levels of an object with the buffer protocol.
fn levels_of_buffer(item: &Bound<'_, PyAny>, full_scale: f64) -> Option<AudioLevels> {
    with_buffer(item, |bytes, format| levels(bytes, format, full_scale)).flatten()
}

/// Calls `use_bytes` without the GIL with the bytes and the format of an object's buffer.
pub(super) fn with_buffer<R: Send>(
    item: &Bound<'_, PyAny>,
    use_bytes: impl FnOnce(&[u8], &[u8]) -> R + Send,
) -> Option<R> {
    let functions = functions()?;
    let mut buffer = MaybeUninit::<Buffer>::zeroed();
    // SAFETY: a live object and room for a `Py_buffer`.
    if unsafe { (functions.get)(item.as_ptr(), buffer.as_mut_ptr(), CONTIGUOUS) } < 0 {
        drop(PyErr::take(item.py()));
        return None;
    }
    // SAFETY: `get` succeeded, so the buffer is filled.
    let mut buffer = unsafe { buffer.assume_init() };
    let format = if buffer.format.is_null() {
        b"B".to_vec()
    } else {
        // SAFETY: the exporter's format is a terminated text.
        unsafe { CStr::from_ptr(buffer.format) }.to_bytes().to_vec()
    };
    let length = usize::try_from(buffer.length).unwrap_or(0);
    let bytes: &[u8] = if length == 0 {
        &[]
    } else {
        // SAFETY: the exporter keeps `length` bytes without gaps in place until the release. Another thread may write
        // samples meanwhile, as during any use of the array without the GIL; each is a plain number.
        unsafe { std::slice::from_raw_parts(buffer.start.cast(), length) }
    };
    let result = item.py().detach(|| use_bytes(bytes, &format));
    // SAFETY: the buffer that `get` filled, once.
    unsafe { (functions.release)(&mut buffer) };
    Some(result)
}

/// Returns the levels of samples of a format of the module `struct`, in this machine's byte order.
fn levels(bytes: &[u8], format: &[u8], full_scale: f64) -> Option<AudioLevels> {
    let format = format
        .strip_prefix(b"<")
        .or(format.strip_prefix(b"="))
        .or(format.strip_prefix(b"@"))
        .unwrap_or(format);
    let scale = (1.0 / full_scale) as f32;
    Some(match format {
        b"f" => of::<4>(bytes, |sample| f32::from_le_bytes(sample) * scale),
        b"d" => of::<8>(bytes, |sample| (f64::from_le_bytes(sample) / full_scale) as f32),
        b"e" => of::<2>(bytes, |sample| half(u16::from_le_bytes(sample)) * scale),
        b"h" => pcm(bytes, 2),
        b"i" => pcm(bytes, 4),
        b"b" => of::<1>(bytes, |[sample]| f32::from(sample as i8) / 128.0),
        b"B" => pcm(bytes, 1),
        _ => return None,
    })
}

/// Returns the levels of PCM with so many bytes a sample; of one byte without a sign.
pub(super) fn pcm(bytes: &[u8], width: usize) -> AudioLevels {
    match width {
        1 => of::<1>(bytes, |[sample]| (f32::from(sample) - 128.0) / 128.0),
        2 => of::<2>(bytes, |sample| f32::from(i16::from_le_bytes(sample)) / 32_768.0),
        3 => of::<3>(bytes, |[a, b, c]| (i32::from_le_bytes([0, a, b, c]) as f32) / 2_147_483_648.0),
        4 => of::<4>(bytes, |sample| (i32::from_le_bytes(sample) as f32) / 2_147_483_648.0),
        _ => AudioLevels::default(),
    }
}

/// Returns the levels of PCM of 32-bit floats.
pub(super) fn pcm_floats(bytes: &[u8]) -> AudioLevels {
    of::<4>(bytes, f32::from_le_bytes)
}

fn of<const N: usize>(bytes: &[u8], share: impl Fn([u8; N]) -> f32 + Copy) -> AudioLevels {
    AudioLevels::measure(bytes.as_chunks::<N>().0, share)
}

/// Converts an IEEE 754 number of 16 bits.
fn half(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (u32::from(bits >> 15) << 31, u32::from(bits >> 10 & 0x1f), u32::from(bits & 0x3ff));
    match exponent {
        0 => f32::from_bits(sign | 0x3f80_0000) * fraction as f32 / 16_777_216.0,
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

fn functions() -> Option<&'static Functions> {
    static FUNCTIONS: OnceLock<Option<Functions>> = OnceLock::new();
    let find = || {
        // SAFETY: `dlsym` with terminated names only searches the loaded libraries.
        let [get, release] = [c"PyObject_GetBuffer", c"PyBuffer_Release"]
            .map(|name| unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) });
        if get.is_null() || release.is_null() {
            return None;
        }
        // SAFETY: these are the documented signatures of the two functions.
        unsafe {
            Some(Functions {
                get: std::mem::transmute::<
                    *mut c_void,
                    unsafe extern "C" fn(*mut ffi::PyObject, *mut Buffer, c_int) -> c_int,
                >(get),
                release: std::mem::transmute::<*mut c_void, unsafe extern "C" fn(*mut Buffer)>(release),
            })
        }
    };
    FUNCTIONS.get_or_init(find).as_ref()
}

/// Returns whether the highest and lowest sample of an array are below -60 dBFS; false outside of the CPU's memory.
pub(super) fn is_silent_array(item: &Bound<'_, PyAny>, full_scale: Option<f64>) -> PyResult<bool> {
    let py = item.py();
    if let Some(device) = item.getattr_opt(intern!(py, "device"))?
        && device.str()?.to_string_lossy() != "cpu"
    {
        return Ok(false);
    }
    let full_scale = match &*item.getattr(intern!(py, "dtype"))?.str()?.to_string_lossy() {
        kind if kind.ends_with("int8") => f64::from(1_u32 << 7),
        kind if kind.ends_with("int16") => f64::from(1_u32 << 15),
        kind if kind.ends_with("int32") => f64::from(1_u32 << 31),
        _ => full_scale.unwrap_or(1.0),
    };
    // PyTorch warns where a number is taken from a tensor that is being differentiated.
    let differentiated = item.getattr_opt(intern!(py, "requires_grad"))?.map(|grad| grad.is_truthy());
    let item = match differentiated.transpose()? {
        Some(true) => &item.call_method0(intern!(py, "detach"))?,
        _ => item,
    };
    let highest: f64 = item.call_method0(intern!(py, "max"))?.extract()?;
    let lowest: f64 = item.call_method0(intern!(py, "min"))?.extract()?;
    Ok(highest.max(-lowest) < full_scale * f64::from(soundpost::SILENCE_RATIO))
}
