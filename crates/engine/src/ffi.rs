//! The C interface of libchdb behind safe types: the only unsafe code of the project.
//!
//! The library is opened at run time and never closed: the engine keeps threads of its own and may
//! start only once per process. Every call blocks, so callers run on threads made for blocking.

#![expect(
    unsafe_code,
    reason = "the engine is a C library; nothing outside this module is unsafe"
)]

use std::collections::HashSet;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io;
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use thiserror::Error;

/// Why the engine could not be loaded or connected.
#[derive(Debug, Error)]
pub enum LoadError {
    #[error("cannot load the ClickHouse engine: {0}")]
    Library(#[from] libloading::Error),
    #[error("the engine refused to open the data directory; its own messages are above")]
    Connect,
    #[error("a connection argument holds a NUL byte")]
    Argument,
}

/// An error text of the engine as it gave it, mostly `Code: 62. DB::Exception: ..`.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct EngineError(pub String);

/// What the engine's own parser says about a statement, without running it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Analysis {
    /// 0 when the text does not parse.
    pub statements: u32,
    pub class: QueryClass,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QueryClass {
    ReadOnly,
    Mutating,
    Control,
    Unknown,
}

/// Rows and bytes a statement moved, and for how long, for `X-ClickHouse-Summary`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Stats {
    pub read_rows: u64,
    pub read_bytes: u64,
    pub written_rows: u64,
    pub written_bytes: u64,
    /// Of the result.
    pub result_rows: u64,
    pub result_bytes: u64,
    pub elapsed: Duration,
}

/// Query parameters for `{name:Type}` placeholders.
pub(crate) type Params = [(String, String)];

type RawResult = *mut c_void;
type RawConnection = *mut c_void;
type RawInsert = *mut c_void;
/// `CHDBSuccess`
const SUCCESS: c_int = 0;

#[repr(C)]
struct RawAnalysis {
    struct_size: u32,
    statement_count: u32,
    flags: u32,
    query_class: u32,
}

