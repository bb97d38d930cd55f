//! A result on its way to the client, on its query's thread: held back, compressed, sent.
//!
//! As on the server the beginning is held back, so that an early error still gets its own status; with
//! `wait_end_of_query=1` all of it is, what memory is too small for in a file without a name. An error
//! after the first byte goes into the result, in a frame, and the answer is cut off.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Sender;

use crate::blocks::BlockWriter;
use crate::codec::{Encoder, Encoding};
use crate::exception::{Code, Exception};
use crate::ffi::Stats;
use crate::job::Stop;
use crate::native::Native;

/// A result is handed over in pieces of this size.
const PIECE: usize = 256 << 10;

/// What a query says to whoever waits for it.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The answer and all of its body.
    Whole(Head, Bytes),
    /// The answer, whose body follows as chunks up to `End` or `Cut`.
    Begun(Head),
    Chunk(Bytes),
    End,
    /// The body ends here and is not whole.
    Cut,
    /// No result; the text as the client wants it encoded.
    Failed(Exception, Bytes),
}

#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) format: String,
    /// Not known yet while the result is still being made.
    pub(crate) stats: Option<Stats>,
}

/// How the client wants its answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) encoding: Option<Encoding>,
    pub(crate) level: u32,
    pub(crate) in_blocks: bool,
    /// Bytes held back in memory.
    pub(crate) hold: usize,
    pub(crate) wait_end: bool,
}

/// How an error is shown after the first byte is out: the status has already said 200.
#[derive(Debug, Clone)]
pub(crate) struct ExceptionFrame {
    pub(crate) tag: String,
    pub(crate) version: String,
}

impl ExceptionFrame {
    /// The server's form since 25.11: the tag comes with the headers, so no row can fake it.
    fn around(&self, exception: &Exception) -> String {
        let (tag, text) = (&self.tag, exception.text(&self.version));
        let length = text.len();
        format!("\r\n__exception__\r\n{tag}\r\n{text}{length} {tag}\r\n__exception__\r\n")
    }
}

/// The way back to whoever waits, who may be slow or gone.
pub(crate) struct Replies {
    pub(crate) sender: Sender<Reply>,
    pub(crate) runtime: Handle,
    /// How long a client may read nothing.
    pub(crate) patience: Duration,
}

impl Replies {
    fn send(&self, reply: Reply) -> Result<(), Stop> {
        let sending = self.sender.send(reply);
        let sent = self
            .runtime
            .block_on(async { tokio::time::timeout(self.patience, sending).await });
        match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(Stop::Unheard),
        }
    }
}

/// Where results that memory is too small for wait.
#[derive(Debug, Clone)]
pub(crate) struct Spool {
    pub(crate) directory: PathBuf,
    pub(crate) most: u64,
}

pub(crate) struct Output {
    replies: Replies,
    shape: Shape,
    frame: ExceptionFrame,
    spool: Spool,
    format: String,
    held: Vec<u8>,
    spooled: Option<(File, u64)>,
    begun: bool,
    /// The form of blocks that the client reads, where it is not the engine's.
    native: Option<Native>,
    packing: Packing,
}

impl Output {
    pub(crate) fn new(
        replies: Replies,
        shape: Shape,
        frame: ExceptionFrame,
        spool: Spool,
    ) -> Result<Self, Exception> {
        Ok(Self {
            replies,
            shape,
            frame,
            spool,
            format: String::new(),
            held: Vec::new(),
            spooled: None,
            begun: false,
            native: None,
            packing: Packing::new(shape).map_err(|error| broken(&error))?,
        })
    }

    pub(crate) fn set_format(&mut self, format: &str) {
        format.clone_into(&mut self.format);
    }

    /// The result to come is in format Native, and the client reads its blocks in another form.
    pub(crate) fn reframe(&mut self, native: Native) {
        self.native = Some(native);
    }

