//! What a user's profile makes of the settings in a URL: limits come first and may only be lowered, and one who
//! only reads may say how, not what else the engine should do.

use crate::exception::{Code, Exception};
use crate::request::Access;
use crate::users::Known;

/// Settings of a reader, by how their names begin: limits, the form of results, how to join and group.
const READERS: [&str; 12] = [
    "max_",
    "min_",
    "timeout_",
    "output_format_",
    "date_time_",
    "join_",
    "group_by_",
    "optimize_",
    "async_insert",
    "insert_quorum",
    // What clickhouse-go says of the blocks it reads.
    "network_",
    "cancel_http_readonly_queries_on_client_close",
];
/// And by how they end.
const READERS_TOO: [&str; 4] = [
    "_overflow_mode",
    "session_timezone",
    "extremes",
    "log_comment",
];

/// The settings for the engine, in their order.
pub(crate) fn settings(
    user: &Known,
    asked: Vec<(String, String)>,
) -> Result<Vec<(String, String)>, Exception> {
    for (name, value) in &asked {
        if let Some((_, most)) = user.limits.iter().find(|(limited, _)| limited == name)
            && !within(value, *most)
        {
            let text = format!("Setting {name} shouldn't be greater than {most}");
            return Err(Exception::new(Code::SettingConstraintViolation, text));
        }
        if user.access == Access::ReadOnly && !is_a_readers(name) {
            let text = format!("Cannot modify '{name}' setting in readonly mode");
            return Err(Exception::new(Code::Readonly, text));
        }
    }
    let limits = user.limits.iter();
    let limits = limits.map(|(name, most)| ((*name).to_owned(), most.to_string()));
    Ok(limits.chain(asked).collect())
}

/// Whether a value is below a limit, where 0 is none. What is no number at all the engine refuses.
fn within(value: &str, most: u64) -> bool {
    match value.parse::<u64>() {
        Ok(0) => false,
        Ok(value) => value <= most,
        Err(_) => {
            let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
            let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
            let some = whole
                .bytes()
                .chain(fraction.bytes())
                .any(|byte| byte != b'0');
            let below = whole.parse::<u64>().is_ok_and(|whole| whole < most);
            digits(fraction) && some && below
        }
    }
}

fn is_a_readers(name: &str) -> bool {
    READERS.iter().any(|start| name.starts_with(start))
        || READERS_TOO.iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(access: Access, name: &str, value: &str) -> Result<Vec<(String, String)>, u32> {
        let user = Known {
            name: "reader".to_owned(),
            access,
            limits: vec![("max_execution_time", 10)],
            most_queries: None,
        };
        settings(&user, vec![(name.to_owned(), value.to_owned())]).map_err(|error| error.code())
    }

    #[test]
    fn limits_come_first_and_are_only_lowered() {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let limit = pair("max_execution_time", "10");
        assert_eq!(
            check(Access::ReadWrite, "max_execution_time", "9.5"),
            Ok(vec![limit.clone(), pair("max_execution_time", "9.5")])
        );
        for above in [
            "0", "11", "10.5", "0.0", "-1", "1e9", "inf", "auto", "4.2.1",
        ] {
            for access in [Access::ReadWrite, Access::ReadOnly] {
                let refused = check(access, "max_execution_time", above);
                assert_eq!(refused, Err(452), "{above}");
            }
        }
    }

    #[test]
    fn a_reader_says_only_how_it_reads() {
        for name in [
            "max_threads",
            "output_format_json_quote_64bit_integers",
            "read_overflow_mode",
            "session_timezone",
        ] {
            assert!(check(Access::ReadOnly, name, "1").is_ok(), "{name}");
        }
        for name in [
            "format_template_row",
            "format_schema",
            "input_format_record_errors_file_path",
            "allow_introspection_functions",
            "allow_ddl",
        ] {
            assert_eq!(check(Access::ReadOnly, name, "1"), Err(164), "{name}");
            assert!(check(Access::ReadWrite, name, "1").is_ok(), "{name}");
        }
    }
}
