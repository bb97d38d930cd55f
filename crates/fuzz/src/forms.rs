//! Forms and query strings, as postbacks and links send them.

pub(crate) fn run(data: &[u8]) {
    let pairs: Vec<_> = httpd::form::pairs(data).collect();
    assert!(pairs.len() <= data.len());
    // Decoding makes nothing longer than the escapes of its bytes, U+FFFD being three bytes.
    let decoded: usize = pairs
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!(decoded <= 3 * data.len());
    // What was decoded and is plain reads as itself.
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    for (name, value) in pairs
        .iter()
        .filter(|(name, value)| plain(name) && plain(value))
    {
        let text = format!("{name}={value}");
        let again: Vec<_> = httpd::form::pairs(text.as_bytes()).collect();
        assert_eq!(again, [(name.clone(), value.clone())]);
    }
}
