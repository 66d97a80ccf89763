//! safetensors files of 32-bit floats with one JSON header: what profiles and checkpoints are kept in.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors, TensorView};

use super::error::Problem;
use super::trust;

/// Shape and values of a tensor.
pub(crate) type Tensor = (Vec<usize>, Vec<f32>);

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

/// The header under this key, and the tensors by name; every number is finite.
pub(crate) fn unpack(
    bytes: &[u8],
    key: &str,
) -> Result<(String, BTreeMap<String, Tensor>), Problem> {
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
        tensors.insert(name.to_owned(), floats(name, &view)?);
    }
    Ok((json.clone(), tensors))
}

/// The bytes of a file with this header under this key.
pub(crate) fn pack<'a>(
    key: &str,
    json: String,
    tensors: impl Iterator<Item = (String, &'a [usize], &'a [f32])>,
) -> Result<Vec<u8>, Problem> {
    let little_endian = |values: &[f32]| -> Vec<u8> {
        values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    };
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .map(|(name, shape, values)| (name, shape.to_vec(), little_endian(values)))
        .collect();
    let refused = |error: SafeTensorError| Problem::Header(error.to_string());
    let mut views = Vec::new();
    for (name, shape, bytes) in &tensors {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(refused)?;
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

fn floats(name: &str, view: &TensorView<'_>) -> Result<Tensor, Problem> {
    if view.dtype() != Dtype::F32 {
        return Err(Problem::Shape(format!(
            "{name:?} is of type {:?}, not of 32-bit floats",
            view.dtype()
        )));
    }
    let (values, _) = view.data().as_chunks::<4>();
    let values: Vec<f32> = values
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect();
    if values.iter().any(|value| !value.is_finite()) {
        return Err(Problem::NotFinite(name.to_owned()));
    }
    Ok((view.shape().to_vec(), values))
}
