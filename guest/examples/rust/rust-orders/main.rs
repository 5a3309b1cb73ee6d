//! An order book: limit orders from a generator are matched by price and time, in ordered maps, queues and strings.
//!
//! Statement: 32 bytes of seed, then u32 number of orders, most significant byte first. Result: FNV-1a (64 bits) of the
//! report's text, number of trades, traded amount, amount that still waits, number of price levels, length of the report.
#![cfg_attr(target_os = "none", no_std, no_main)]

extern crate alloc;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use zkvm::Answer;

const MOST_ORDERS: u32 = 1 << 20;
const TOO_MANY: u8 = 2;

struct Order {
    owner: u32,
    amount: u32,
}

/// Levels of one side by price; the first one of the map is the best. Prices of buyers are stored negative.
type Side = BTreeMap<i64, VecDeque<Order>>;

#[derive(Default)]
struct Book {
    buyers: Side,
    sellers: Side,
    trades: u32,
    traded: u64,
    bought: BTreeMap<u32, Vec<u32>>, // owner → amounts
}

impl Book {
    fn place(&mut self, buys: bool, price: i64, order: Order) {
        let left = self.trade(buys, price, order);
        if left.amount > 0 {
            let (side, key) = if buys {
                (&mut self.buyers, -price)
            } else {
                (&mut self.sellers, price)
            };
            side.entry(key).or_default().push_back(left);
        }
    }

    /// Takes what the other side offers at this price or a better one; gives what is left of the order.
    fn trade(&mut self, buys: bool, price: i64, mut order: Order) -> Order {
        let (others, limit) = if buys {
            (&mut self.sellers, price)
        } else {
            (&mut self.buyers, -price)
        };
        while order.amount > 0 {
            let Some(mut level) = others.first_entry().filter(|level| *level.key() <= limit) else {
                break;
            };
            let first = level.get_mut().front_mut().expect("no level is empty");
            let amount = order.amount.min(first.amount);
            let buyer = if buys { order.owner } else { first.owner };
            first.amount -= amount;
            order.amount -= amount;
            self.trades += 1;
            self.traded += u64::from(amount);
            self.bought.entry(buyer).or_default().push(amount);
            if first.amount == 0 {
                level.get_mut().pop_front();
            }
            if level.get().is_empty() {
                level.remove();
            }
        }
        order
    }

    fn report(&self) -> String {
        let mut totals: Vec<(u64, u32)> = self
            .bought
            .iter()
            .map(|(&owner, amounts)| (amounts.iter().map(|&a| u64::from(a)).sum(), owner))
            .collect();
        totals.sort_by(|a, b| b.cmp(a));
        let mut text = String::new();
        for (total, owner) in totals {
            writeln!(text, "owner {owner:>4} bought {total:08}").expect("strings grow");
        }
        text
    }

    fn waiting(&self) -> u64 {
        self.buyers
            .values()
            .chain(self.sellers.values())
            .flatten()
            .map(|order| u64::from(order.amount))
            .sum()
    }
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as u32 % limit
    }
}

fn run() -> Answer {
    let statement = zkvm::statement();
    let count = zkvm::number(&statement[32..36]);
    if count > MOST_ORDERS {
        return Err(TOO_MANY);
    }
    let mut random =
        Random(u64::from(zkvm::number(&statement[..4])) << 32 | u64::from(zkvm::number(&statement[4..8])) | 1);
    let mut book = Book::default();
    for _ in 0..count {
        let buys = random.below(2) == 0;
        let price = 1000 + i64::from(random.below(64)) - if buys { 40 } else { 24 };
        book.place(
            buys,
            price,
            Order {
                owner: random.below(50),
                amount: 1 + random.below(100),
            },
        );
    }
    Ok(summary(&book))
}

fn summary(book: &Book) -> [u8; zkvm::RESULT_BYTES] {
    let text = book.report();
    let hash = text.bytes().fold(0xCBF2_9CE4_8422_2325u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3)
    });
    let levels = (book.buyers.len() + book.sellers.len()) as u32;
    let mut answer = [0; zkvm::RESULT_BYTES];
    answer[..8].copy_from_slice(&hash.to_be_bytes());
    answer[8..12].copy_from_slice(&book.trades.to_be_bytes());
    answer[12..20].copy_from_slice(&book.traded.to_be_bytes());
    answer[20..28].copy_from_slice(&(book.waiting() as u64).to_be_bytes());
    answer[28..30].copy_from_slice(&(levels as u16).to_be_bytes());
    answer[30..].copy_from_slice(&(text.len() as u16).to_be_bytes());
    answer
}

zkvm::program!(run);
