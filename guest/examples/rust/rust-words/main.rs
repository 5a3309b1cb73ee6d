//! The words of a blob and how often they occur.
//!
//! Statement: 32 bytes root of the blob, then u32 length, most significant byte first. Result: length, number of words,
//! of different words, how often the most frequent one occurs (u32 each, most significant byte first), its first 16 bytes.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::collections::BTreeMap;
use alloc::string::String;

use zkvm::Answer;

const MOST_BYTES: usize = 1 << 26;
const TOO_LONG: u8 = 2;
const NO_TEXT: u8 = 3;

fn run() -> Answer {
    let statement = zkvm::statement();
    let root = statement[..32].try_into().expect("32 bytes");
    let length = zkvm::number(&statement[32..36]) as usize;
    if length > MOST_BYTES {
        return Err(TOO_LONG);
    }
    let text = core::str::from_utf8(zkvm::map(0, root, length)).map_err(|_| NO_TEXT)?;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for word in text
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    let most = counts.iter().max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0)));
    let (word, times) = most.map_or((String::new(), 0), |(word, &times)| (word.clone(), times));
    let total: u32 = counts.values().sum();
    Ok(answer(&[length as u32, total, counts.len() as u32, times], &word))
}

fn answer(numbers: &[u32; 4], word: &str) -> [u8; zkvm::RESULT_BYTES] {
    let mut bytes = [0; zkvm::RESULT_BYTES];
    for (place, number) in bytes.chunks_exact_mut(4).zip(numbers) {
        place.copy_from_slice(&number.to_be_bytes());
    }
    let shown = word.len().min(16);
    bytes[16..16 + shown].copy_from_slice(&word.as_bytes()[..shown]);
    bytes
}

zkvm::program!(run);
