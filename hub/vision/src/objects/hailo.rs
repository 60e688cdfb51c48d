//! A model that was compiled for an accelerator of Hailo's is run by HailoRT, whose library the board names.
//!
//! By HailoRT's interface for C (`hailo/hailort.h`), which was compared in its versions 4.18 to 4.23 (5 has the same functions, and does not
//! serve them). As little of it as there can be:
//! what it fills in for itself is room that nobody here looks into, since those structures differ between versions.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;

use super::description::{self, Colors, Description};
use super::onnx::shortened;
use super::{Detector, MAX_SIDE, Rgb, Seen, Size};
use super::{heads, library};

/// How such a file begins (`hef_internal.hpp`).
const BEGINS: &[u8] = b"\x01HEF";
/// Its networks at most (`HAILO_MAX_NETWORK_GROUPS`); those that detect are one.
const MAX_NETWORKS: usize = 8;
/// Of `hailo_format_type_t`.
const BYTES: c_int = 1;
const FLOATS: c_int = 3;
/// Of `hailo_format_order_t`: rows of pixels; and boxes label by label, by its name until 4.20 and since.
const PIXELS: u32 = 1;
const BOXES: [u32; 2] = [9, 22];
/// Numbers of a box: top, left, bottom, right in parts of the picture, and how certain (`hailo_bbox_float32_t`).
const BOX: usize = 5;
/// Numbers that come out at most: as many as there are of a thousand labels with a thousand boxes each.
const MAX_OUTPUT: usize = 1_000 * (1 + 1_000 * BOX);

/// Whether a file is such a model.
pub(crate) fn is_hef(model: &[u8]) -> bool {
    model.starts_with(BEGINS)
}

/// A model on its accelerator. It stays there until this process ends.
pub(crate) struct Hailo {
    library: HailoRt,
    input: Handle,
    output: Handle,
    /// Nothing says that the library has a copy of it.
    _hef: Vec<u8>,
    size: Size,
    colors: Colors,
    labels: Vec<String>,
    most: usize,
    least_score: f32,
    numbers: Vec<f32>,
}

/// Whatever a handle is of.
type Handle = *mut c_void;
/// 0: well.
type Status = c_int;
/// Room for what the library fills in of one stream. Larger than any version's: of parameters 156 bytes, of what is known of it 436.
type Room = [u64; 512];

/// What of the library is called.
struct HailoRt {
    create_vdevice: unsafe extern "C" fn(*mut c_void, *mut Handle) -> Status,
    create_hef: unsafe extern "C" fn(*mut Handle, *const c_void, usize) -> Status,
    configure: unsafe extern "C" fn(Handle, Handle, *mut c_void, *mut Handle, *mut usize) -> Status,
    input_params: unsafe extern "C" fn(Handle, bool, c_int, *mut Room, *mut usize) -> Status,
    output_params: unsafe extern "C" fn(Handle, bool, c_int, *mut Room, *mut usize) -> Status,
    create_inputs: unsafe extern "C" fn(Handle, *const Room, usize, *mut Handle) -> Status,
    create_outputs: unsafe extern "C" fn(Handle, *const Room, usize, *mut Handle) -> Status,
    input_info: unsafe extern "C" fn(Handle, *mut Room) -> Status,
    output_info: unsafe extern "C" fn(Handle, *mut Room) -> Status,
    input_bytes: unsafe extern "C" fn(Handle, *mut usize) -> Status,
    output_bytes: unsafe extern "C" fn(Handle, *mut usize) -> Status,
    write: unsafe extern "C" fn(Handle, *const c_void, usize) -> Status,
    read: unsafe extern "C" fn(Handle, *mut c_void, usize) -> Status,
    message: unsafe extern "C" fn(Status) -> *const c_char,
}

