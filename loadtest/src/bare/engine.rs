//! The floor of the embedded ClickHouse: the same rows through its C interface, without HTTP and without another
//! process. Says as one line of JSON what it did.

use std::path::Path;

use anyhow::{Result, ensure};
use domain::Clock as _;
use engine::direct::Direct;
use loadtest::clock::OsClock;
use loadtest::{gigabyte, process};

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [library, data, what, pieces] = args.as_slice() else {
        anyhow::bail!("usage: LIBRARY DATA insert|select PIECES");
    };
    let pieces: usize = pieces.parse()?;
    let piece = gigabyte::piece();
    let bytes = piece.len() * pieces;
    let mut engine = Direct::boot(Path::new(library), Path::new(data))?;
    let clock = OsClock::start();
    let began = match what.as_str() {
        "insert" => {
            engine.run(gigabyte::TABLE)?;
            engine.run(gigabyte::UNMERGED)?;
            let began = clock.mono();
            let rows = std::iter::repeat_n(piece.as_slice(), pieces);
            engine.insert(gigabyte::INSERT, gigabyte::FORMAT, rows)?;
            began
        }
        "select" => {
            engine.run(gigabyte::UNMERGED)?;
            let began = clock.mono();
            let mut read = 0;
            engine.select(gigabyte::SELECT, gigabyte::FORMAT, |piece| {
                read += piece.len()
            })?;
            ensure!(read == bytes, "{read} bytes instead of {bytes}");
            began
        }
        other => anyhow::bail!("{other} is neither insert nor select"),
    };
    let seconds = clock.mono().since(began).as_secs_f64();
    let peak = process::usage(std::process::id())?.peak_kib;
    println!("{{\"bytes\":{bytes},\"seconds\":{seconds},\"peak_kib\":{peak}}}");
    drop(engine);
    // Its threads do not end by themselves.
    engine::exit_at_once(0)
}