type StartWithParams = unsafe extern "C" fn(
    RawConnection,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> *mut c_void;

/// The entry points used, as declared by `chdb.h` of the pinned version.
struct Symbols {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut RawConnection,
    close_conn: unsafe extern "C" fn(*mut RawConnection),
    query: StartWithParams,
    stream_query: StartWithParams,
    stream_fetch: unsafe extern "C" fn(RawConnection, RawResult) -> RawResult,
    stream_cancel: unsafe extern "C" fn(RawConnection, RawResult),
    destroy_result: unsafe extern "C" fn(RawResult),
    insert: StartWithParams,
    insert_append: unsafe extern "C" fn(RawInsert, *const c_void, usize) -> c_int,
    insert_done: unsafe extern "C" fn(RawInsert) -> RawResult,
    insert_cancel: unsafe extern "C" fn(RawInsert),
    insert_error: unsafe extern "C" fn(RawInsert) -> *const c_char,
    destroy_insert: unsafe extern "C" fn(RawInsert),
    result_buffer: unsafe extern "C" fn(RawResult) -> *mut c_char,
    result_length: unsafe extern "C" fn(RawResult) -> usize,
    result_error: unsafe extern "C" fn(RawResult) -> *const c_char,
    result_rows_read: unsafe extern "C" fn(RawResult) -> u64,
    result_bytes_read: unsafe extern "C" fn(RawResult) -> u64,
    result_rows: unsafe extern "C" fn(RawResult) -> u64,
    result_bytes: unsafe extern "C" fn(RawResult) -> u64,
    result_elapsed: unsafe extern "C" fn(RawResult) -> f64,
    result_rows_written: unsafe extern "C" fn(RawResult) -> u64,
    result_bytes_written: unsafe extern "C" fn(RawResult) -> u64,
    classify: unsafe extern "C" fn(
        RawConnection,
        *const c_char,
        usize,
        *const c_char,
        usize,
        *mut RawAnalysis,
    ) -> c_int,
    set_signal_handlers: unsafe extern "C" fn(c_int),
}

/// The loaded library. It lives until the process ends.
#[derive(Clone, Copy)]
pub(crate) struct Library {
    symbols: &'static Symbols,
}

impl Library {
    /// Opens `libchdb.so` and switches its signal handlers off, so that SIGTERM stays ours.
    pub(crate) fn open(path: &Path) -> Result<Self, LoadError> {
        // SAFETY: loading runs the library's initialisers, which is what the operator asked for by
        // naming it; the file is the pinned build, checked against its sha512 when it was fetched.
        let library: &'static libloading::Library =
            Box::leak(Box::new(unsafe { libloading::Library::new(path) }?));
        macro_rules! symbol {
            ($name:literal) => {
                // SAFETY: each field's type is that of the C declaration of this name in the
                // pinned version's header; the library is never unloaded.
                *unsafe { library.get($name) }?
            };
        }
        let symbols: &'static Symbols = Box::leak(Box::new(Symbols {
            connect: symbol!(b"chdb_connect\0"),
            close_conn: symbol!(b"chdb_close_conn\0"),
            query: symbol!(b"chdb_query_with_params_n\0"),
            stream_query: symbol!(b"chdb_stream_query_with_params_n\0"),
            stream_fetch: symbol!(b"chdb_stream_fetch_result\0"),
            stream_cancel: symbol!(b"chdb_stream_cancel_query\0"),
            destroy_result: symbol!(b"chdb_destroy_query_result\0"),
            insert: symbol!(b"chdb_stream_insert_with_params_n\0"),
            insert_append: symbol!(b"chdb_stream_append\0"),
            insert_done: symbol!(b"chdb_stream_done\0"),
            insert_cancel: symbol!(b"chdb_stream_cancel_insert\0"),
            insert_error: symbol!(b"chdb_stream_insert_error\0"),
            destroy_insert: symbol!(b"chdb_destroy_insert_stream\0"),
            result_buffer: symbol!(b"chdb_result_buffer\0"),
            result_length: symbol!(b"chdb_result_length\0"),
            result_error: symbol!(b"chdb_result_error\0"),
            result_rows_read: symbol!(b"chdb_result_storage_rows_read\0"),
            result_bytes_read: symbol!(b"chdb_result_storage_bytes_read\0"),
            result_rows: symbol!(b"chdb_result_rows_read\0"),
            result_bytes: symbol!(b"chdb_result_bytes_read\0"),
            result_elapsed: symbol!(b"chdb_result_elapsed\0"),
            result_rows_written: symbol!(b"chdb_result_rows_written\0"),
            result_bytes_written: symbol!(b"chdb_result_bytes_written\0"),
            classify: symbol!(b"chdb_classify_query_n\0"),
            set_signal_handlers: symbol!(b"chdb_set_signal_handlers_enabled\0"),
        }));
        // SAFETY: takes a flag, touches process-wide signal state only; no connection exists yet.
        unsafe { (symbols.set_signal_handlers)(0) };
        Ok(Self { symbols })
    }

    /// Opens a connection. The first one boots the engine and keeps its server options; further
    /// ones must name the same `--path`.
    pub(crate) fn connect(&self, arguments: &[String]) -> Result<Connection, LoadError> {
        let arguments: Vec<CString> = std::iter::once("clickhouse".to_owned())
            .chain(arguments.iter().cloned())
            .map(|argument| CString::new(argument).map_err(|_| LoadError::Argument))
            .collect::<Result<_, _>>()?;
        let mut pointers: Vec<*mut c_char> = arguments
            .iter()
            .map(|argument| argument.as_ptr().cast_mut())
            .collect();
        let count = c_int::try_from(pointers.len()).map_err(|_| LoadError::Argument)?;
        // SAFETY: `pointers` holds `count` NUL-terminated strings that outlive the call; the
        // engine copies what it keeps and does not write through them.
        let handle = unsafe { (self.symbols.connect)(count, pointers.as_mut_ptr()) };
        let handle = NonNull::new(handle).ok_or(LoadError::Connect)?;
        // SAFETY: a non-null result points at a live connection value.
        if unsafe { *handle.as_ptr() }.is_null() {
            return Err(LoadError::Connect);
        }
        Ok(Connection {
            symbols: self.symbols,
            handle,
        })
    }
}

