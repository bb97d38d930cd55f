//! The way out of a connection on which headers go out before their answer is known, as the server sends its progress: the status
//! line and such headers are written while the answer is still made, and of the head that then comes the status line
//! is left out.
//!
//! So the status is 200 once something was said; how it ended the other headers say.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::Version;
use tokio::io::AsyncWrite;

/// What goes out ahead; its connection sends it when it is next looked at.
#[derive(Clone, Default)]
pub(crate) struct Ahead(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    unsent: Vec<u8>,
    /// The status line is out, and the next head's has to be left out.
    begun: bool,
    /// How often all that was written had gone out.
    flushes: u64,
    /// Waits for the next time.
    waits: Option<Waker>,
}

impl Ahead {
    fn state(&self) -> MutexGuard<'_, State> {
        // Bytes are added and taken whole, so what a panic leaves is too.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a header of the answer that is being made. To be called by whoever makes it, on the connection's task:
    /// what came before is then with the connection.
    pub(crate) fn header(&self, version: Version, name: &str, value: &str) {
        let mut state = self.state();
        if !state.begun {
            state.begun = true;
            let status = format!("{version:?} 200 OK\r\n");
            state.unsent.extend(status.into_bytes());
        }
        let header = format!("{name}: {value}\r\n");
        state.unsent.extend(header.into_bytes());
    }

    /// How often so far all that was written had gone out.
    pub(crate) fn flushes(&self) -> u64 {
        self.state().flushes
    }

    /// Waits until that was once more than `before`. To be called on the connection's task, which writes.
    pub(crate) fn poll_flushed(&self, before: u64, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.flushes > before {
            return Poll::Ready(());
        }
        state.waits = Some(context.waker().clone());
        Poll::Pending
    }
}

pub(crate) struct Early<S> {
    stream: S,
    ahead: Ahead,
}

impl<S: AsyncWrite + Unpin> Early<S> {
    pub(crate) fn new(stream: S, ahead: Ahead) -> Self {
        Self { stream, ahead }
    }

    fn send_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.ahead.state();
        while !state.unsent.is_empty() {
            let sent = Pin::new(&mut self.stream).poll_write(context, &state.unsent);
            match ready!(sent)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                sent => drop(state.unsent.drain(..sent)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// How much of a head's beginning is its status line and stays here.
    fn left_out(&self, bytes: &[u8]) -> usize {
        let mut state = self.ahead.state();
        if !state.begun {
            return 0;
        }
        match bytes.iter().position(|byte| *byte == b'\n') {
            None => bytes.len(),
            Some(end) => {
                state.begun = false;
                end + 1
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Early<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.send_ahead(context))?;
        match self.left_out(bytes) {
            0 => Pin::new(&mut self.stream).poll_write(context, bytes),
            left_out => Poll::Ready(Ok(left_out)),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.send_ahead(context))?;
        let first = slices.iter().find(|slice| !slice.is_empty());
        match self.left_out(first.map_or(&[][..], |slice| slice)) {
            0 => Pin::new(&mut self.stream).poll_write_vectored(context, slices),
            left_out => Poll::Ready(Ok(left_out)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.send_ahead(context))?;
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        let waits = {
            let mut state = self.ahead.state();
            state.flushes += 1;
            state.waits.take()
        };
        waits.into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn headers_go_ahead_of_a_head_that_loses_its_status_line() {
        let (near, mut far) = tokio::io::duplex(1 << 10);
        let ahead = Ahead::default();
        let mut early = Early::new(near, ahead.clone());
        early.write_all(b"HTTP/1.1 404 No\r\n\r\n").await.unwrap();
        ahead.header(Version::HTTP_10, "a", "1");
        early.flush().await.unwrap();
        let mut read = [0; 19 + 23];
        far.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"HTTP/1.1 404 No\r\n\r\nHTTP/1.0 200 OK\r\na: 1\r\n");
        ahead.header(Version::HTTP_10, "a", "2");
        // However the head is cut.
        for part in ["HTTP/1.0 500 I", "nternal\r", "\nb: 3\r\n\r\nbody"] {
            early.write_all(part.as_bytes()).await.unwrap();
        }
        early.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        drop(early);
        let mut rest = String::new();
        far.read_to_string(&mut rest).await.unwrap();
        assert_eq!(rest, "a: 2\r\nb: 3\r\n\r\nbodyHTTP/1.1 200 OK\r\n\r\n");
    }

    #[tokio::test]
    async fn slices_are_cut_too() {
        let (near, mut far) = tokio::io::duplex(1 << 10);
        let ahead = Ahead::default();
        let mut early = Early::new(near, ahead.clone());
        ahead.header(Version::HTTP_11, "a", "1");
        let slices = [b"".as_slice(), b"HTTP/1.1 200 OK\r\nb: 2\r\n", b"\r\nbody"];
        let mut slices = slices.map(IoSlice::new);
        let mut slices = slices.as_mut_slice();
        while !slices.is_empty() {
            let sent = early.write_vectored(slices).await.unwrap();
            IoSlice::advance_slices(&mut slices, sent);
        }
        drop(early);
        let mut all = String::new();
        far.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\n\r\nbody");
    }

    #[tokio::test]
    async fn what_was_written_is_out_when_it_was_flushed_and_not_before() {
        let (near, mut far) = tokio::io::duplex(4);
        let ahead = Ahead::default();
        let mut early = Early::new(near, ahead.clone());
        early.write_all(b"full").await.unwrap();
        let before = ahead.flushes();
        let out = std::future::poll_fn(|context| ahead.poll_flushed(before, context));
        let writing = async {
            early.write_all(b"more").await.unwrap();
            assert_eq!(ahead.flushes(), before);
            early.flush().await.unwrap();
        };
        let reading = async {
            let mut read = [0; 8];
            far.read_exact(&mut read).await.unwrap();
            read
        };
        let ((), (), read) = tokio::join!(out, writing, reading);
        assert_eq!((&read, ahead.flushes()), (b"fullmore", before + 1));
    }
}
