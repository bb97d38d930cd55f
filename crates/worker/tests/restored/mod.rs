//! Tables that were restored from a backup hold less than the log says was written: it is read again.

use std::time::Duration;

use domain::Clock as _;
use store::{Backend as _, Claims as _};
use worker::READ_AGAIN;

use super::{conversion, lead, missing, one_of_each};
use crate::world::{World, start};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn tables_that_lost_rows_long_ago_are_what_they_were_once_the_log_is_read_again() {
    let world = World::new(start(), 3);
    one_of_each(&world, 1).await;
    world.catch_up().await;
    let backup = world.tables.clone().all();
    for n in 2..5 {
        one_of_each(&world, n).await;
    }
    for record in lead(5, true, true) {
        world.lead(&record).await;
    }
    // A conversion of before the backup is taken back after it.
    world.event(&conversion(1, 1, 1, "rejected", 20)).await;
    world.audit().await;
    let all = world.tables.all();
    let leads = world.tables.of("leads").len();
    assert!(leads == 5 && backup.len() < all.len());

    // By now the store has forgotten the leads, which ended days ago.
    world.clock.move_to(world.clock.wall().plus(3 * DAY));
    world.local.snapshot().await.unwrap();
    let world = world.restart();
    world.tables.put_back(&backup);
    world.audit().await;
    let kept = backup.len();
    assert_eq!(world.tables.all().len(), kept, "nobody reads what was read");
    let world = world.restart();
    world.local.read_again(&READ_AGAIN).unwrap();
    world.audit().await;
    assert_eq!(world.tables.all(), all);
    assert_eq!(missing(&world), []);
    // And nothing of it counts again.
    for partition in 0..4 {
        assert!(
            world
                .local
                .claims()
                .open(partition)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
