//! safetensors files with one JSON header: what profiles and checkpoints are kept in.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use super::error::Problem;
use super::trust;

/// A tensor, read or to be written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor<'a> {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Values<'a>,
}

/// The values of a tensor, of the types that are used.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Values<'a> {
    F32(Cow<'a, [f32]>),
    U8(Cow<'a, [u8]>),
    U16(Cow<'a, [u16]>),
    U32(Cow<'a, [u32]>),
}

impl<'a> Tensor<'a> {
    /// Floats of this shape.
    pub(crate) fn floats(shape: &[usize], values: &'a [f32]) -> Self {
        Tensor {
            shape: shape.to_vec(),
            values: Values::F32(values.into()),
        }
    }

    /// A list of whole numbers.
    pub(crate) fn list(values: impl Into<Values<'a>>) -> Self {
        let values = values.into();
        Tensor {
            shape: vec![values.len()],
            values,
        }
    }

    /// Its shape and its floats.
    pub(crate) fn into_floats(self, name: &str) -> Result<(Vec<usize>, Vec<f32>), Problem> {
        match self.values {
            Values::F32(values) => Ok((self.shape, values.into_owned())),
            other => Err(other.wrong(name, Dtype::F32)),
        }
    }

    /// Its whole numbers, of a list.
    pub(crate) fn into_list<T: Whole>(self, name: &str) -> Result<Vec<T>, Problem> {
        if self.shape.len() != 1 {
            return Err(Problem::Shape(format!("{name:?} is no list")));
        }
        T::of(self.values, name)
    }
}

/// A type of whole numbers in a tensor.
pub(crate) trait Whole: Copy + 'static {
    /// The values, if they are of this type.
    fn of(values: Values<'_>, name: &str) -> Result<Vec<Self>, Problem>;
}

macro_rules! whole {
    ($type:ty, $kind:ident) => {
        impl<'a> From<&'a [$type]> for Values<'a> {
            fn from(values: &'a [$type]) -> Self {
                Values::$kind(values.into())
            }
        }

        impl From<Vec<$type>> for Values<'_> {
            fn from(values: Vec<$type>) -> Self {
                Values::$kind(values.into())
            }
        }

        impl Whole for $type {
            fn of(values: Values<'_>, name: &str) -> Result<Vec<Self>, Problem> {
                match values {
                    Values::$kind(values) => Ok(values.into_owned()),
                    other => Err(other.wrong(name, Dtype::$kind)),
                }
            }
        }
    };
}

whole!(u8, U8);
whole!(u16, U16);
whole!(u32, U32);

impl Values<'_> {
    fn len(&self) -> usize {
        match self {
            Values::F32(values) => values.len(),
            Values::U8(values) => values.len(),
            Values::U16(values) => values.len(),
            Values::U32(values) => values.len(),
        }
    }

    fn dtype(&self) -> Dtype {
        match self {
            Values::F32(_) => Dtype::F32,
            Values::U8(_) => Dtype::U8,
            Values::U16(_) => Dtype::U16,
            Values::U32(_) => Dtype::U32,
        }
    }

    fn little_endian(&self) -> Vec<u8> {
        match self {
            Values::F32(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Values::U8(values) => values.to_vec(),
            Values::U16(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
            Values::U32(values) => values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect(),
        }
    }

    fn wrong(&self, name: &str, wanted: Dtype) -> Problem {
        let dtype = self.dtype();
        Problem::Shape(format!("{name:?} is of type {dtype:?}, not of {wanted:?}"))
    }
}

/// Longest header that safetensors takes, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;

/// Reads a whole file, which as root must be one that root alone can write.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Problem> {
    let mut file = File::open(path).map_err(Problem::Read)?;
    if let Some(why) = trust::distrust(&file, path).map_err(Problem::Read)? {
        return Err(Problem::Untrusted(why));
    }
    let mut bytes = Vec::new();
    let taken = (&mut file).take(limit + 1).read_to_end(&mut bytes);
    if taken.map_err(Problem::Read)? as u64 > limit {
        let bytes = file.metadata().map_err(Problem::Read)?.len();
        return Err(Problem::TooLarge { bytes, limit });
    }
    Ok(bytes)
}

/// Whether a file begins as a profile does: the length of a JSON header, and its brace. What cannot be
/// read does not.
pub fn looks_like_profile(path: &Path) -> bool {
    // A fifo would wait for its writer, and give what is read here to nobody else.
    let is_file = path.metadata().is_ok_and(|metadata| metadata.is_file());
    let mut begin = [0; 9];
    let read = is_file.then(|| File::open(path).and_then(|mut file| file.read_exact(&mut begin)));
    let [length @ .., brace] = begin;
    matches!(read, Some(Ok(()))) && brace == b'{' && u64::from_le_bytes(length) <= LONGEST_HEADER
}

/// The header under this key, and the tensors by name; every float is finite.
pub(crate) fn unpack(
    bytes: &[u8],
    key: &str,
) -> Result<(String, BTreeMap<String, Tensor<'static>>), Problem> {
    if bytes.is_empty() {
        return Err(Problem::Truncated("it is empty".to_owned()));
    }
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| unreadable(&e, bytes))?;
    let pairs = metadata.metadata().as_ref();
    let json = pairs.and_then(|pairs| pairs.get(key)).ok_or_else(|| {
        Problem::NotAProfile("it is a safetensors file of another kind".to_owned())
    })?;
    let file = SafeTensors::deserialize(bytes).map_err(|e| unreadable(&e, bytes))?;
    let mut tensors = BTreeMap::new();
    for (name, view) in file.iter() {
        tensors.insert(name.to_owned(), read_tensor(name, &view)?);
    }
    Ok((json.clone(), tensors))
}

