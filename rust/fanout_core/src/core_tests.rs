//! The promises, as far as one core alone shows them; the contract tests in Python show them on both cores.

use std::thread;

use super::*;

fn core(limits: (i64, i64, i64)) -> Core {
    Core::new(
        Limits::new(limits.0, limits.1, limits.2).unwrap(),
        Clock::system(),
    )
}

fn somebody(tenant: i64, keys: &[&str]) -> Identity {
    Identity {
        tenant,
        keys: keys.iter().map(|key| (*key).into()).collect(),
        expires_at: None,
        label: Box::default(),
        check_every: None,
    }
}

fn member(room: (i64, i64), audiences: &[&'static str]) -> RawMembership<&'static str> {
    RawMembership {
        room,
        audiences: audiences.to_vec(),
    }
}

type Event = Submission<&'static str, &'static [u8]>;

fn event(room: (i64, i64), audiences: &[&'static str]) -> Event {
    Submission {
        room,
        audiences: audiences.to_vec(),
        payload: b"1",
        position: None,
        origin: None,
        watch: 0,
    }
}

fn ticket(core: &Core, event: Event) -> i64 {
    match core.submit_many(&[event]).unwrap()[..] {
        [Admission::Ticket(ticket, _)] => ticket.0,
        ref other => panic!("expected a ticket, got {other:?}"),
    }
}

fn reached(core: &Core, ticket: i64) -> Vec<i64> {
    let mut ids: Vec<_> = core
        .recipients(ticket)
        .unwrap()
        .into_iter()
        .map(ConnectionId::get)
        .collect();
    ids.sort_unstable();
    ids
}

#[test]
fn an_event_reaches_its_audience_once_and_no_other_tenant() {
    let core = core((0, 0, 0));
    for (id, tenant) in [(1, 1), (2, 1), (3, 2)] {
        core.attach(
            id,
            &[member((tenant, 5), &["w", "k"])],
            somebody(tenant, &[]),
            &[],
        )
        .unwrap();
    }
    let ticket = ticket(&core, event((1, 5), &["k", "w", "unknown"]));
    assert_eq!(reached(&core, ticket), [1, 2]);
}

#[test]
fn who_comes_later_gets_nothing_and_who_leaves_gets_nothing_more() {
    let core = core((0, 0, 0));
    core.attach(1, &[member((1, 5), &["w"])], somebody(1, &[]), &[])
        .unwrap();
    core.attach(2, &[member((1, 5), &["w"])], somebody(1, &[]), &[])
        .unwrap();
    let ticket = ticket(&core, event((1, 5), &["w"]));
    core.attach(3, &[member((1, 5), &["w"])], somebody(1, &[]), &[])
        .unwrap();
    assert_eq!(reached(&core, ticket), [1, 2]);
    core.leave(1);
    assert_eq!(reached(&core, ticket), [2]);
    assert_eq!(core.still_entitled(ticket, 1), Ok(false));
    assert_eq!(core.still_entitled(ticket, 2), Ok(true));
    core.move_to(2, &[member((1, 5), &["w", "k"])], &[])
        .unwrap();
    assert_eq!(reached(&core, ticket), [2], "what stays keeps its place");
    core.move_to(2, &[member((1, 5), &["k"])], &[]).unwrap();
    core.move_to(2, &[member((1, 5), &["w"])], &[]).unwrap();
    assert!(
        reached(&core, ticket).is_empty(),
        "who comes back begins anew"
    );
}

#[test]
fn a_name_first_used_after_the_submit_reaches_nobody() {
    let core = core((0, 0, 0));
    core.attach(1, &[member((1, 5), &["w"])], somebody(1, &[]), &[])
        .unwrap();
    let ticket = ticket(&core, event((1, 5), &["k"]));
    core.attach(2, &[member((1, 5), &["k"])], somebody(1, &[]), &[])
        .unwrap();
    assert!(reached(&core, ticket).is_empty());
}

#[test]
fn a_refused_room_stays_refused_within_the_batch_only() {
    let core = core((0, 10, 1));
    for (id, branch) in [(1, 5), (2, 6)] {
        core.attach(id, &[member((1, branch), &["w"])], somebody(1, &[]), &[])
            .unwrap();
    }
    let big = Submission {
        payload: &b"12345678901"[..],
        ..event((1, 5), &["w"])
    };
    let answers = core
        .submit_many(&[
            big,
            event((1, 5), &["w"]),
            event((1, 6), &["w"]),
            event((1, 7), &["w"]),
        ])
        .unwrap();
    assert!(matches!(
        answers[..],
        [
            Admission::Refused,
            Admission::Refused,
            Admission::Ticket(..),
            Admission::Nobody
        ]
    ));
    assert_eq!((core.stats().submitted, core.stats().refused), (2, 2));
    ticket(&core, event((1, 5), &["w"]));
}

#[test]
fn a_malformed_item_admits_nothing_of_its_batch() {
    let core = core((0, 0, 0));
    core.attach(1, &[member((1, 5), &["w"])], somebody(1, &[]), &[])
        .unwrap();
    let bad = Submission {
        position: Some("1-1/0123abcd"),
        ..event((1, 5), &["w"])
    };
    assert_eq!(
        core.submit_many(&[event((1, 5), &["w"]), bad]),
        Err(Error::NotAnObject)
    );
    assert_eq!(core.stats().broadcasts_in_flight, 0);
}

#[test]
fn nothing_is_left_of_those_who_left() {
    let core = core((0, 0, 0));
    for id in 1..=50 {
        let rooms = [member((1, 5), &["w", "k"]), member((1, 6), &["w"])];
        core.attach(id, &rooms, somebody(1, &["user:1", "user:1"]), &[])
            .unwrap();
    }
    assert_eq!(core.count(1, "user:1"), 50);
    let ticket = ticket(&core, event((1, 5), &["w"]));
    for id in 1..=50 {
        core.leave(id);
    }
    core.finish(ticket, Some(Reach::default())).unwrap();
    assert_eq!(
        core.finish(ticket, Some(Reach::default())),
        Err(Error::NoTicket(ticket))
    );
    assert!(core.audiences.is_empty());
    assert_eq!(core.count(1, "user:1"), 0);
    let expected = Snapshot {
        submitted: 1,
        ..Snapshot::default()
    };
    assert_eq!(core.stats(), expected);
}

#[test]
fn listing_goes_on_where_it_stopped() {
    let core = core((0, 0, 0));
    for id in 1..=5 {
        let tenant = 1 + id % 2;
        core.attach(
            id,
            &[member((tenant, 5), &["w"])],
            somebody(tenant, &[]),
            &[],
        )
        .unwrap();
    }
    let ids = |tenant, cursor, limit| {
        let (page, next) = core.list(tenant, cursor, limit).unwrap();
        (
            page.iter()
                .map(|info| info.connection.get())
                .collect::<Vec<_>>(),
            next,
        )
    };
    assert_eq!(ids(None, 0, 2), (vec![1, 2], 2));
    assert_eq!(ids(None, 2, 3), (vec![3, 4, 5], 0));
    assert_eq!(ids(Some(2), 0, 2), (vec![1, 3], 3));
    assert_eq!(ids(Some(2), 3, 2), (vec![5], 0));
    for cursor in [5, i64::MAX] {
        assert_eq!(ids(Some(2), cursor, 9), (vec![], 0));
        assert_eq!(ids(None, cursor, 9), (vec![], 0));
    }
    assert_eq!(ids(Some(i64::MAX), -1, 9), (vec![], 0));
    assert_eq!(core.list(None, 0, 0).unwrap_err(), Error::ListLimit(0));
}

/// Joins, leaves and broadcasts of one room from several threads: a ticket never reaches a stay that began after it.
#[test]
fn threads_agree_on_the_order_of_a_room() {
    let core = core((0, 0, 0));
    core.attach(1, &[member((1, 5), &["w"])], somebody(1, &[]), &[])
        .unwrap();
    thread::scope(|scope| {
        for from in [100, 200] {
            let core = &core;
            scope.spawn(move || {
                for id in from..from + 50 {
                    core.attach(id, &[member((1, 5), &["w"])], somebody(1, &["user:1"]), &[])
                        .unwrap();
                    let mine = ticket(core, event((1, 5), &["w"]));
                    assert_eq!(core.still_entitled(mine, id), Ok(true));
                    assert_eq!(core.still_entitled(mine, 1), Ok(true));
                    core.leave(id);
                    assert!(!reached(core, mine).contains(&id));
                    core.attach(id + 1_000, &[member((1, 5), &["w"])], somebody(1, &[]), &[])
                        .unwrap();
                    assert!(!reached(core, mine).contains(&(id + 1_000)));
                    core.finish(mine, Some(Reach::default())).unwrap();
                }
            });
        }
    });
    assert_eq!(core.stats().connections, 101);
    assert_eq!(core.stats().broadcasts_in_flight, 0);
}
