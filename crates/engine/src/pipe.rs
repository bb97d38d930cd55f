//! A SELECT whose result streams: the engine writes it into a pipe, as into a file of INTO OUTFILE, and it is
//! read from there.
//!
//! So a result of any size and format is one document, made by the engine's own writer, in the memory of a
//! few blocks. (What the engine's interface hands over in chunks is a document a chunk, which only for a few
//! formats add up to one.)

use std::fs::File;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;

use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::exception::{Code, Exception};
use crate::ffi::{Connection, Params, Stats};
use crate::job::Stop;
use crate::output::Output;
use crate::statement::into_file;

/// What the kernel holds between the engine and us; it may give less.
const PIPE: usize = 1 << 20;
const PIECE: usize = 256 << 10;

/// Who looks on while a query runs.
pub(crate) struct Watch<'w> {
    /// Ends it, for nobody takes its result.
    pub(crate) stop: &'w (dyn Fn() + Sync),
    /// Hears that it has ended, while its result is on its way.
    pub(crate) ended: &'w dyn Fn(Stats),
}

/// Runs `text`, a SELECT, and passes its result on. `stop` is called when nobody takes it any more.
pub(crate) fn select(
    connection: &mut Connection,
    text: &[u8],
    format: &str,
    params: &Params,
    output: &mut Output,
    watch: Watch<'_>,
) -> Result<Stats, Stop> {
    let Watch { stop, ended } = watch;
    let failed = |error: std::io::Error| {
        let text = format!("Cannot make room for a result: {error}");
        Exception::new(Code::UnknownException, text)
    };
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).map_err(|error| failed(error.into()))?;
    if let Err(error) = fcntl_setpipe_size(&writer, PIPE) {
        tracing::debug!(%error, "a pipe of the usual size");
    }
    let path = format!("/proc/self/fd/{}", writer.as_raw_fd());
    let directed = into_file(text, &path, format);
    let reader = File::from(reader);
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new()
            .name("engine-result".to_owned())
            .spawn_scoped(scope, move || {
                let passed = pass_on(reader, output);
                if passed.is_err() {
                    stop();
                }
                passed
            })
            .map_err(failed)?;
        let result = connection.query(&directed, format, params);
        if let Ok(result) = &result {
            ended(result.stats());
        }
        // The last writer: now the reader comes to the end.
        drop(writer);
        match reading.join() {
            Ok(passed) => passed?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        Ok(result?.stats())
    })
}

fn pass_on(mut reader: File, output: &mut Output) -> Result<(), Stop> {
    let mut piece = vec![0; PIECE];
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(length) => output.write(piece.get(..length).unwrap_or_default())?,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => {
                let text = format!("Cannot read a result: {error}");
                return Err(Exception::new(Code::UnknownException, text).into());
            }
        }
    }
}