/// One session of the engine. It runs one statement at a time, which `&mut self` says.
pub(crate) struct Connection {
    symbols: &'static Symbols,
    handle: NonNull<RawConnection>,
}

// SAFETY: the engine binds no connection to a thread (each call attaches the calling thread for
// its duration); it only forbids two calls at once, and `&mut self` rules those out.
unsafe impl Send for Connection {}

impl Connection {
    fn raw(&self) -> RawConnection {
        // SAFETY: the handle came from `connect` and is closed only by `drop`.
        unsafe { *self.handle.as_ptr() }
    }

    fn start(
        &mut self,
        entry: StartWithParams,
        sql: &[u8],
        format: &str,
        params: &Params,
    ) -> *mut c_void {
        let names: Vec<*const c_char> = params
            .iter()
            .map(|(name, _)| name.as_ptr().cast())
            .collect();
        let name_lens: Vec<usize> = params.iter().map(|(name, _)| name.len()).collect();
        let values: Vec<*const c_char> = params
            .iter()
            .map(|(_, value)| value.as_ptr().cast())
            .collect();
        let value_lens: Vec<usize> = params.iter().map(|(_, value)| value.len()).collect();
        // SAFETY: every pointer comes with its length and outlives the call (the engine copies
        // them); the four arrays have `params.len()` members each.
        unsafe {
            entry(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                names.as_ptr(),
                name_lens.as_ptr(),
                values.as_ptr(),
                value_lens.as_ptr(),
                params.len(),
            )
        }
    }

    /// Runs a statement and holds its whole result: for statements with small ones.
    pub(crate) fn query(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &Params,
    ) -> Result<Chunk, EngineError> {
        let raw = self.start(self.symbols.query, sql, format, params);
        Chunk::checked(self.symbols, raw)
    }

    /// Starts a statement whose result is fetched in chunks.
    pub(crate) fn stream(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &Params,
    ) -> Result<ResultStream<'_>, EngineError> {
        let raw = self.start(self.symbols.stream_query, sql, format, params);
        let handle = Chunk::checked(self.symbols, raw)?;
        Ok(ResultStream {
            connection: self,
            handle,
            ended: false,
        })
    }

    /// Starts an INSERT whose rows follow in chunks; `sql` has neither FORMAT nor data.
    pub(crate) fn insert(
        &mut self,
        sql: &[u8],
        format: &str,
        params: &Params,
    ) -> Result<InsertStream<'_>, EngineError> {
        let raw = self.start(self.symbols.insert, sql, format, params);
        let raw = NonNull::new(raw)
            .ok_or_else(|| EngineError("the engine gave no insert stream".to_owned()))?;
        let stream = InsertStream {
            connection: self,
            raw,
        };
        match stream.error() {
            Some(error) => Err(error),
            None => Ok(stream),
        }
    }

    /// Asks the engine's parser what `sql` is. Text that does not parse is `Unknown`.
    pub(crate) fn analyse(&mut self, sql: &[u8]) -> Analysis {
        let mut report = RawAnalysis {
            struct_size: size_of::<RawAnalysis>() as u32,
            statement_count: 0,
            flags: 0,
            query_class: u32::MAX,
        };
        // SAFETY: `sql` comes with its length; `report` states its own size, and the engine fills
        // no more than that.
        let state = unsafe {
            (self.symbols.classify)(
                self.raw(),
                sql.as_ptr().cast(),
                sql.len(),
                std::ptr::null(),
                0,
                &raw mut report,
            )
        };
        if state != SUCCESS {
            return Analysis {
                statements: 0,
                class: QueryClass::Unknown,
            };
        }
        let class = match report.query_class {
            0 => QueryClass::ReadOnly,
            1 | 2 => QueryClass::Mutating,
            3 => QueryClass::Control,
            _ => QueryClass::Unknown,
        };
        Analysis {
            statements: report.statement_count,
            class,
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: streams borrow the connection, so none is left; the handle is not used again.
        unsafe { (self.symbols.close_conn)(self.handle.as_ptr()) };
    }
}

