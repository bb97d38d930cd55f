//! The embedded ClickHouse over HTTP, beside the same engine through its C interface: a gigabyte in, a gigabyte
//! out.
//!
//! Both sides do the same work in a process of their own, on files of their own, and no process does two things,
//! so its peak is that of one. Sides take turns in being first. Both cores are free for either.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use domain::Clock as _;
use loadtest::clock::OsClock;
use loadtest::gigabyte;
use loadtest::process;
use loadtest::ratio::{Bar, median};
use loadtest::warm;
use loadtest::window::{Machine, Noise};
use serde::{Deserialize, Serialize};
use tokio::process::Command;

use crate::Setting;
use crate::report::{Figure, Verdict, conclude};
use crate::town::Engine;

/// What of an answer is looked at before its rows.
const HEAD: usize = 64 << 10;
const READ: usize = 256 << 10;
/// What a side takes at most, with the pages of its files.
const MEMORY: usize = 4 << 30;

/// Inserts and selects over HTTP beside the engine's C interface: bytes/s and the most memory
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds; each measures both sides, in and out.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Megabytes in, and megabytes out.
    #[arg(long, default_value_t = 1024)]
    megabytes: usize,
    /// The engine's library; without it the fetched one.
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy)]
enum Way {
    In,
    Out,
}

#[derive(Debug, Clone, Copy)]
enum Side {
    Bare,
    Http,
}

/// What one side did.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Done {
    bytes: u64,
    seconds: f64,
    peak_kib: u64,
}

impl Done {
    fn per_s(self) -> f64 {
        self.bytes as f64 / self.seconds
    }
}

/// Both sides, one after the other.
#[derive(Debug, Clone, Copy, Serialize)]
struct Pair {
    bare: Done,
    http: Done,
}

impl Pair {
    fn throughput(self) -> f64 {
        self.http.per_s() / self.bare.per_s()
    }

    fn above_mb(self) -> f64 {
        (self.http.peak_kib as f64 - self.bare.peak_kib as f64) * 1024.0 / 1e6
    }
}

/// What one side has done of a round.
struct Turn {
    inserted: Done,
    selected: Done,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Round {
    inserted: Pair,
    selected: Pair,
    noise: Noise,
}

pub(crate) async fn run(args: Args, setting: &Setting) -> Result<Verdict> {
    let bench = Bench {
        setting,
        library: match args.library {
            Some(own) => own,
            None => library(&setting.gavel).await?,
        },
        pieces: args.megabytes,
    };
    let mut rounds = Vec::new();
    for number in 0..args.rounds {
        let round = bench.round(number % 2 == 0).await?;
        for (what, pair) in [("in", round.inserted), ("out", round.selected)] {
            eprintln!(
                "round {}: {what}: bare {:.0} MB/s, {} MB; HTTP {:.0} MB/s, {} MB; ratio {:.2}",
                number + 1,
                pair.bare.per_s() / 1e6,
                pair.bare.peak_kib / 1000,
                pair.http.per_s() / 1e6,
                pair.http.peak_kib / 1000,
                pair.throughput()
            );
        }
        rounds.push(round);
    }
    conclude(&figures(&rounds)?, &rounds, setting.out.as_deref())
}

fn figures(rounds: &[Round]) -> Result<Vec<Figure>> {
    let counted: Vec<&Round> = rounds.iter().filter(|it| it.noise.quiet()).collect();
    ensure!(!counted.is_empty(), "no round was quiet");
    let middle = |of: fn(&Round) -> f64| median(counted.iter().map(|round| of(round)));
    Ok(vec![
        Figure::told("rounds that count", Some(counted.len() as f64)),
        Figure::told("bare: MB/s in", middle(|it| it.inserted.bare.per_s() / 1e6)),
        Figure::told(
            "bare: MB/s out",
            middle(|it| it.selected.bare.per_s() / 1e6),
        ),
        Figure::held_to(
            Bar::AtLeast(0.8),
            "HTTP: bytes/s in, of bare's",
            middle(|it| it.inserted.throughput()),
        ),
        Figure::held_to(
            Bar::AtLeast(0.8),
            "HTTP: bytes/s out, of bare's",
            middle(|it| it.selected.throughput()),
        ),
        Figure::held_to(
            Bar::AtMost(100.0),
            "HTTP: MB of memory above bare's at the peak, in",
            middle(|it| it.inserted.above_mb()),
        ),
        Figure::held_to(
            Bar::AtMost(100.0),
            "HTTP: MB of memory above bare's at the peak, out",
            middle(|it| it.selected.above_mb()),
        ),
    ])
}

/// Where the engine's library is, as the product itself says.
async fn library(gavel: &Path) -> Result<PathBuf> {
    let output = Command::new(gavel).args(["engine", "fetch"]).output();
    let output = output.await?;
    ensure!(output.status.success(), "the engine cannot be fetched");
    Ok(String::from_utf8(output.stdout)?.trim().into())
}

struct Bench<'s> {
    setting: &'s Setting,
    library: PathBuf,
    pieces: usize,
}