impl HailoRt {
    fn open(path: &Path) -> Result<Self, String> {
        let library = library::open(path)?;
        macro_rules! function {
            // SAFETY: in all versions that were compared, the functions of these names have these types.
            ($name:literal) => {
                *unsafe { library.get(concat!("hailo_", $name, "\0").as_bytes()) }.map_err(library::closed)?
            };
        }
        let all = Self {
            create_vdevice: function!("create_vdevice"),
            create_hef: function!("create_hef_buffer"),
            configure: function!("configure_vdevice"),
            input_params: function!("make_input_vstream_params"),
            output_params: function!("make_output_vstream_params"),
            create_inputs: function!("create_input_vstreams"),
            create_outputs: function!("create_output_vstreams"),
            input_info: function!("get_input_vstream_info"),
            output_info: function!("get_output_vstream_info"),
            input_bytes: function!("get_input_vstream_frame_size"),
            output_bytes: function!("get_output_vstream_frame_size"),
            write: function!("vstream_write_raw_buffer"),
            read: function!("vstream_read_raw_buffer"),
            message: function!("get_status_message"),
        };
        // Its functions, and threads of its own, last as long as this process.
        std::mem::forget(library);
        Ok(all)
    }

    /// # Errors
    /// It did not do what was asked: `what`, and its own words.
    fn check(&self, what: &str, status: Status) -> Result<(), String> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: it gives a text that lasts, or none for a number that it does not know.
        let text = unsafe {
            let text = (self.message)(status);
            if text.is_null() { None } else { Some(CStr::from_ptr(text).to_string_lossy().into_owned()) }
        };
        Err(format!("{what}: HailoRT says {status} {}", shortened(&text.unwrap_or_default())))
    }
}

/// `hailo_vstream_info_t` as far as it is the same in all versions, by its places: what its numbers are ordered by, and its shape.
fn order_and_shape(info: &Room) -> (u32, [u32; 3]) {
    let number = |at: usize| (info[at / 8] >> (at % 8 * 8)) as u32;
    (number(396), [404, 408, 412].map(number))
}

impl Hailo {
    /// Opens the library, and has an accelerator get ready for the model. After this process was locked in: the library starts a
    /// thread when it is opened.
    ///
    /// # Errors
    /// It cannot: why, for a person.
    pub fn start(library: &Path, hef: Vec<u8>, description: &str) -> Result<Self, String> {
        let description = Description::read(description)?;
        if let Some(word) = description.only_of_onnx() {
            return Err(format!(
                "Its description: {word} is not of a model that was compiled for Hailo's accelerators"
            ));
        }
        let all = HailoRt::open(library)?;
        let (mut device, mut file) = (ptr::null_mut(), ptr::null_mut());
        let (mut networks, mut count) = ([ptr::null_mut(); MAX_NETWORKS], MAX_NETWORKS);
        // SAFETY, of all below: as its header has it; what is pointed at lasts until the call is over, and the file as long as the model.
        let made = unsafe { (all.create_vdevice)(ptr::null_mut(), &raw mut device) };
        all.check("There is no accelerator that can be used", made)?;
        let read = unsafe { (all.create_hef)(&raw mut file, hef.as_ptr().cast(), hef.len()) };
        all.check("It is no HEF file, or a damaged one", read)?;
        let nets = networks.as_mut_ptr();
        let configured = unsafe { (all.configure)(device, file, ptr::null_mut(), nets, &raw mut count) };
        all.check("It cannot be started", configured)?;
        if count != 1 {
            return Err(format!("It has {count} networks; a model of one is expected"));
        }

        let [mut of_input, mut of_output]: [Box<Room>; 2] = [(); 2].map(|()| Box::new([0; 512]));
        let (mut inputs, mut outputs) = (1, 1);
        let made = unsafe { (all.input_params)(networks[0], false, BYTES, &raw mut *of_input, &raw mut inputs) };
        all.check("It does not have one picture as its input", made)?;
        let made = unsafe { (all.output_params)(networks[0], false, FLOATS, &raw mut *of_output, &raw mut outputs) };
        all.check("It does not have one output: compile it with non-maximum suppression", made)?;
        if (inputs, outputs) != (1, 1) {
            return Err(format!("It has {inputs} inputs and {outputs} outputs; one of each is expected"));
        }
        let (mut input, mut output) = (ptr::null_mut(), ptr::null_mut());
        let made = unsafe { (all.create_inputs)(networks[0], &raw const *of_input, 1, &raw mut input) };
        all.check("It cannot be started", made)?;
        let made = unsafe { (all.create_outputs)(networks[0], &raw const *of_output, 1, &raw mut output) };
        all.check("It cannot be started", made)?;

        all.check("It cannot be read", unsafe { (all.input_info)(input, &raw mut *of_input) })?;
        all.check("It cannot be read", unsafe { (all.output_info)(output, &raw mut *of_output) })?;
        let (mut input_bytes, mut output_bytes) = (0, 0);
        all.check("It cannot be read", unsafe { (all.input_bytes)(input, &raw mut input_bytes) })?;
        all.check("It cannot be read", unsafe { (all.output_bytes)(output, &raw mut output_bytes) })?;

        let size = picture_of(order_and_shape(&of_input), input_bytes)?;
        let (count, most) = boxes_of(order_and_shape(&of_output), output_bytes)?;
        let least_score = description.least_score();
        let labels = description::fitting(description::in_small_letters(description.labels)?, Some(count))?;
        let numbers = vec![0.0; output_bytes / size_of::<f32>()];
        let colors = description.colors;
        Ok(Self { library: all, input, output, _hef: hef, size, colors, labels, most, least_score, numbers })
    }
}

