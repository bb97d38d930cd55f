//! A request's body, decoded and in pieces: never held whole here.

use std::io::Write as _;
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use flate2::write::MultiGzDecoder;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::exception::{Code, Exception};

/// Compressed bytes decoded at a time: one gives at most about a thousand.
const SLICE: usize = 4 << 10;

pub(crate) struct Body {
    incoming: Incoming,
    gzip: Option<Gzip>,
    /// Bytes that may still come, as decoded.
    left: u64,
    /// How long the client may send nothing.
    patience: Duration,
}

struct Gzip {
    decoder: MultiGzDecoder<Vec<u8>>,
    pending: Bytes,
    any: bool,
}

impl Body {
    pub(crate) fn new(incoming: Incoming, most: u64, patience: Duration) -> Self {
        Self {
            incoming,
            gzip: None,
            left: most,
            patience,
        }
    }

    /// What comes is gzip, and is given decoded.
    pub(crate) fn unzip(&mut self) {
        self.gzip = Some(Gzip {
            decoder: MultiGzDecoder::new(Vec::new()),
            pending: Bytes::new(),
            any: false,
        });
    }

    /// The next piece; `None` once the body has arrived whole and well-formed.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Exception> {
        let piece = loop {
            let Some(mut gzip) = self.gzip.take() else {
                break self.raw().await?;
            };
            let piece = self.unzipped(&mut gzip).await;
            self.gzip = Some(gzip);
            match piece? {
                Some(piece) if piece.is_empty() => {}
                piece => break piece,
            }
        };
        let length = piece.as_ref().map_or(0, Bytes::len) as u64;
        self.left = self.left.checked_sub(length).ok_or_else(|| {
            Exception::new(
                Code::TooManyBytes,
                "The request body is longer than this host takes",
            )
        })?;
        Ok(piece)
    }

    /// Reads on, so that the client gets to read an answer instead of a reset; not without end.
    pub(crate) async fn drain(&mut self, most: u64) {
        self.left = most;
        self.gzip = None;
        while let Ok(Some(_)) = self.next().await {}
    }

    async fn raw(&mut self) -> Result<Option<Bytes>, Exception> {
        loop {
            let frame = tokio::time::timeout(self.patience, self.incoming.frame()).await;
            let frame = frame.map_err(|_| {
                Exception::new(
                    Code::SocketTimeout,
                    "Timeout exceeded while reading the request body",
                )
            })?;
            match frame {
                None => return Ok(None),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if !data.is_empty() => return Ok(Some(data)),
                    _ => {}
                },
                Some(Err(error)) => {
                    let text = format!("Cannot read the request body: {error}");
                    return Err(Exception::new(Code::NetworkError, text));
                }
            }
        }
    }

    /// The decoded form of the next compressed slice, which may be empty.
    async fn unzipped(&mut self, gzip: &mut Gzip) -> Result<Option<Bytes>, Exception> {
        if gzip.pending.is_empty() {
            match self.raw().await? {
                Some(data) => {
                    gzip.pending = data;
                    gzip.any = true;
                }
                None => {
                    if gzip.any {
                        gzip.decoder.try_finish().map_err(|error| damaged(&error))?;
                    }
                    let rest = std::mem::take(gzip.decoder.get_mut());
                    return Ok((!rest.is_empty()).then(|| rest.into()));
                }
            }
        }
        let slice = gzip.pending.len().min(SLICE);
        gzip.decoder
            .write_all(&gzip.pending[..slice])
            .map_err(|error| damaged(&error))?;
        gzip.pending.advance(slice);
        Ok(Some(std::mem::take(gzip.decoder.get_mut()).into()))
    }
}

fn damaged(error: &std::io::Error) -> Exception {
    Exception::new(
        Code::ZlibInflateFailed,
        format!("The gzip body is damaged or cut off: {error}"),
    )
}