    /// More of the result.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let Some(native) = &mut self.native else {
            return self.put(bytes);
        };
        let mut reframed = Vec::with_capacity(bytes.len());
        native.feed(bytes, &mut reframed)?;
        self.put(&reframed)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if self.begun {
            return self.transmit(bytes);
        }
        if self.spooled.is_none() && self.held.len() + bytes.len() <= self.shape.hold {
            self.held.extend_from_slice(bytes);
            return Ok(());
        }
        if self.shape.wait_end {
            return self.keep(bytes);
        }
        self.begin(None)?;
        self.transmit(bytes)
    }

    fn begin(&mut self, stats: Option<Stats>) -> Result<(), Stop> {
        let format = std::mem::take(&mut self.format);
        self.begun = true;
        self.replies.send(Reply::Begun(Head { format, stats }))?;
        let held = std::mem::take(&mut self.held);
        self.transmit(&held)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        let (mut file, length) = match self.spooled.take() {
            Some(spooled) => spooled,
            None => {
                let file = tempfile::tempfile_in(&self.spool.directory);
                (file.map_err(|error| broken(&error))?, 0)
            }
        };
        let length = length + bytes.len() as u64;
        if length > self.spool.most {
            return Err(Stop::Failed(Exception::new(
                Code::TooManyRowsOrBytes,
                format!(
                    "Limit for result exceeded: with wait_end_of_query=1 a result has at most {} bytes here",
                    self.spool.most
                ),
            )));
        }
        file.write_all(bytes).map_err(|error| broken(&error))?;
        self.spooled = Some((file, length));
        Ok(())
    }

    fn transmit(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        for piece in bytes.chunks(PIECE) {
            let packed = self.packing.write(piece).map_err(|error| broken(&error))?;
            if !packed.is_empty() {
                self.replies.send(Reply::Chunk(packed.into()))?;
            }
        }
        Ok(())
    }

    /// The last word.
    pub(crate) fn end(mut self, outcome: Result<Stats, Stop>) -> Result<(), Stop> {
        match outcome.and_then(|stats| self.conclude(stats)) {
            Ok(Some(last)) => self.replies.send(last),
            Ok(None) => self.last(Reply::End),
            Err(Stop::Unheard) => Err(Stop::Unheard),
            Err(Stop::Failed(exception)) if self.begun => {
                let framed = self.frame.around(&exception);
                self.transmit(framed.as_bytes())?;
                self.last(Reply::Cut)
            }
            Err(Stop::Failed(exception)) => {
                let text = exception.text(&self.frame.version);
                let packing = Packing::new(self.shape);
                let packed = packing.and_then(|packing| packing.all(text.as_bytes()));
                let text = packed.map_err(|error| broken(&error))?;
                self.replies.send(Reply::Failed(exception, text.into()))
            }
        }
    }

    /// The whole answer, if all of it is still here.
    fn conclude(&mut self, stats: Stats) -> Result<Option<Reply>, Stop> {
        if let Some(native) = &self.native {
            native.ended()?;
        }
        if self.begun {
            return Ok(None);
        }
        let Some((mut file, _)) = self.spooled.take() else {
            let format = std::mem::take(&mut self.format);
            let head = Head {
                format,
                stats: Some(stats),
            };
            let packing = Packing::new(self.shape);
            let packed = packing.and_then(|packing| packing.all(&self.held));
            let packed = packed.map_err(|error| broken(&error))?;
            return Ok(Some(Reply::Whole(head, packed.into())));
        };
        file.rewind().map_err(|error| broken(&error))?;
        self.begin(Some(stats))?;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read(&mut piece).map_err(|error| broken(&error))? {
                0 => return Ok(None),
                length => self.transmit(piece.get(..length).unwrap_or_default())?,
            }
        }
    }

    fn last(self, reply: Reply) -> Result<(), Stop> {
        let Self {
            replies, packing, ..
        } = self;
        let packed = packing.finish().map_err(|error| broken(&error))?;
        if !packed.is_empty() {
            replies.send(Reply::Chunk(packed.into()))?;
        }
        replies.send(reply)
    }
}

fn broken(error: &io::Error) -> Exception {
    Exception::new(
        Code::UnknownException,
        format!("Cannot hand the result over: {error}"),
    )
}

/// Blocks inside, the encoding of HTTP around them.
struct Packing {
    blocks: Option<BlockWriter>,
    encoder: Option<Encoder>,
}

impl Packing {
    fn new(shape: Shape) -> io::Result<Self> {
        let encoder = shape.encoding.map(|encoding| encoding.encoder(shape.level));
        Ok(Self {
            blocks: shape.in_blocks.then(BlockWriter::default),
            encoder: encoder.transpose()?,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let bytes = match &mut self.blocks {
            Some(blocks) => blocks.write(bytes),
            None => bytes.to_vec(),
        };
        match &mut self.encoder {
            Some(encoder) => encoder.write(&bytes),
            None => Ok(bytes),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        let last = self.blocks.map(BlockWriter::finish).unwrap_or_default();
        let Some(mut encoder) = self.encoder else {
            return Ok(last);
        };
        let mut packed = encoder.write(&last)?;
        packed.extend(encoder.finish()?);
        Ok(packed)
    }

    fn all(mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut packed = self.write(bytes)?;
        packed.extend(self.finish()?);
        Ok(packed)
    }
}
