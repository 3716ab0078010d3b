//! History for those who resume, page by page.

use std::sync::Arc;

use fanout_core::error::Error;
use fanout_core::reactor::PageEntry;

use super::ward::Resume;
use super::world::World;
use super::{Checked, ensure};

const SIZES: [usize; 8] = [1, 100, 1_000, 5_000, 200, 20_000, 64_000, 3];

impl World {
    /// Give somebody a page, whether he takes one or not.
    pub fn page(&mut self, who: u8, what: u8) -> Checked {
        let Some(at) = self.find(who) else {
            return Ok(());
        };
        let is_last = what % 4 == 0;
        let size = SIZES[usize::from(what >> 5)];
        let mut texts: Vec<Arc<str>> = Vec::new();
        let mut entries = Vec::new();
        for n in 0..what >> 2 & 7 {
            self.messages += 1;
            let number = self.messages;
            let rest = format!("\"h\":{number},\"p\":\"{}\"}}", "h".repeat(size));
            let position = (n & 1 == 0).then(|| format!("{number}-0/ab"));
            texts.push(match &position {
                Some(position) => {
                    format!("{{\"event_id\":\"{number}-0\",\"position\":\"{position}\",{rest}")
                        .into()
                }
                None => format!("{{{rest}").into(),
            });
            entries.push(PageEntry {
                payload: format!("{{{rest}"),
                position,
            });
        }
        let answer = self.core().page(self.wards[at].id, &entries, is_last);
        let ward = &self.wards[at];
        if ward.peer.is_none() {
            let expected = (!ward.attached).then_some(false);
            ensure!(
                answer == Ok(expected),
                "a page for the event loop's: {answer:?}"
            );
            return Ok(());
        }
        let says = match answer {
            Ok(says) => says,
            Err(error) => {
                let is_right = match error {
                    Error::IsLive(_) => ward.resume == Resume::Live,
                    Error::PageUnderWay(_) => ward.resume == Resume::Taking,
                    _ => false,
                };
                ensure!(is_right && ward.attached, "{}: {error}", ward.id);
                self.seen.insert("page refused");
                return Ok(());
            }
        };
        if self.was_there(at, says == Some(true))? {
            let ward = &mut self.wards[at];
            ensure!(
                ward.resume == Resume::Wanting,
                "{} took a page: {:?}",
                ward.id,
                ward.resume
            );
            for text in texts {
                ward.owe_first(text);
            }
            if is_last {
                self.seen.insert(if ward.held.is_empty() {
                    "last page"
                } else {
                    "last page before held"
                });
                ward.go_live();
            } else {
                ward.resume = Resume::Taking;
                self.seen.insert("page");
            }
        }
        Ok(())
    }

    /// Somebody has taken his page: all of it is on his side.
    pub fn hear_of_page(&mut self, id: i64) -> Checked {
        let ward = self.ward(id)?;
        ensure!(
            ward.resume == Resume::Taking && ward.told.is_none(),
            "{id} has taken a page: {:?}",
            ward.resume
        );
        ward.resume = Resume::Wanting;
        if !ward.attached || ward.why.is_hazard() {
            return Ok(());
        }
        let at = usize::try_from(id - 1).unwrap();
        self.read_one(at)?;
        let ward = &mut self.wards[at];
        ward.received
            .compare(&ward.items, true)
            .and_then(|()| ward.received.finish(&ward.items))
            .map_err(|error| format!("client {id}, whose page is said to be taken: {error}"))
    }
}
