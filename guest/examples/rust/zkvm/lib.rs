//! What the machine gives a Rust program without an operating system (docs/spec/machine.md): statement, claim, blobs,
//! a heap and a place for the result. On other computers the same program takes them from the environment.
#![cfg_attr(target_os = "none", no_std, feature(asm_experimental_arch))]

#[cfg(target_os = "none")]
#[path = "machine.rs"]
mod here;
#[cfg(not(target_os = "none"))]
#[path = "native.rs"]
mod here;

pub use here::{map, statement};

pub const RESULT_BYTES: usize = 32;

/// What a program computes: the result, or an exit code for a statement that it refuses.
pub type Answer = Result<[u8; RESULT_BYTES], u8>;

#[doc(hidden)]
pub use here::decide;

/// Makes a function `fn() -> Answer` the program.
#[macro_export]
macro_rules! program {
    ($function:path) => {
        #[cfg(target_os = "none")]
        #[no_mangle]
        extern "C" fn main() -> i32 {
            $crate::decide($function)
        }

        #[cfg(not(target_os = "none"))]
        fn main() {
            std::process::exit($crate::decide($function))
        }
    };
}

/// A number of the statement, most significant byte first.
pub fn number(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0, |value, &byte| value << 8 | u32::from(byte))
}
