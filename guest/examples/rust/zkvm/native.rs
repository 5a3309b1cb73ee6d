//! Any other computer: STATEMENT and CLAIM are hexadecimal digits, BLOB is the name of a file, the result is told.

use std::{env, fs};

use crate::{Answer, RESULT_BYTES};

const STATEMENT_BYTES: usize = 4096;
const CLAIM_BYTES: usize = 128;

/// The statement page.
pub fn statement() -> &'static [u8] {
    page("STATEMENT", STATEMENT_BYTES).leak()
}

/// The first `length` bytes of the file BLOB; what is behind its end is zero.
pub fn map(_slot: usize, _root: &[u8; 32], length: usize) -> &'static [u8] {
    let name = env::var("BLOB").expect("BLOB must name a file");
    let mut content = fs::read(name).expect("BLOB cannot be read");
    content.resize(length, 0);
    content.leak()
}

/// Tells the result and compares it with the claim; gives the exit code.
pub fn decide(program: fn() -> Answer) -> i32 {
    match program() {
        Ok(found) => {
            let digits: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("result {digits}");
            let claim = page("CLAIM", CLAIM_BYTES);
            i32::from(claim[..RESULT_BYTES] != found || claim[RESULT_BYTES..].iter().any(|&byte| byte != 0))
        }
        Err(code) => i32::from(code),
    }
}

fn page(name: &str, length: usize) -> Vec<u8> {
    let digits = env::var(name).unwrap_or_default();
    let byte = |k: usize| u8::from_str_radix(&digits[k..k + 2], 16).expect("not hexadecimal digits");
    let mut content: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
    assert!(content.len() <= length, "{name} is too long");
    content.resize(length, 0);
    content
}
