//! The machine itself. Entry, comparison with the claim and halt are those of the C examples (examples/start.S).

use core::alloc::{GlobalAlloc, Layout};
use core::arch::{asm, global_asm};
use core::cell::Cell;
use core::panic::PanicInfo;
use core::slice;

use crate::{Answer, RESULT_BYTES};

global_asm!(include_str!("../../start.S"));

const STATEMENT: *const u8 = 0xFFFF_D000 as *const u8;
const STATEMENT_BYTES: usize = 4096;
const SLOT_0: usize = 0xC000_0000;
const SLOT_BYTES: usize = 1 << 26;
const HEAP_END: usize = 0x7000_0000;
const PANICKED: u32 = 101;

extern "C" {
    static mut result: [u8; RESULT_BYTES];
    static heap: u8; // first free byte behind the program
}

/// The statement page.
pub fn statement() -> &'static [u8] {
    // SAFETY: the page is always there and nobody can write it.
    unsafe { slice::from_raw_parts(STATEMENT, STATEMENT_BYTES) }
}

/// Brings the blob with this root into a slot (0 to 14) and gives its first `length` bytes.
pub fn map(slot: usize, root: &[u8; 32], length: usize) -> &'static [u8] {
    let words: [u32; 8] = core::array::from_fn(|k| u32::from_le_bytes(root[4 * k..4 * k + 4].try_into().unwrap()));
    // SAFETY: SYSCALL 2 changes only what the slot shows; mapping a slot again would change what a slice shows.
    unsafe {
        asm!("syscall 2", in("$4") slot, in("$8") words[0], in("$9") words[1], in("$10") words[2], in("$11") words[3],
             in("$12") words[4], in("$13") words[5], in("$14") words[6], in("$15") words[7]);
        slice::from_raw_parts((SLOT_0 + slot * SLOT_BYTES) as *const u8, length.min(SLOT_BYTES))
    }
}

/// Leaves the result where start.S compares it with the claim.
pub fn decide(program: fn() -> Answer) -> i32 {
    match program() {
        Ok(found) => {
            // SAFETY: there is one thread.
            unsafe { result = found };
            0
        }
        Err(code) => i32::from(code),
    }
}

/// Memory is given out upwards and never taken back, but for the block given out last.
struct Bump(Cell<usize>);

// SAFETY: there is one thread.
unsafe impl Sync for Bump {}

// SAFETY: each block lies behind all that were given out before.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let free = if self.0.get() == 0 {
            &raw const heap as usize
        } else {
            self.0.get()
        };
        let start = (free + layout.align() - 1) & !(layout.align() - 1);
        if layout.size() > HEAP_END - start {
            return core::ptr::null_mut();
        }
        self.0.set(start + layout.size());
        start as *mut u8
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if block as usize + layout.size() == self.0.get() {
            self.0.set(block as usize);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if block as usize + layout.size() == self.0.get() && size <= HEAP_END - block as usize {
            self.0.set(block as usize + size);
            return block;
        }
        let moved = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
        if !moved.is_null() {
            core::ptr::copy_nonoverlapping(block, moved, size.min(layout.size()));
        }
        moved
    }
}

#[global_allocator]
static MEMORY: Bump = Bump(Cell::new(0));

#[panic_handler]
fn end(_: &PanicInfo) -> ! {
    // SAFETY: SYSCALL 1 halts.
    unsafe { asm!("syscall 1", in("$4") PANICKED, options(noreturn)) }
}