/// The bytes of a file with this header under this key.
pub(crate) fn pack<'a>(
    key: &str,
    json: String,
    tensors: impl Iterator<Item = (String, Tensor<'a>)>,
) -> Result<Vec<u8>, Problem> {
    let tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = tensors
        .map(|(name, tensor)| {
            let (dtype, bytes) = (tensor.values.dtype(), tensor.values.little_endian());
            (name, dtype, tensor.shape, bytes)
        })
        .collect();
    let refused = |error: SafeTensorError| Problem::Header(error.to_string());
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in &tensors {
        let view = TensorView::new(*dtype, shape.clone(), bytes).map_err(refused)?;
        views.push((name.as_str(), view));
    }
    let metadata = HashMap::from([(key.to_owned(), json)]);
    safetensors::serialize(views, Some(metadata)).map_err(refused)
}

/// Writes a file aside, syncs it to the disk and renames it into place, so that a fault leaves what was
/// there whole. Nobody but the owner may write it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    write_aside(path, bytes).map_err(Problem::Save)
}

fn write_aside(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::IsADirectory,
            "it is a folder, and a file is wanted",
        ));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut aside = tempfile::Builder::new()
        .prefix(".idiolect-")
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)?;
    aside.write_all(bytes)?;
    aside.as_file().sync_all()?;
    aside.persist(path).map_err(|error| error.error)?;
    File::open(folder)?.sync_all()
}

fn unreadable(error: &SafeTensorError, bytes: &[u8]) -> Problem {
    // The first eight bytes are the length of the header, which begins with a brace.
    let begins_like_one = bytes.get(8).is_none_or(|&byte| byte == b'{');
    match error {
        SafeTensorError::HeaderTooSmall
        | SafeTensorError::InvalidHeaderLength
        | SafeTensorError::MetadataIncompleteBuffer
            if begins_like_one =>
        {
            Problem::Truncated(format!("it ends after {} bytes", bytes.len()))
        }
        _ => Problem::NotAProfile(error.to_string()),
    }
}

fn read_tensor(name: &str, view: &TensorView<'_>) -> Result<Tensor<'static>, Problem> {
    let shape = view.shape().to_vec();
    let fours = || view.data().as_chunks::<4>().0.iter();
    let values = match view.dtype() {
        Dtype::F32 => {
            let values: Vec<f32> = fours().map(|&bytes| f32::from_le_bytes(bytes)).collect();
            if values.iter().any(|value| !value.is_finite()) {
                return Err(Problem::NotFinite(name.to_owned()));
            }
            Values::F32(values.into())
        }
        Dtype::U8 => view.data().to_vec().into(),
        Dtype::U16 => {
            let twos = view.data().as_chunks::<2>().0.iter();
            let values: Vec<u16> = twos.map(|&bytes| u16::from_le_bytes(bytes)).collect();
            values.into()
        }
        Dtype::U32 => {
            let values: Vec<u32> = fours().map(|&bytes| u32::from_le_bytes(bytes)).collect();
            values.into()
        }
        other => {
            return Err(Problem::Shape(format!(
                "{name:?} is of type {other:?}, which no tensor of a profile is"
            )));
        }
    };
    Ok(Tensor { shape, values })
}
