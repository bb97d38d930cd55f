//! Heads of requests to the embedded engine: parameters, headers, credentials, forms.

pub(crate) fn run(data: &[u8]) {
    engine::fuzzing::request(data);
}