/// The picture that goes in, in bytes of three colours.
fn picture_of((order, [height, width, colors]): (u32, [u32; 3]), bytes: usize) -> Result<Size, String> {
    let side = |side: u32| u16::try_from(side).ok().filter(|side| (32..=MAX_SIDE).contains(side));
    let (true, 3, Some(width), Some(height)) = (order == PIXELS, colors, side(width), side(height)) else {
        return Err(format!(
            "Its picture is {height}×{width}×{colors} in order {order}; height, width and three colours side by side are expected, 32 to {MAX_SIDE} pixels a side"
        ));
    };
    let size = Size { width, height };
    match bytes == size.bytes() {
        true => Ok(size),
        false => Err(format!("Its picture has {bytes} bytes, and {} are expected", size.bytes())),
    }
}

/// How many labels what comes out is of, and how many boxes of each at most.
fn boxes_of((order, [labels, most, _]): (u32, [u32; 3]), bytes: usize) -> Result<(usize, usize), String> {
    if !BOXES.contains(&order) {
        return Err("No boxes come out of it: compile it with non-maximum suppression".into());
    }
    let (labels, most) = (labels as usize, most as usize);
    let numbers = most.checked_mul(BOX).and_then(|of_label| labels.checked_mul(of_label + 1));
    match numbers {
        Some(numbers) if numbers <= MAX_OUTPUT && numbers * size_of::<f32>() == bytes => Ok((labels, most)),
        _ => {
            Err(format!("{bytes} bytes come out of it, which is not what {labels} labels with {most} boxes each take"))
        }
    }
}

/// Boxes label by label: how many, then those. `None`: the numbers are none of these.
fn read(mut numbers: &[f32], labels: usize, most: usize, least_score: f32) -> Option<Vec<Seen>> {
    let mut found = Vec::new();
    for label in 0..labels {
        let (count, rest) = numbers.split_first()?;
        if !(0.0..=most as f32).contains(count) {
            return None;
        }
        let (boxes, rest) = rest.split_at_checked(*count as usize * BOX)?;
        let boxes = boxes.as_chunks::<BOX>().0.iter();
        found.extend(boxes.filter_map(|[top, left, bottom, right, score]| {
            heads::seen(label, *score, heads::between([*left, *top, *right, *bottom]), least_score)
        }));
        numbers = rest;
    }
    Some(heads::apart(found))
}

impl Detector for Hailo {
    fn size(&self) -> Size {
        self.size
    }

    fn labels(&self) -> &[String] {
        &self.labels
    }

