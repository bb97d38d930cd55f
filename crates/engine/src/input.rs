//! A request's body on its query's thread: decoded, unpacked and counted, and never held whole.

use std::cell::RefCell;
use std::io::{self, Read};
use std::mem;
use std::rc::Rc;

use bytes::{Buf as _, Bytes};
use tokio::sync::mpsc::Receiver;

use crate::blocks::BlockReader;
use crate::codec::Encoding;
use crate::exception::{Code, Exception};
use crate::job::Stop;
use crate::request::Query;

/// Decoded bytes at a time.
const PIECE: usize = 256 << 10;

/// The body as it arrives. A channel that closes before `End` is a client that left.
pub(crate) enum Piece {
    Data(Bytes),
    End,
    Failed(Exception),
}

pub(crate) struct Input {
    pieces: Pieces,
    /// Why the pieces ended early: decoders may wrap what they are told, or forget it.
    stopped: Rc<RefCell<Option<Stop>>>,
    /// Bytes that may still come, as decoded.
    left: u64,
    encoding: Option<Encoding>,
}

enum Pieces {
    /// As they come, and the last of them.
    Plain(Source, Bytes),
    Decoded(Box<dyn Read>, Vec<u8>),
}

impl Pieces {
    /// None are left where they are empty.
    fn next(&mut self) -> io::Result<&[u8]> {
        match self {
            Self::Plain(source, last) => {
                source.fill()?;
                *last = mem::take(&mut source.current);
                Ok(last)
            }
            Self::Decoded(reader, buffer) => {
                let length = reader.read(buffer)?;
                Ok(buffer.get(..length).unwrap_or_default())
            }
        }
    }
}

impl Input {
    /// Waits for the first piece: a body without bytes is empty in every encoding.
    pub(crate) fn open(pieces: Receiver<Piece>, query: &Query, most: u64) -> Result<Self, Stop> {
        let stopped = Rc::default();
        let mut source = Source {
            pieces,
            current: Bytes::new(),
            ended: false,
            stopped: Rc::clone(&stopped),
        };
        let empty = !source.fill().map_err(|_| taken(&stopped))?;
        let plain = query.body_encoding.is_none() && !query.body_in_blocks;
        let pieces = if empty || plain {
            Pieces::Plain(source, Bytes::new())
        } else {
            let mut reader: Box<dyn Read> = Box::new(source);
            if let Some(encoding) = query.body_encoding {
                reader = encoding.reader(reader).map_err(|error| {
                    Exception::new(encoding.damaged(), format!("Cannot decode: {error}"))
                })?;
            }
            if query.body_in_blocks {
                reader = Box::new(BlockReader::new(reader, query.check_sums));
            }
            Pieces::Decoded(reader, vec![0; PIECE])
        };
        Ok(Self {
            pieces,
            stopped,
            left: most,
            encoding: query.body_encoding,
        })
    }

    /// The next bytes; `None` once the body has arrived whole and well-formed.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, Stop> {
        let Self {
            pieces,
            stopped,
            left,
            encoding,
        } = self;
        let piece = pieces
            .next()
            .map_err(|error| failed(&error, stopped, *encoding))?;
        *left = left.checked_sub(piece.len() as u64).ok_or_else(|| {
            Exception::new(
                Code::TooManyBytes,
                "The request body is longer than this host takes",
            )
        })?;
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }
}

fn failed(error: &io::Error, stopped: &RefCell<Option<Stop>>, encoding: Option<Encoding>) -> Stop {
    if let Some(stop) = stopped.take() {
        return stop;
    }
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    if let Some(exception) = inner {
        return Stop::Failed(Exception::clone(exception));
    }
    let code = encoding.map_or(Code::CannotReadAllData, Encoding::damaged);
    Stop::Failed(Exception::new(
        code,
        format!("The request body is damaged or cut off: {error}"),
    ))
}

fn taken(stopped: &RefCell<Option<Stop>>) -> Stop {
    stopped.take().unwrap_or(Stop::Unheard)
}

struct Source {
    pieces: Receiver<Piece>,
    current: Bytes,
    ended: bool,
    stopped: Rc<RefCell<Option<Stop>>>,
}

impl Source {
    /// Waits until there are bytes; `false` at the end.
    fn fill(&mut self) -> io::Result<bool> {
        while self.current.is_empty() && !self.ended {
            let stop = match self.pieces.blocking_recv() {
                Some(Piece::Data(data)) => {
                    self.current = data;
                    continue;
                }
                Some(Piece::End) => {
                    self.ended = true;
                    continue;
                }
                Some(Piece::Failed(exception)) => Stop::Failed(exception),
                None => Stop::Unheard,
            };
            self.stopped.replace(Some(stop));
            return Err(io::Error::other("the body ended early"));
        }
        Ok(!self.current.is_empty())
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if !self.fill()? {
            return Ok(0);
        }
        let length = self.current.len().min(into.len());
        self.current
            .copy_to_slice(into.get_mut(..length).unwrap_or_default());
        Ok(length)
    }
}