/// A result, or one chunk of one.
pub(crate) struct Chunk {
    symbols: &'static Symbols,
    raw: NonNull<c_void>,
}

impl Chunk {
    fn checked(symbols: &'static Symbols, raw: RawResult) -> Result<Self, EngineError> {
        let raw =
            NonNull::new(raw).ok_or_else(|| EngineError("the engine gave no result".to_owned()))?;
        let chunk = Self { symbols, raw };
        // SAFETY: the result is live until `drop`.
        let error = unsafe { (symbols.result_error)(raw.as_ptr()) };
        match text(error) {
            Some(error) => Err(error),
            None => Ok(chunk),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the result is live; its buffer has `length` bytes and goes only with the result.
        unsafe {
            let length = (self.symbols.result_length)(self.raw.as_ptr());
            let buffer = (self.symbols.result_buffer)(self.raw.as_ptr());
            if buffer.is_null() || length == 0 {
                return &[];
            }
            std::slice::from_raw_parts(buffer.cast::<u8>(), length)
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let raw = self.raw.as_ptr();
        // SAFETY: plain getters on a live result.
        unsafe {
            Stats {
                read_rows: (self.symbols.result_rows_read)(raw),
                read_bytes: (self.symbols.result_bytes_read)(raw),
                written_rows: (self.symbols.result_rows_written)(raw),
                written_bytes: (self.symbols.result_bytes_written)(raw),
                result_rows: (self.symbols.result_rows)(raw),
                result_bytes: (self.symbols.result_bytes)(raw),
                elapsed: Duration::try_from_secs_f64((self.symbols.result_elapsed)(raw))
                    .unwrap_or_default(),
            }
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: owned by this value and freed once.
        unsafe { (self.symbols.destroy_result)(self.raw.as_ptr()) };
    }
}

/// A running statement. Dropped before its end, it is cancelled.
pub(crate) struct ResultStream<'c> {
    connection: &'c mut Connection,
    handle: Chunk,
    ended: bool,
}

impl ResultStream<'_> {
    /// The next chunk; `None` at the end.
    pub(crate) fn fetch(&mut self) -> Result<Option<Chunk>, EngineError> {
        if self.ended {
            return Ok(None);
        }
        let symbols = self.connection.symbols;
        // SAFETY: both handles are live, and `&mut` keeps any other call off this connection.
        let raw =
            unsafe { (symbols.stream_fetch)(self.connection.raw(), self.handle.raw.as_ptr()) };
        let fetched = Chunk::checked(symbols, raw);
        match fetched {
            Ok(chunk) if !chunk.bytes().is_empty() => Ok(Some(chunk)),
            Ok(_) => {
                self.ended = true;
                Ok(None)
            }
            Err(error) => {
                self.ended = true;
                Err(error)
            }
        }
    }
}

impl Drop for ResultStream<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let symbols = self.connection.symbols;
            // SAFETY: both handles are live; the result is freed by its own drop afterwards.
            unsafe { (symbols.stream_cancel)(self.connection.raw(), self.handle.raw.as_ptr()) };
        }
    }
}

/// A running INSERT. Dropped before `finish`, it is cancelled: rows not yet committed are gone.
pub(crate) struct InsertStream<'c> {
    connection: &'c mut Connection,
    raw: NonNull<c_void>,
}

