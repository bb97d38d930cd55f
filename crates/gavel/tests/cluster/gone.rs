//! A router that is killed for good while a cap fills: no unit is sold twice, none is lost, and its leads
//! end through the other.

use std::sync::Arc;
use std::time::Instant;

use crate::load::{Taken, all, settle, under_load};
use crate::town::{PATIENCE, Town};

const CAP: u64 = 1000;
const LEADS: u32 = 1800;
/// So many at a time come when all others have ended, for units that were given back.
const LATE: usize = 200;
const SOLD: &str = "SELECT count() FROM v_leads WHERE status = 'sold'";
/// Answers after which one router is no more.
const KILLED_AFTER: usize = 400;

const CATALOG: &str = r#"
[campaigns.capped]
schema = "auto-insurance"
tmax = "4s"
tmax_ceiling = "5s"
[campaigns.capped.publishers]
alpha-media = { margin = "20%" }
[contracts.capped-buyer]
campaign = "capped"
buyer = "buyer-01"
ping = "none"
price = { fixed = "10.00" }
caps = [{ window = "total", leads = 1000 }]
post_url = "${sandbox_01:-http://127.0.0.1:9801}/post"
post_timeout = "2s"
"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cap_is_met_to_the_unit_though_a_router_dies() {
    let Some(town) = Town::found(CATALOG) else {
        return;
    };
    let stays = town.node("stays", &[]).await;
    let goes = town.node("goes", &["router"]).await;
    let nodes = Arc::new([stays, goes]);

    let mut taken = Taken::default();
    let hears = |_| assert!(taken.by_now(&town) <= CAP);
    let leads = ("capped", 0..LEADS);
    let killed = nodes[1].kill_when_shipped();
    let (mut told, ()) = under_load(&nodes, leads, (KILLED_AFTER, hears), killed).await;
    settle(&town, &nodes[0], told.len()).await;
    assert!(taken.by_now(&town) <= CAP);

    // Whatever came to nothing, and however late, gives its unit back to who comes then: none stays away for good.
    let began = Instant::now();
    let mut late = LEADS..;
    while town.count(SOLD).await < CAP {
        assert!(
            began.elapsed() < PATIENCE,
            "units are lost\n{}",
            nodes[0].log()
        );
        let persons = late.by_ref().take(LATE);
        told.extend(all(&nodes, "capped", persons, |_| {}).await);
        settle(&town, &nodes[0], told.len()).await;
    }
    town.until(SOLD, CAP).await;
    assert_eq!(taken.by_now(&town), CAP);
}
