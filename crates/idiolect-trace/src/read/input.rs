//! Bytes on their way in: looked at before they are read, and counted against bounds.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use crate::read::Limits;

/// The beginning of an input, and what then happened.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) bytes: Vec<u8>,
    /// Whether the input ended there.
    pub(crate) whole: bool,
    /// Why no more could be read, where that was an error.
    error: Option<io::Error>,
}

impl Head {
    /// Reads until `want` bytes are there or the input ends or fails.
    pub(crate) fn read(input: &mut dyn Read, want: usize) -> Self {
        let mut bytes = Vec::with_capacity(want);
        // Take stops at `want`; read_to_end goes on after an interruption, and keeps what it has read
        // where it fails.
        let error = input.take(want as u64).read_to_end(&mut bytes).err();
        Head {
            whole: error.is_none() && bytes.len() < want,
            bytes,
            error,
        }
    }

    /// The whole input again: what was read, the error if there was one, and the rest. A file that is
    /// cut short is so read as far as it goes.
    pub(crate) fn then<'a>(&'a mut self, rest: &'a mut dyn Read) -> impl Read + 'a {
        self.bytes
            .as_slice()
            .chain(Fail(self.error.take()))
            .chain(rest)
    }
}

/// Fails once, if there is an error.
struct Fail(Option<io::Error>);

impl Read for Fail {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Bytes that an archive may unpack to before [`Limits::unpack_ratio`] counts: short files of one
/// repeated call pack very well and harm nobody.
const FREE_BYTES: u64 = 64 << 20;

/// What one archive has taken in and given out.
#[derive(Clone, Debug)]
pub(crate) struct Meter {
    inner: Rc<Counts>,
}

#[derive(Debug)]
struct Counts {
    packed: Cell<u64>,
    unpacked: Cell<u64>,
    limits: Limits,
}

impl Meter {
    pub(crate) fn new(limits: Limits) -> Self {
        Meter {
            inner: Rc::new(Counts {
                packed: Cell::new(0),
                unpacked: Cell::new(0),
                limits,
            }),
        }
    }

    /// Counts what is read of the packed form.
    pub(crate) fn packed<R: Read>(&self, inner: R) -> Packed<R> {
        Packed {
            inner,
            meter: self.clone(),
        }
    }

    /// Counts what is unpacked, and fails once it is over a bound.
    pub(crate) fn unpacked<R: Read>(&self, inner: R) -> Unpacked<R> {
        Unpacked {
            inner,
            meter: self.clone(),
        }
    }

    /// Bytes unpacked so far.
    pub(crate) fn unpacked_bytes(&self) -> u64 {
        self.inner.unpacked.get()
    }

    /// Counts bytes of the packed form that are read out of this meter's sight.
    pub(crate) fn add_packed(&self, bytes: u64) {
        let packed = &self.inner.packed;
        packed.set(packed.get().saturating_add(bytes));
    }

    fn add_unpacked(&self, bytes: u64) -> io::Result<()> {
        let counts = &self.inner;
        let unpacked = counts.unpacked.get().saturating_add(bytes);
        counts.unpacked.set(unpacked);
        let limits = &counts.limits;
        if unpacked > limits.unpacked_bytes {
            return Err(io::Error::other(UnpackBound {
                what: "it unpacks to too many bytes",
                bound: limits.unpacked_bytes,
            }));
        }
        let ratio_bytes = counts.packed.get().saturating_mul(limits.unpack_ratio);
        if unpacked > FREE_BYTES && unpacked > ratio_bytes {
            return Err(io::Error::other(UnpackBound {
                what: "it unpacks to too many times its packed size",
                bound: limits.unpack_ratio,
            }));
        }
        Ok(())
    }
}

/// An archive unpacks to more than [`Limits`] allow; travels inside an [`io::Error`].
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("{what} (the bound is {bound})")]
pub(crate) struct UnpackBound {
    pub(crate) what: &'static str,
    pub(crate) bound: u64,
}

/// See [`Meter::packed`].
pub(crate) struct Packed<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Packed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.meter.add_packed(n as u64);
        Ok(n)
    }
}

/// See [`Meter::unpacked`].
pub(crate) struct Unpacked<R> {
    inner: R,
    meter: Meter,
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.meter.add_unpacked(n as u64)?;
        Ok(n)
    }
}

/// Counts what passes.
pub(crate) struct Counted<R> {
    pub(crate) inner: R,
    pub(crate) bytes: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.bytes += n as u64;
        Ok(n)
    }
}

/// Exactly so many bytes: an input that ends sooner is an error, not an end.
pub(crate) struct Exactly<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Exactly<R> {
    pub(crate) fn new(inner: R, bytes: u64) -> Self {
        Exactly { inner, left: bytes }
    }

    /// Passes over what was not read.
    pub(crate) fn skip_rest(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink()).map(drop)
    }
}

impl<R: Read> Read for Exactly<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let want = buf
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let n = self.inner.read(&mut buf[..want])?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= n as u64;
        Ok(n)
    }
}
