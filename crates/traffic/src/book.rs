//! The driver's book: every complete answer, and what was never answered, one JSON line each, written
//! through to the kernel before the next step of a story.
//!
//! It is the truth about what clients were told.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// Something a client was told, or waited for in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "told", rename_all = "snake_case")]
pub enum Told {
    /// A click was redirected.
    Click(ClickTold),
    /// A ping was answered.
    Quote(QuoteTold),
    /// A post was answered.
    Lead(LeadTold),
    /// A lead's state was looked up after its post had been answered.
    LookedUp(LeadTold),
    /// A postback was taken.
    Conversion(ConversionTold),
    /// A request was refused: it sold nothing.
    Refused(RefusedTold),
    /// An attempt ended without a complete answer: it may have been taken.
    Unanswered(UnansweredTold),
    /// A request was given up without ever having been answered.
    GivenUp(UnansweredTold),
}

/// What kind of request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// A click.
    Click,
    /// A publisher's ping.
    Ping,
    /// A publisher's post.
    Post,
    /// An advertiser's postback.
    Postback,
}

/// A click that was redirected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickTold {
    /// Sub id `s10`: names this click.
    pub marker: String,
    /// The visitor's number in this run.
    pub visitor: u64,
    /// The link.
    pub link: String,
    /// Whose link it is.
    pub publisher: String,
    /// From the redirect; none if it carried none.
    pub click_id: Option<String>,
    /// When the answer was complete, in microseconds since 1970.
    pub at_us: i64,
}

/// A ping that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuoteTold {
    /// The marker field of the lead.
    pub marker: String,
    /// Who asked.
    pub publisher: String,
    /// For which campaign.
    pub campaign: String,
    /// The auction's id.
    pub auction: String,
    /// `quoted` or `no_bid`.
    pub status: String,
    /// What was promised; nothing for no bid.
    pub payout: Option<String>,
    /// From the first call to the last byte, in microseconds.
    pub took_us: u64,
    /// How often it was asked.
    pub attempts: u32,
    /// When the answer was complete, in microseconds since 1970.
    pub at_us: i64,
    /// What the publisher allowed.
    pub tmax_ms: u32,
}

/// A post that was answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadTold {
    /// The marker field of the lead.
    pub marker: String,
    /// Who posted.
    pub publisher: String,
    /// To which campaign.
    pub campaign: String,
    /// Its idempotency key.
    pub key: String,
    /// Two phases or one.
    pub way: Way,
    /// The lead's id.
    pub lead: String,
    /// As answered.
    pub status: String,
    /// `reason.code`, where there is one.
    pub reason: Option<String>,
    /// As answered.
    pub payout: String,
    /// The visitor's number in this run.
    pub visitor: u64,
    /// How many of the visitor's clicks had been answered before it.
    pub clicks_before: usize,
    /// From the first call to the last byte, in microseconds.
    pub took_us: u64,
    /// How often it was asked.
    pub attempts: u32,
    /// When the answer was complete, in microseconds since 1970.
    pub at_us: i64,
    /// What the publisher allowed.
    pub tmax_ms: u32,
}

/// How a lead is posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// A ping, then a post of the quote.
    TwoPhase,
    /// A post alone.
    Direct,
}

/// A postback that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversionTold {
    /// The click it names.
    pub click_id: String,
    /// The goal.
    pub goal: String,
    /// The order's id.
    pub txid: String,
    /// As sent.
    pub amount: String,
    /// The visitor's number in this run.
    pub visitor: u64,
    /// How many of the visitor's clicks had been answered before it.
    pub clicks_before: usize,
    /// When the answer was complete, in microseconds since 1970.
    pub at_us: i64,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedTold {
    /// What was asked.
    pub asked: Asked,
    /// Key or marker.
    pub key: String,
    /// HTTP status.
    pub status: u16,
    /// The problem's code.
    pub code: String,
    /// The request, by the name that the problem gave it.
    pub request_id: String,
}

/// An attempt without a complete answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnansweredTold {
    /// What was asked.
    pub asked: Asked,
    /// Key or marker.
    pub key: String,
    /// Why there was no answer.
    pub why: String,
}

/// The book, open for writing.
pub struct Book {
    pages: Mutex<Pages>,
}

struct Pages {
    file: Option<File>,
    told: Vec<Told>,
    broken: Option<io::Error>,
}

impl Book {
    /// A book on disk.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(path)?;
        Ok(Self::of(Some(file)))
    }

    fn of(file: Option<File>) -> Self {
        Self {
            pages: Mutex::new(Pages {
                file,
                told: Vec::new(),
                broken: None,
            }),
        }
    }

    /// Writes one line down. A disk that refuses is reported when the book is closed.
    pub fn write(&self, told: Told) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let written = serde_json::to_vec(&told)
            .map_err(io::Error::from)
            .and_then(|mut line| {
                line.push(b'\n');
                pages
                    .file
                    .as_mut()
                    .map_or(Ok(()), |file| file.write_all(&line))
            });
        if let Err(error) = written {
            pages.broken.get_or_insert(error);
        }
        pages.told.push(told);
    }

    /// Everything written so far.
    pub fn read(&self) -> io::Result<Vec<Told>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        match pages.broken.take() {
            Some(error) => Err(error),
            None => Ok(pages.told.clone()),
        }
    }
}

/// Reads a book that another process wrote.
pub fn read_book(path: &Path) -> io::Result<Vec<Told>> {
    BufReader::new(File::open(path)?)
        .lines()
        .map(|line| serde_json::from_str(&line?).map_err(io::Error::from))
        .collect()
}