impl InsertStream<'_> {
    fn error(&self) -> Option<EngineError> {
        // SAFETY: the stream is live until `drop`.
        text(unsafe { (self.connection.symbols.insert_error)(self.raw.as_ptr()) })
    }

    /// Hands over a chunk, cut anywhere; blocks while the engine is behind. `false`: the insert
    /// has failed, and `finish` says why.
    pub(crate) fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: the engine copies `data` before it returns.
        let state = unsafe {
            (self.connection.symbols.insert_append)(
                self.raw.as_ptr(),
                data.as_ptr().cast(),
                data.len(),
            )
        };
        state == SUCCESS
    }

    /// Ends the data and waits for the commit.
    pub(crate) fn finish(self) -> Result<Stats, EngineError> {
        let symbols = self.connection.symbols;
        // SAFETY: the stream is live; its handle is freed by `drop` after this.
        let raw = unsafe { (symbols.insert_done)(self.raw.as_ptr()) };
        Chunk::checked(symbols, raw).map(|result| result.stats())
    }
}

impl Drop for InsertStream<'_> {
    fn drop(&mut self) {
        let symbols = self.connection.symbols;
        // SAFETY: cancelling a finished stream does nothing; the handle is freed once, here.
        unsafe {
            (symbols.insert_cancel)(self.raw.as_ptr());
            (symbols.destroy_insert)(self.raw.as_ptr());
        }
    }
}

/// Ends the process without the library's exit handlers, which race its threads.
pub fn exit_at_once(code: i32) -> ! {
    // SAFETY: takes a number, runs nothing of ours, does not return.
    unsafe { libc::_exit(code) }
}

/// Lets every other process go first: the threads of this one, and those that they will start, run when a core has
/// nothing else to do, and stop at once when it has. Of the disk they keep their share: the class that comes with such
/// a policy waits for seconds while others use it.
///
/// # Errors
/// The system does not allow it, or new threads are found at every look.
pub fn run_when_idle() -> io::Result<()> {
    let mut told = HashSet::new();
    // Threads that one of the last look started meanwhile are found by the next.
    for _ in 0..LOOKS {
        let before = told.len();
        for thread in std::fs::read_dir("/proc/self/task")? {
            let name = thread?.file_name();
            let id = name.to_str().and_then(|name| name.parse().ok());
            if let Some(id) = id.filter(|id| told.insert(*id)) {
                thread_runs_when_idle(id)?;
            }
        }
        if told.len() == before {
            return Ok(());
        }
    }
    Err(io::Error::other(format!(
        "new threads were found at each of {LOOKS} looks"
    )))
}

/// Two looks are enough if no thread starts meanwhile.
const LOOKS: u32 = 100;

fn thread_runs_when_idle(thread: libc::pid_t) -> io::Result<()> {
    let priority = libc::sched_param { sched_priority: 0 };
    // SAFETY: the struct is whole and is only read.
    done(unsafe {
        libc::sched_setscheduler(thread, libc::SCHED_IDLE, &raw const priority).into()
    })?;
    // SAFETY: takes numbers.
    done(unsafe {
        libc::syscall(
            libc::SYS_ioprio_set,
            OF_A_THREAD,
            thread,
            LAST_OF_BEST_EFFORT,
        )
    })
}

/// As `linux/ioprio.h` has them: class 2, level 7.
const OF_A_THREAD: c_int = 1;
const LAST_OF_BEST_EFFORT: c_int = 2 << 13 | 7;

/// What a call about a thread, which may have ended, came to.
fn done(returned: libc::c_long) -> io::Result<()> {
    match io::Error::last_os_error() {
        error if returned == -1 && error.raw_os_error() != Some(libc::ESRCH) => Err(error),
        _ => Ok(()),
    }
}

/// An error text of the library; null and empty mean none.
fn text(pointer: *const c_char) -> Option<EngineError> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: a non-null error is a NUL-terminated string owned by a live handle; copied here.
    let text = unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned();
    (!text.is_empty()).then_some(EngineError(text))
}
