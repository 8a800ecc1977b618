//! Buffers of one worker. A connection has one only while bytes are in it.

use std::cell::Cell;
use std::rc::Rc;

use crate::io::free_list::FreeList;

/// What the head of a request fits in, and a small body. As many wait as requests are under way: no
/// multiple of a page, so that their beginnings do not all compete for the same place in the cache.
const HEAD: usize = (4 << 10) + (1 << 8);

/// What a response's head and the beginning of most bodies fit in.
const SMALL: usize = 16 << 10;

/// What long bodies are copied through where they cannot be spliced.
const LARGE: usize = 256 << 10;

/// Memory that the allocator has to get from its store of pages; nobody writes to it.
const PAGES: usize = 8 << 20;

/// Buffers kept for the next taker, of each size; more are given back to the allocator.
const KEPT_HEADS: usize = 512;
const KEPT_SMALL: usize = 64;
const KEPT_LARGE: usize = 16;

/// The buffers of one worker, the last returned first out: it is still in the cache.
#[derive(Debug)]
pub(crate) struct Buffers {
    heads: FreeList<Box<[u8]>>,
    small: FreeList<Box<[u8]>>,
    large: FreeList<Box<[u8]>>,
    /// What is left of the memory that grown buffers may take together.
    growth_left: Cell<usize>,
}

/// The memory for large heads is used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Buffers {
    /// An empty store. `growth`: bytes that all buffers which [`grow`](Buffer::grow) may take
    /// together.
    #[must_use]
    pub(crate) fn new(growth: usize) -> Rc<Self> {
        Rc::new(Self {
            heads: FreeList::new(KEPT_HEADS),
            small: FreeList::new(KEPT_SMALL),
            large: FreeList::new(KEPT_LARGE),
            growth_left: Cell::new(growth),
        })
    }

    /// Frees what has been of no use lately, and has the allocator return freed memory to the system.
    /// It does so when it is asked for pages and not by itself, and a worker whose buffers are all
    /// there never asks.
    pub(crate) fn sweep(&self) {
        self.heads.sweep();
        self.small.sweep();
        self.large.sweep();
        drop(std::hint::black_box(Vec::<u8>::with_capacity(PAGES)));
    }

    /// An empty buffer of 4 KiB and a bit.
    #[inline]
    #[must_use]
    pub(crate) fn head(self: &Rc<Self>) -> Buffer {
        self.take(&self.heads, HEAD)
    }

    /// An empty buffer of 16 KiB.
    #[inline]
    #[must_use]
    pub(crate) fn small(self: &Rc<Self>) -> Buffer {
        self.take(&self.small, SMALL)
    }

    /// An empty buffer of 256 KiB.
    #[must_use]
    pub(crate) fn large(self: &Rc<Self>) -> Buffer {
        self.take(&self.large, LARGE)
    }

    /// A buffer with these bytes in it, and room for more.
    #[must_use]
    pub(crate) fn holding(self: &Rc<Self>, bytes: &[u8]) -> Buffer {
        let mut buffer = if bytes.len() < SMALL {
            self.small()
        } else {
            Buffer::new(vec![0; bytes.len() + SMALL].into(), Rc::clone(self))
        };
        buffer.bytes[..bytes.len()].copy_from_slice(bytes);
        buffer.fill_to(bytes.len());
        buffer
    }

    #[inline]
    fn take(self: &Rc<Self>, free: &FreeList<Box<[u8]>>, size: usize) -> Buffer {
        let bytes = free.take();
        Buffer::new(
            bytes.unwrap_or_else(|| vec![0; size].into()),
            Rc::clone(self),
        )
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        match bytes.len() {
            HEAD => self.heads.keep(bytes),
            SMALL => self.small.keep(bytes),
            LARGE => self.large.keep(bytes),
            _ => {}
        }
    }
}

/// Bytes that were read and not yet used up. Goes back to its worker when dropped.
#[derive(Debug)]
pub(crate) struct Buffer {
    bytes: Box<[u8]>,
    /// How many bytes were read: 32 bits, as every idle connection has room for a buffer.
    filled: u32,
    /// Whether its bytes are of the memory for grown buffers.
    grown: bool,
    home: Rc<Buffers>,
}

impl Buffer {
    const fn new(bytes: Box<[u8]>, home: Rc<Buffers>) -> Self {
        Self {
            bytes,
            filled: 0,
            grown: false,
            home,
        }
    }

    /// The bytes that were read.
    #[inline]
    #[must_use]
    pub(crate) fn filled(&self) -> &[u8] {
        &self.bytes[..self.filled as usize]
    }