    fn detect(&mut self, picture: &Rgb) -> Result<Vec<Seen>, String> {
        if picture.size != self.size || picture.pixels.len() != self.size.bytes() {
            return Err("the picture has another size".into());
        }
        let swapped =
            || picture.pixels.as_chunks::<3>().0.iter().flat_map(|[r, g, b]| [*b, *g, *r]).collect::<Vec<_>>();
        let swapped = (self.colors == Colors::Bgr).then(swapped);
        let pixels = swapped.as_ref().unwrap_or(&picture.pixels);
        // SAFETY: as above; the library writes as many bytes as it said, which `numbers` has.
        let written = unsafe { (self.library.write)(self.input, pixels.as_ptr().cast(), pixels.len()) };
        self.library.check("It fails", written)?;
        let (numbers, bytes) = (self.numbers.as_mut_ptr(), size_of_val(&self.numbers[..]));
        self.library.check("It fails", unsafe { (self.library.read)(self.output, numbers.cast(), bytes) })?;
        let seen = read(&self.numbers, self.labels.len(), self.most, self.least_score);
        seen.ok_or_else(|| "Other numbers come out of it than it says".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_in_and_comes_out_is_known_from_what_the_library_says() {
        let mut info: Room = [0; 512];
        // At 396: order 22; at 404: 80, 100, 7.
        info[49] = 22 << 32;
        info[50] = 80 << 32;
        info[51] = 100 | 7 << 32;
        assert_eq!(order_and_shape(&info), (22, [80, 100, 7]));

        assert_eq!(picture_of((1, [384, 640, 3]), 384 * 640 * 3), Ok(Size { width: 640, height: 384 }));
        for (order, shape, bytes) in [
            (11, [640, 640, 3], 640 * 640 * 3),
            (1, [640, 640, 1], 640 * 640),
            (1, [4_000, 640, 3], 4_000 * 640 * 3),
            (1, [640, 640, 3], 640 * 640 * 12),
        ] {
            assert!(picture_of((order, shape), bytes).is_err(), "{order} {shape:?}");
        }
        for order in BOXES {
            assert_eq!(boxes_of((order, [80, 100, 0]), 80 * 501 * 4), Ok((80, 100)));
        }
        for (order, shape, bytes) in
            [(1, [80, 100, 0], 80 * 501 * 4), (22, [80, 100, 0], 4), (22, [u32::MAX; 3], 4), (9, [0x4000_0000; 3], 0)]
        {
            assert!(boxes_of((order, shape), bytes).is_err(), "{order} {shape:?}");
        }
    }

    #[test]
    fn boxes_are_read_label_by_label() {
        let numbers = [
            [2.0, 0.1, 0.2, 0.5, 0.4, 0.9].as_slice(), // one of the first label
            &[0.0, 0.0, 1.0, 1.0, 0.1],                // not certain enough
            &[0.0],                                    // none of the second
            &[1.0, 0.5, 0.5, 2.0, 2.0, 0.6],           // beyond the picture
            &[7.0; 9],                                 // what was there before
        ];
        let seen = read(&numbers.concat(), 3, 2, 0.4).unwrap();
        let told: Vec<_> = seen.iter().map(|s| (s.label, s.bounds.left, s.bounds.top)).collect();
        assert_eq!(told, [(0, 0.2, 0.1), (2, 0.5, 0.5)]);
        assert!((seen[0].bounds.width - 0.2).abs() < 1e-6 && (seen[1].bounds.height - 0.5).abs() < 1e-6);
        for none in [&[3.0, 0.0][..], &[-1.0], &[f32::NAN], &[f32::INFINITY], &[1.0, 0.0], &[]] {
            assert_eq!(read(none, 1, 2, 0.4), None, "{none:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_numbers_are_read_without_a_panic(numbers: Vec<f32>, labels in 0..20usize, most in 0..20usize) {
            let seen = read(&numbers, labels, most, 0.1).unwrap_or_default();
            proptest::prop_assert!(seen.iter().all(|s| s.label < labels && s.bounds.left + s.bounds.width <= 1.001));
        }
    }
}
