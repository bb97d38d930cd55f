//! Conversions that follow from another one.

use crate::lab::Lab;
use crate::postback::{conversion, member};

/// What follows from a conversion is put where that one is, whatever click it names itself.
#[tokio::test]
async fn a_conversion_that_follows_from_another_goes_where_that_one_is() {
    let lab = Lab::start();
    let click = lab.click().await;
    lab.store.take();
    for (query, parent_goal) in [
        ("txid=o-1&parent=ld-1", "lead_sold"),
        (
            "txid=o-1&parent=ld-1&parent_goal=policy_renewed",
            "policy_renewed",
        ),
    ] {
        let query = format!("click_id={click}&goal=policy_bound&{query}");
        let answer = lab.postback(&query).await;
        assert_eq!(member(&answer.body, "result").unwrap(), "\"accepted\"");
        let records = lab.store.take();
        let [appended] = records.as_slice() else {
            panic!("not one record")
        };
        let of = store::key::order("auto-us", parent_goal, "ld-1");
        assert_eq!(
            appended.key,
            store::key::identity(&store::Identity::Key(of))
        );
        let (_, conversion) = conversion(appended);
        assert_eq!(
            (conversion.parent.as_str(), conversion.parent_goal.as_str()),
            ("ld-1", parent_goal)
        );
    }
    for (query, code) in [
        ("parent=ld-1&parent_goal=nothing", "unknown"),
        ("parent_goal=policy_renewed", "conflict"),
    ] {
        let query = format!("goal=policy_bound&txid=o-2&{query}");
        let answer = lab.postback(&query).await;
        assert_eq!(answer.status, 422, "{answer:?}");
        assert!(answer.body.contains(code), "{answer:?}");
    }
}