impl Bench<'_> {
    async fn round(&self, bare_first: bool) -> Result<Round> {
        let before = Machine::now()?;
        let (bare, http);
        if bare_first {
            bare = self.turn(Side::Bare).await?;
            http = self.turn(Side::Http).await?;
        } else {
            http = self.turn(Side::Http).await?;
            bare = self.turn(Side::Bare).await?;
        }
        let pair = |of: fn(&Turn) -> Done| Pair {
            bare: of(&bare),
            http: of(&http),
        };
        Ok(Round {
            inserted: pair(|turn| turn.inserted),
            selected: pair(|turn| turn.selected),
            noise: Machine::now()?.since(before),
        })
    }

    /// A gigabyte in, and the same out. So a disk that is fast for a while and then is not has rested between the
    /// two gigabytes that it is given.
    async fn turn(&self, side: Side) -> Result<Turn> {
        let home = tempfile::Builder::new().prefix("gavel-load-").tempdir()?;
        let go = async |way| {
            // What was left to write before is not this one's, nor is it to wait for the host's memory.
            rustix::fs::sync();
            warm::memory(MEMORY);
            match side {
                Side::Bare => self.bare(home.path(), way).await,
                Side::Http => self.http(home.path(), way).await,
            }
        };
        Ok(Turn {
            inserted: go(Way::In).await?,
            selected: go(Way::Out).await?,
        })
    }

    async fn bare(&self, data: &Path, way: Way) -> Result<Done> {
        let program = self.setting.programs.join("bare-engine");
        let mut command = Command::new(&program);
        command.arg(&self.library).arg(data);
        command.arg(match way {
            Way::In => "insert",
            Way::Out => "select",
        });
        command.arg(self.pieces.to_string()).kill_on_drop(true);
        let output = command.stderr(Stdio::inherit()).output().await;
        let output = output.with_context(|| program.display().to_string())?;
        ensure!(output.status.success(), "the bare engine failed");
        let said = String::from_utf8(output.stdout)?;
        serde_json::from_str(&said).with_context(|| format!("it said {said:?}"))
    }

    async fn http(&self, data: &Path, way: Way) -> Result<Done> {
        let engine = Engine::start(&self.setting.gavel, data).await?;
        let ask = |sql: &str| Exchange::begin(&engine, sql, 0)?.end(|_| {});
        let piece = gigabyte::piece();
        let bytes = piece.len() * self.pieces;
        let clock = OsClock::start();
        let (insert, select, format) = (gigabyte::INSERT, gigabyte::SELECT, gigabyte::FORMAT);
        let began = match way {
            Way::In => {
                ask(gigabyte::TABLE)?;
                ask(gigabyte::UNMERGED)?;
                let began = clock.mono();
                let insert = format!("{insert} FORMAT {format}");
                let mut exchange = Exchange::begin(&engine, &insert, bytes)?;
                for _ in 0..self.pieces {
                    exchange.stream.write_all(&piece)?;
                }
                exchange.end(|_| {})?;
                began
            }
            Way::Out => {
                ask(gigabyte::UNMERGED)?;
                let began = clock.mono();
                let mut read = 0;
                let select = format!("{select} FORMAT {format}");
                Exchange::begin(&engine, &select, 0)?.end(|piece| read += piece.len())?;
                ensure!(read == bytes, "{read} bytes instead of {bytes}");
                began
            }
        };
        Ok(Done {
            bytes: bytes as u64,
            seconds: clock.mono().since(began).as_secs_f64(),
            peak_kib: process::usage(engine.id()?)?.peak_kib,
        })
    }
}

/// One request of HTTP/1.0, whose answer ends with the connection: on the client's side nothing is done but to
/// write and to read.
struct Exchange {
    stream: TcpStream,
}

impl Exchange {
    /// Sends the head of a request with a body of so many bytes.
    fn begin(engine: &Engine, sql: &str, bytes: usize) -> Result<Self> {
        let mut stream = TcpStream::connect(engine.address())?;
        let sql: String = sql.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let head = format!("POST /?query={sql} HTTP/1.0\r\ncontent-length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes())?;
        Ok(Self { stream })
    }

    /// Reads a good answer to its end.
    fn end(mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        let mut piece = vec![0; READ];
        let mut head = Vec::new();
        let rest = loop {
            let length = self.stream.read(&mut piece)?;
            head.extend(piece.iter().take(length));
            if let Some(end) = head.windows(4).position(|four| four == b"\r\n\r\n") {
                break head.split_off(end + 4);
            }
            ensure!(length > 0 && head.len() < HEAD, "no answer");
        };
        let head = String::from_utf8_lossy(&head);
        ensure!(head.starts_with("HTTP/1.0 200"), "{head}");
        each(&rest);
        loop {
            match self.stream.read(&mut piece)? {
                0 => return Ok(()),
                length => each(piece.get(..length).unwrap_or_default()),
            }
        }
    }
}
