//! What routers learnt lately.

use proto::{DoorNews, LatelyNews, PostsNews};
use store::{Backend, Heard, LEASE, Lately, Member, Told};

use super::Harness;

const DOOR: &str = "post/acme";

fn hour<H: Harness>(harness: &H) -> i64 {
    harness.now().as_micros() / 3_600_000_000
}

fn turned(opened_us: i64, until_us: i64) -> DoorNews {
    DoorNews {
        door: DOOR.to_owned(),
        opened_us,
        until_us,
        times: 1,
        ..DoorNews::default()
    }
}

fn told(doors: Vec<DoorNews>, posts: Vec<PostsNews>) -> Told {
    Told {
        news: LatelyNews { doors, posts },
        ..Told::default()
    }
}

fn wants() -> Told {
    Told {
        wants: vec![DOOR.to_owned()],
        ..Told::default()
    }
}

/// All news as one.
fn all(heard: Heard) -> LatelyNews {
    let mut all = LatelyNews::default();
    for news in heard.news {
        all.doors.extend(news.doors);
        all.posts.extend(news.posts);
    }
    all
}

/// Once, by all the others, in order.
pub async fn what_one_tells_the_others_hear<H: Harness>(harness: &mut H) {
    let lately = harness.store().lately();
    let (mut one, mut other) = (lately.join(), lately.join());
    for member in [&mut one, &mut other] {
        let first = member.exchange(Told::default()).await.unwrap();
        assert_eq!(all(first), LatelyNews::default());
    }
    let failed = DoorNews {
        door: DOOR.to_owned(),
        answered: 2,
        failed: 3,
        ..DoorNews::default()
    };
    let news = [failed, turned(7, 9), turned(7, 0)];
    for door in &news {
        let heard = one.exchange(told(vec![door.clone()], Vec::new())).await;
        assert_eq!(all(heard.unwrap()), LatelyNews::default(), "its own");
    }
    let heard = all(other.exchange(Told::default()).await.unwrap());
    assert_eq!(heard.doors, news);
    let again = all(other.exchange(Told::default()).await.unwrap());
    assert_eq!(again, LatelyNews::default());
}

/// Which doors are open, and how posts went.
pub async fn who_comes_later_hears_what_is_known<H: Harness>(harness: &mut H) {
    let lately = harness.store().lately();
    let posts = |answered, rejected| PostsNews {
        contract: "acme".to_owned(),
        hour: hour(harness),
        answered,
        rejected,
    };
    let mut one = lately.join();
    let open = told(vec![turned(7, 9)], vec![posts(3, 1)]);
    one.exchange(open).await.unwrap();
    one.exchange(told(Vec::new(), vec![posts(2, 0)]))
        .await
        .unwrap();
    let heard = all(lately.join().exchange(Told::default()).await.unwrap());
    assert!(heard.doors.contains(&turned(7, 9)), "{heard:?}");
    let counts = |of: fn(&PostsNews) -> u32| heard.posts.iter().map(of).sum::<u32>();
    assert_eq!(counts(|posts| posts.answered), 5);
    assert_eq!(counts(|posts| posts.rejected), 1);
    assert!(heard.posts.iter().all(|posts| posts.hour == hour(harness)));
}

/// Until it has probed, or has not asked again for a while.
pub async fn one_at_a_time_has_leave_to_probe<H: Harness>(harness: &mut H) {
    let lately = harness.store().lately();
    let (mut one, mut other) = (lately.join(), lately.join());
    let leave = async |heard: Result<Heard, _>| heard.unwrap().leave;
    assert_eq!(leave(one.exchange(wants()).await).await, [DOOR]);
    assert_eq!(leave(one.exchange(wants()).await).await, [DOOR]);
    assert_eq!(leave(other.exchange(wants()).await).await, [""; 0]);
    // Its probe has ended.
    one.exchange(told(vec![turned(7, 9)], Vec::new()))
        .await
        .unwrap();
    assert_eq!(leave(other.exchange(wants()).await).await, [DOOR]);
    assert_eq!(leave(one.exchange(wants()).await).await, [""; 0]);
    // It is not heard of any more.
    harness.advance(LEASE).await;
    let waited = async {
        while leave(one.exchange(wants()).await).await.is_empty() {
            tokio::time::sleep(LEASE / 50).await;
        }
    };
    tokio::time::timeout(super::SOON, waited).await.unwrap();
}
