//! An ordinary Rust program with the standard library: it knows nothing of the machine. It reads lines from stdin; threads,
//! channels, locks, a hash map and floats are in it. stdout is the same on every machine.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::sync::{mpsc, Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

fn main() {
    let lines: Vec<String> = io::stdin()
        .lock()
        .lines()
        .map(|line| line.expect("stdin is text"))
        .collect();
    println!("words {:?}", count_words(&lines));
    println!("squares {}", add_squares(4));
    println!("order {:?}", sleepers(&[30, 10, 20]));
    println!("turns {}", take_turns(3, 5));
    println!("timeout {}", times_out());
    println!("root {:.9}", 2f64.sqrt());
    println!(
        "file {:?}",
        std::fs::read("/no/such/file").map_err(|error| error.kind())
    );
}

fn count_words(lines: &[String]) -> Vec<(&str, usize)> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for word in lines.iter().flat_map(|line| line.split_whitespace()) {
        *counts.entry(word).or_default() += 1;
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    sorted
}

fn add_squares(threads: u64) -> u64 {
    let handles: Vec<_> = (1..=threads)
        .map(|number| thread::spawn(move || number * number))
        .collect();
    handles
        .into_iter()
        .map(|handle| handle.join().expect("nobody panics"))
        .sum()
}

/// Milliseconds in the order in which the threads that sleep so long wake.
fn sleepers(milliseconds: &[u64]) -> Vec<u64> {
    let (sender, receiver) = mpsc::channel();
    for &length in milliseconds {
        let sender = sender.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(length));
            sender.send(length).expect("somebody listens");
        });
    }
    drop(sender);
    receiver.iter().collect()
}

/// Threads write their letters in a circle, each waiting for its turn.
fn take_turns(threads: usize, rounds: usize) -> String {
    let shared = Arc::new((Mutex::new(String::new()), Condvar::new()));
    let handles: Vec<_> = (0..threads)
        .map(|number| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for _ in 0..rounds {
                    let text = shared.0.lock().expect("nobody panics");
                    let mut text = shared
                        .1
                        .wait_while(text, |text| text.len() % threads != number)
                        .expect("nobody panics");
                    text.push((b'a' + number as u8) as char);
                    shared.1.notify_all();
                }
            })
        })
        .collect();
    for handle in handles {
        handle.join().expect("nobody panics");
    }
    let text = shared.0.lock().expect("nobody panics");
    text.clone()
}

fn times_out() -> bool {
    let start = Instant::now();
    let (lock, condition) = (Mutex::new(()), Condvar::new());
    let guard = lock.lock().expect("nobody panics");
    let (_guard, result) = condition
        .wait_timeout(guard, Duration::from_millis(5))
        .expect("nobody panics");
    result.timed_out() && start.elapsed() >= Duration::from_millis(5)
}