    /// Room for more bytes, to be followed by [`add`](Self::add).
    #[inline]
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled as usize..]
    }

    /// Takes note of `count` bytes written into [`room`](Self::room).
    #[inline]
    pub(crate) fn add(&mut self, count: usize) {
        self.fill_to((self.filled as usize + count).min(self.bytes.len()));
    }

    /// Whether there is no room.
    #[must_use]
    pub(crate) fn is_full(&self) -> bool {
        self.filled as usize == self.bytes.len()
    }

    /// How many bytes it can hold.
    #[must_use]
    pub(crate) fn capacity(&self) -> usize {
        self.bytes.len()
    }

    /// Forgets the first `count` bytes and moves the rest to the front.
    pub(crate) fn consume(&mut self, count: usize) {
        let filled = self.filled as usize;
        self.bytes.copy_within(count.min(filled)..filled, 0);
        self.fill_to(filled.saturating_sub(count));
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.filled = 0;
    }

    /// Moves the bytes of `from` down to `to`, which must not be above.
    pub(crate) fn move_down(&mut self, from: std::ops::Range<usize>, to: usize) {
        self.bytes.copy_within(from, to);
    }

    /// Makes room for a head larger than usual: twice the room, and at last `most` bytes.
    ///
    /// # Errors
    /// The memory for such buffers is used up.
    pub(crate) fn grow(&mut self, most: usize) -> Result<(), NoRoom> {
        if most <= self.bytes.len() {
            return Ok(());
        }
        let size = match self.bytes.len() {
            ..SMALL => SMALL,
            length => (2 * length).min(most),
        };
        let left = self.home.growth_left.get() + self.growth();
        let left = left.checked_sub(size).ok_or(NoRoom)?;
        let mut larger = Self::new(vec![0; size].into(), Rc::clone(&self.home));
        larger.bytes[..self.filled as usize].copy_from_slice(self.filled());
        larger.filled = self.filled;
        larger.grown = true;
        self.grown = false;
        self.home.growth_left.set(left);
        *self = larger;
        Ok(())
    }

    /// Gives back the room that a grown buffer does not need: what it holds may be needed for long,
    /// and nothing is about to be added.
    pub(crate) fn settle(&mut self) {
        if self.grown {
            let left = &self.home.growth_left;
            left.set(left.get() + self.bytes.len() - self.filled as usize);
            self.bytes = self.filled().into();
        }
    }

    /// Appends bytes that are known to fit; says whether they did.
    #[must_use]
    pub(crate) fn append(&mut self, more: &[u8]) -> bool {
        let Some(room) = self.room().get_mut(..more.len()) else {
            return false;
        };
        room.copy_from_slice(more);
        self.add(more.len());
        true
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "buffers are bounded far below 4 GiB"
    )]
    const fn fill_to(&mut self, count: usize) {
        self.filled = count as u32;
    }

    /// What it has of the memory for grown buffers.
    const fn growth(&self) -> usize {
        if self.grown { self.bytes.len() } else { 0 }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if self.grown {
            // Freed, not kept: a few that were kept of a crowd would hold on to the memory around them.
            let left = &self.home.growth_left;
            left.set(left.get() + self.bytes.len());
        } else {
            self.home.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_buffer_back_is_the_next_out() {
        let buffers = Buffers::new(0);
        let (mut first, second) = (buffers.small(), buffers.small());
        first.room()[0] = 7;
        drop(second);
        drop(first);
        assert_eq!(buffers.small().room()[0], 7);
        assert_eq!(buffers.small.len(), 2);
    }

    #[test]
    fn a_grown_buffer_keeps_its_bytes_and_its_old_memory_goes_back() {
        let buffers = Buffers::new(1 << 20);
        let mut buffer = buffers.small();
        assert!(buffer.append(b"abc"));
        buffer.grow(100_000).unwrap();
        assert_eq!(
            (buffer.filled(), buffer.capacity()),
            (b"abc".as_slice(), 2 * SMALL)
        );
        assert_eq!(buffers.small.len(), 1);
        buffer.consume(2);
        assert_eq!(buffer.filled(), b"c");
    }

    #[test]
    fn a_head_grows_size_by_size() {
        let buffers = Buffers::new(usize::MAX);
        let mut buffer = buffers.head();
        for expected in [SMALL, 2 * SMALL, 4 * SMALL, 80_000, 80_000] {
            buffer.grow(80_000).unwrap();
            assert_eq!(buffer.capacity(), expected);
        }
    }

    #[test]
    fn all_that_grow_share_one_budget() {
        let buffers = Buffers::new(5 * SMALL);
        let (mut one, mut two) = (buffers.head(), buffers.head());
        one.grow(4 * SMALL).unwrap();
        one.grow(4 * SMALL).unwrap();
        two.grow(4 * SMALL).unwrap();
        two.grow(4 * SMALL).unwrap();
        assert_eq!(two.grow(4 * SMALL), Err(NoRoom));
        assert_eq!(
            (two.capacity(), buffers.growth_left.get()),
            (2 * SMALL, SMALL)
        );
        drop(one);
        two.grow(4 * SMALL).unwrap();
        assert!(two.append(b"abc"));
        two.settle();
        assert_eq!((two.filled(), two.capacity()), (b"abc".as_slice(), 3));
        assert_eq!(buffers.growth_left.get(), 5 * SMALL - 3);
        drop(two);
        assert_eq!(buffers.growth_left.get(), 5 * SMALL);
    }

    #[test]
    fn what_is_held_fits_however_much_it_is() {
        let buffers = Buffers::new(0);
        for length in [0, 5, SMALL - 1, SMALL, LARGE - 1, LARGE, 3 * LARGE] {
            let bytes = vec![7; length];
            let buffer = buffers.holding(&bytes);
            assert_eq!(buffer.filled(), bytes);
            assert!(!buffer.is_full());
        }
    }

    #[test]
    fn no_more_are_kept_than_said() {
        let buffers = Buffers::new(0);
        let taken: Vec<_> = (0..KEPT_LARGE + 5).map(|_| buffers.large()).collect();
        drop(taken);
        assert_eq!(buffers.large.len(), KEPT_LARGE);
    }
}
