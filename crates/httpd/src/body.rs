//! Reading a body: never more than the limit in memory, never longer than the time.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::connection::Wire;
use crate::{Code, Limits, Problem};

/// A body was not read to its end. Converts into the problem to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It is larger than this many bytes.
    #[error("the body is larger than {0} bytes")]
    TooLarge(usize),
    /// It did not arrive in time.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The client broke off or broke the framing.
    #[error("the body broke off")]
    Broken,
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        let code = match error {
            BodyError::TooLarge(_) => Code::BodyTooLarge,
            BodyError::TooSlow => Code::BodyTooSlow,
            BodyError::Broken => Code::BodyBroken,
        };
        Self::new(code, error.to_string())
    }
}

pub(crate) async fn read(
    body: &mut Incoming,
    limits: &Limits,
    wire: &Arc<Wire>,
) -> Result<Bytes, BodyError> {
    let read = tokio::time::timeout(limits.read_timeout, collect(body, limits.body_bytes)).await;
    let whole = read.unwrap_or(Err(BodyError::TooSlow))?;
    wire.set_unread(false);
    Ok(whole)
}

async fn collect(body: &mut Incoming, limit: usize) -> Result<Bytes, BodyError> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge(limit));
    }
    let mut whole = Gathered::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        if let Ok(data) = frame.into_data() {
            if whole.len() + data.len() > limit {
                return Err(BodyError::TooLarge(limit));
            }
            whole.push(data, announced);
        }
    }
    Ok(whole.into_bytes())
}

/// Most bodies come in one piece, which is then not copied.
#[derive(Default)]
enum Gathered {
    #[default]
    Nothing,
    One(Bytes),
    Many(BytesMut),
}

impl Gathered {
    fn len(&self) -> usize {
        match self {
            Self::Nothing => 0,
            Self::One(bytes) => bytes.len(),
            Self::Many(bytes) => bytes.len(),
        }
    }

    fn push(&mut self, data: Bytes, announced: usize) {
        *self = match std::mem::take(self) {
            Self::Nothing => Self::One(data),
            Self::One(first) => {
                let size = announced.max(first.len() + data.len());
                let mut many = BytesMut::with_capacity(size);
                many.extend_from_slice(&first);
                many.extend_from_slice(&data);
                Self::Many(many)
            }
            Self::Many(mut many) => {
                many.extend_from_slice(&data);
                Self::Many(many)
            }
        };
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Nothing => Bytes::new(),
            Self::One(bytes) => bytes,
            Self::Many(bytes) => bytes.freeze(),
        }
    }
}
