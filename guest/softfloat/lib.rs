//! Nothing of its own: a static library brings compiler-builtins with it, and with that the arithmetic of `double`
//! that GCC calls for where there is no floating-point unit (`guest/builder/musl.py`).
#![no_std]

#[panic_handler]
fn end(_: &core::panic::PanicInfo) -> ! {
    loop {}
}
