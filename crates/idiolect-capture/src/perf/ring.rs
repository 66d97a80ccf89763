//! The ring buffer that the kernel fills with records of an event (kernel: `include/uapi/linux/perf_event.h`,
//! `struct perf_event_mmap_page`).

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};

use super::attr::Event;

/// Offsets of the positions in the first page.
const DATA_HEAD: usize = 1024;
const DATA_TAIL: usize = 1032;

/// A mapped ring buffer.
#[derive(Debug)]
pub(super) struct Ring {
    base: ptr::NonNull<u8>,
    page: usize,
    /// A power of two.
    bytes: usize,
    /// A record that lies across the end of the buffer, in one piece.
    piece: Vec<u8>,
}

// SAFETY: The mapping is the ring's own, and stays valid until it is dropped, whatever thread uses it.
unsafe impl Send for Ring {}

impl Ring {
    /// Maps so many bytes, a power of two and at least a page.
    pub(super) fn map(event: &Event, bytes: usize) -> io::Result<Self> {
        let page = rustix::param::page_size();
        // SAFETY: A new mapping, where the kernel likes.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                page + bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                event.fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = ptr::NonNull::new(base.cast()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Ring {
            base,
            page,
            bytes,
            piece: Vec::new(),
        })
    }

    fn position(&self, offset: usize) -> &AtomicU64 {
        // SAFETY: The first page holds both positions, aligned, and the kernel changes them as one word.
        unsafe { self.base.add(offset).cast::<AtomicU64>().as_ref() }
    }

    /// Hands out all records: kind and content without the header.
    pub(super) fn drain(&mut self, each: &mut dyn FnMut(u32, &[u8])) {
        /// `struct perf_event_header`.
        const HEADER: usize = 8;
        let head = self.position(DATA_HEAD).load(Ordering::Acquire);
        let mut tail = self.position(DATA_TAIL).load(Ordering::Relaxed);
        while tail < head {
            let at = index(tail, self.bytes);
            // SAFETY: Records are aligned to 8 bytes, so that a header never lies across the end of the buffer; what
            // lies between tail and head is not written any more.
            let header = unsafe { self.base.add(self.page + at).cast::<[u8; HEADER]>().read() };
            let [k0, k1, k2, k3, _, _, s0, s1] = header;
            let kind = u32::from_ne_bytes([k0, k1, k2, k3]);
            let size = usize::from(u16::from_ne_bytes([s0, s1]));
            if size < HEADER || size > self.bytes {
                // The kernel writes no such record; there is no way on from one.
                tail = head;
                break;
            }
            let content = size - HEADER;
            let start = (at + HEADER) & (self.bytes - 1);
            if start + content <= self.bytes {
                // SAFETY: It lies inside the buffer, and is not written until we move the tail.
                let slice = unsafe {
                    std::slice::from_raw_parts(self.base.add(self.page + start).as_ptr(), content)
                };
                each(kind, slice);
            } else {
                let first = self.bytes - start;
                self.piece.clear();
                // SAFETY: As above, in two pieces: up to the buffer's end, and from its beginning.
                unsafe {
                    let data = self.base.add(self.page).as_ptr();
                    self.piece
                        .extend_from_slice(std::slice::from_raw_parts(data.add(start), first));
                    self.piece
                        .extend_from_slice(std::slice::from_raw_parts(data, content - first));
                }
                each(kind, &self.piece);
            }
            tail += u64::try_from(size).unwrap_or(0);
        }
        self.position(DATA_TAIL).store(tail, Ordering::Release);
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: It was mapped with this length, and nothing refers to it any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.page + self.bytes) };
    }
}

/// A position in the buffer, whose size is a power of two.
fn index(position: u64, bytes: usize) -> usize {
    let mask = u64::try_from(bytes - 1).unwrap_or(0);
    usize::try_from(position & mask).unwrap_or(0)
}
